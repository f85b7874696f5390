//! Logins, refreshes, and what a token opens.

use serde_json::{Value, json};

use super::Upstream;
use crate::sandbox::{ClientSettings, Settings};

const LOGIN: &str = "/connect-auth/v1/account/login";
const REFRESH: &str = "/connect-auth/v1/account/refresh-token";
const QUICK: &str = "/api/v1/auth/token";
/// Name and value.
type Header<'a> = (&'a str, &'a str);

const PATIENT: &str = "/profiles/v1/patient/1700000000001";

fn text<'a>(answer: &'a Value, name: &str) -> &'a str {
    answer[name].as_str().unwrap()
}

#[tokio::test]
async fn a_login_grants_a_pair_that_expires_by_the_clock() {
    let upstream = Upstream::new();
    let answer = upstream.login("acme").await;
    assert_eq!(answer["expires_in"], 1800);
    assert_eq!(answer["refresh_expires_in"], 604_800);
    let caller = upstream.caller("acme").await;
    upstream.pass(1799);
    assert_eq!(caller.get(PATIENT).await.0, 200);
    upstream.pass(1);
    let (status, answer) = caller.get(PATIENT).await;
    assert_eq!(status, 401);
    assert_eq!(
        answer,
        json!({"error": {"message": "The token has expired", "code": "unauthorized"}})
    );
}

#[tokio::test]
async fn a_login_names_the_missing_field_and_refuses_wrong_secrets() {
    let upstream = Upstream::new();
    let missing = json!({"client_id": "acme"});
    assert_eq!(
        upstream.ask("POST", LOGIN, &[], Some(&missing)).await,
        (
            400,
            json!({"code": 400, "error": "client_secret is required"})
        )
    );
    let wrong = json!({"client_id": "acme", "client_secret": "wrong-one"});
    assert_eq!(upstream.ask("POST", LOGIN, &[], Some(&wrong)).await.0, 401);
    assert!(upstream.sandbox.pin_secrets("acme", vec!["new".to_owned()]));
    let old = json!({"client_id": "acme", "client_secret": "old"});
    assert_eq!(upstream.ask("POST", LOGIN, &[], Some(&old)).await.0, 401);
    let new = json!({"client_id": "acme", "client_secret": "new"});
    assert_eq!(upstream.ask("POST", LOGIN, &[], Some(&new)).await.0, 200);
    let stats = upstream.sandbox.stats();
    assert_eq!(
        (stats.logins, stats.refused_logins, stats.unauthorized),
        (1, 3, 2)
    );
    let journal = serde_json::to_string(&upstream.sandbox.requests()).unwrap();
    assert!(!journal.contains("wrong-one"), "{journal}");
}

#[tokio::test]
async fn a_refresh_token_works_once_and_for_its_client_only() {
    let upstream = Upstream::new();
    let first = upstream.login("acme").await;
    upstream.pass(4000);
    let bearer = format!("Bearer {}", text(&first, "access_token"));
    let body = json!({"refresh_token": text(&first, "refresh_token")});
    let as_client = |id| [("authorization", bearer.as_str()), ("client-id", id)];
    assert_eq!(
        upstream
            .ask("POST", REFRESH, &as_client("other"), Some(&body))
            .await
            .0,
        401
    );
    assert_eq!(upstream.ask("POST", REFRESH, &[], Some(&body)).await.0, 400);
    let (status, second) = upstream
        .ask("POST", REFRESH, &as_client("acme"), Some(&body))
        .await;
    assert_eq!(status, 200);
    assert_ne!(second["refresh_token"], first["refresh_token"]);
    assert_eq!(
        upstream
            .ask("POST", REFRESH, &as_client("acme"), Some(&body))
            .await
            .0,
        401
    );
    assert_eq!(upstream.sandbox.stats().clients["acme"].refreshes, 1);
}

#[tokio::test]
async fn the_quick_flow_needs_its_key_and_grant_type() {
    let upstream = Upstream::new();
    let mut body = json!({"client_id": "acme", "client_secret": "s"});
    let key = [("x-api-key", "key")];
    assert_eq!(upstream.ask("POST", QUICK, &[], Some(&body)).await.0, 400);
    assert_eq!(upstream.ask("POST", QUICK, &key, Some(&body)).await.0, 400);
    body["grant_type"] = json!("client_credentials");
    let (status, answer) = upstream.ask("POST", QUICK, &key, Some(&body)).await;
    assert_eq!(
        (status, &answer["token_type"], &answer["expires_in"]),
        (200, &json!("Bearer"), &json!(3600))
    );
}

#[tokio::test]
async fn a_clients_settings_shape_its_tokens() {
    let upstream = Upstream::new();
    let set = |body: Value| {
        let settings: ClientSettings = serde_json::from_value(body).unwrap();
        assert!(upstream.sandbox.set_client("acme", settings));
    };
    set(json!({"token_life_s": 5, "expires_in": "soon", "jwt": true}));
    let answer = upstream.login("acme").await;
    assert_eq!(answer["expires_in"], "soon");
    assert_eq!(text(&answer, "access_token").split('.').count(), 3);
    set(json!({"expires_in": null}));
    assert!(upstream.login("acme").await.get("expires_in").is_none());
}

#[tokio::test]
async fn every_demanded_header_is_demanded() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let bearer = format!("Bearer {}", caller.token);
    let authorization = ("authorization", bearer.as_str());
    let auth = ("auth", caller.token.as_str());
    let (other_auth, other_id) = (("auth", "another"), ("client-id", "other"));
    let (doctor, list) = ("/dr/v1/doctor/D1001", "/dr/v1/appointment?patient_id=x");
    let cases: [(&str, &[Header<'_>], u16); 9] = [
        (PATIENT, &[authorization], 400),
        (PATIENT, &[auth], 401),
        (PATIENT, &[authorization, other_id], 403),
        (doctor, &[authorization], 401),
        (doctor, &[auth], 200),
        (doctor, &[auth, other_id], 403),
        (list, &[auth], 401),
        (list, &[authorization], 200),
        (list, &[authorization, other_auth], 401),
    ];
    for (path, headers, expected) in cases {
        let (status, answer) = upstream.ask("GET", path, headers, None).await;
        assert_eq!(status, expected, "{path}: {answer}");
    }
}

#[tokio::test]
async fn revoked_and_forgotten_tokens_open_nothing() {
    let upstream = Upstream::with(Settings {
        max_tokens: 1,
        ..Settings::default()
    });
    let first = upstream.caller("acme").await;
    let second = upstream.caller("acme").await;
    assert_eq!(first.get(PATIENT).await.0, 401);
    assert_eq!(second.get(PATIENT).await.0, 200);
    upstream.sandbox.revoke_tokens(Some("other"));
    assert_eq!(second.get(PATIENT).await.0, 200);
    upstream.sandbox.expire_access_tokens(Some("acme"));
    assert_eq!(second.get(PATIENT).await.0, 401);
}
