//! Secrets go in and never come out, not even when they stand in the wrong place.

use locum::domain::actor::Role;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

const CREDENTIAL: &str = "/orgs/north/credentials/dev/eka-care";
const CANARY: &str = "canary-4711-secret";

#[tokio::test]
async fn what_goes_in_is_shown_as_names_and_fingerprints() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let owner = app.api(Role::Owner, None).await;
    let body = json!({"fields": {"client_id": "north-dev", "client_secret": CANARY}});
    let path = format!("{CREDENTIAL}?unverified=true");
    let mut answers = vec![owner.put(&path, body).await.ok()];
    for path in [
        CREDENTIAL,
        "/orgs/north",
        "/orgs/north/credentials?all=true",
    ] {
        answers.push(owner.get(path).await.ok());
    }
    let profile = &answers[1];
    assert_eq!(profile["state"], "active");
    assert_eq!(profile["entered_by"], "test");
    let fields = profile["fields"].as_array().unwrap();
    let names: Vec<_> = fields.iter().map(|field| &field["name"]).collect();
    assert_eq!(names, ["client_id", "client_secret"]);
    for answer in &answers {
        assert!(!answer.to_string().contains(CANARY), "{answer}");
    }
}

#[tokio::test]
async fn a_body_that_is_refused_is_not_repeated() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let owner = app.api(Role::Owner, None).await;
    let bodies: Vec<(Value, &str)> = vec![
        (json!(CANARY), "expected a JSON object"),
        (json!({"fields": CANARY}), "`fields`: line 1"),
        (
            json!({"fields": {"client_id": [CANARY]}}),
            "`fields.client_id`: line 1",
        ),
        (json!({"fields": {"client_id": 4711}}), "expected a string"),
        (
            json!({"fields": {}, "flow": {"x": CANARY}}),
            "`flow`: line 1",
        ),
        (
            json!({"fields": {}, "issued": "yesterday"}),
            "field `issued`",
        ),
        (
            json!({"fields": {}, "secret": CANARY}),
            "unknown field `secret`",
        ),
        (json!({"flow": null}), "missing field `fields`"),
        (
            json!({"fields": {"client_id": "a", "client_secret": format!(" {CANARY}")}}),
            "blanks around it",
        ),
        (
            json!({"fields": {"client_idd": CANARY}}),
            "did you mean `client_id`",
        ),
    ];
    for (body, words) in bodies {
        let refused = owner.put(CREDENTIAL, body).await;
        assert!([400, 409, 422].contains(&refused.status), "{refused:?}");
        let text = refused.body.to_string();
        assert!(text.contains(words), "{words}: {text}");
        assert!(!text.contains(CANARY) && !text.contains("4711"), "{text}");
    }
    let headers = [("content-type", "text/plain")];
    let refused = owner.send(Method::PUT, CREDENTIAL, &headers, None).await;
    assert_eq!((refused.status, refused.code()), (415, "content_type"));
}
