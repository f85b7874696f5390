//! The laboratory: its ways in, its pages, and orders that are made once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Request;
use serde_json::{Value, json};

use super::{Answer, Upstream};

const TOKEN: &str = "/lab/oauth/token";
const GRANT: &str = "grant_type=client_credentials";
const KEY: [(&str, &str); 1] = [("x-api-key", "acme.secret")];

async fn token(upstream: &Upstream, authorization: Option<&str>, form: &str) -> Answer {
    let mut request =
        Request::post(TOKEN).header("content-type", "application/x-www-form-urlencoded");
    if let Some(pair) = authorization {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(pair)));
    }
    upstream
        .send(request.body(form.to_owned().into()).unwrap())
        .await
}

#[tokio::test]
async fn a_token_is_granted_as_oauth_has_it() {
    let upstream = Upstream::new();
    assert!(upstream.sandbox.pin_secrets("a b", vec!["s+%:".to_owned()]));
    // RFC 6749, section 2.3.1: both are form-encoded before they are joined.
    let (status, answer) = token(&upstream, Some("a+b:s%2B%25%3A"), GRANT).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!(
        (&answer["token_type"], &answer["expires_in"]),
        (&json!("Bearer"), &json!(1800))
    );
    assert_eq!(answer.get("refresh_token"), None);
    let bearer = format!("Bearer {}", answer["access_token"].as_str().unwrap());
    let (_, account) = upstream
        .ask(
            "GET",
            "/lab/v1/account",
            &[("authorization", &bearer)],
            None,
        )
        .await;
    assert_eq!(account["account"], "a b");
    let (status, answer) = token(&upstream, Some("a b:s+%:"), GRANT).await;
    assert_eq!((status, &answer["error"]), (401, &json!("invalid_client")));
    let form = format!("{GRANT}&client_id=a+b&client_secret=s%2B%25%3A");
    assert_eq!(token(&upstream, None, &form).await.0, 200);
    assert_eq!(
        token(&upstream, Some("a:b"), "grant_type=password").await.0,
        400
    );
    assert_eq!(token(&upstream, Some("a:b"), "").await.0, 400);
    let json = json!({"grant_type": "client_credentials"});
    assert_eq!(upstream.ask("POST", TOKEN, &[], Some(&json)).await.0, 400);
    let stats = upstream.sandbox.stats();
    assert_eq!((stats.logins, stats.refused_logins), (2, 4));
    let journal = serde_json::to_string(&upstream.sandbox.requests()).unwrap();
    assert!(!journal.contains("s+%"), "{journal}");
}

#[tokio::test]
async fn a_client_may_come_with_its_secret_every_time() {
    let upstream = Upstream::new();
    let basic = format!("Basic {}", STANDARD.encode("acme:secret"));
    let wrong = format!("Basic {}", STANDARD.encode("acme:wrong"));
    for (header, status) in [
        (("authorization", basic.as_str()), 200),
        (("authorization", wrong.as_str()), 401),
        (("x-api-key", "acme.secret"), 200),
        (("x-api-key", "acme.wrong"), 401),
        (("x-api-key", "acme"), 401),
        (("client-id", "acme"), 401),
    ] {
        let answer = upstream
            .ask("GET", "/lab/v1/account", &[header], None)
            .await;
        assert_eq!(answer.0, status, "{header:?} {}", answer.1);
    }
    assert_eq!(upstream.sandbox.stats().clients["acme"].requests, 5);
}

#[tokio::test]
async fn orders_come_in_pages_and_are_made_once() {
    let upstream = Upstream::new();
    let get = async |path: &str| upstream.ask("GET", path, &KEY, None).await;
    let (_, page) = get("/lab/v1/orders?patient=1700000000001&limit=3").await;
    let ids = |page: &Value| -> Vec<String> {
        let items = page["items"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(ids(&page), ["O10001", "O10002", "O10004"]);
    let (_, page) = get("/lab/v1/orders?patient=1700000000001&limit=3&after=O10004").await;
    assert_eq!(
        (ids(&page), &page["next"]),
        (vec!["O10006".to_owned()], &Value::Null)
    );

    let order = json!({"patient": "7", "test": "CBC"});
    let headers = [KEY[0], ("idempotency-key", "once")];
    let make = async || {
        upstream
            .ask("POST", "/lab/v1/orders", &headers, Some(&order))
            .await
    };
    let (first, again) = (make().await, make().await);
    assert_eq!((first.0, again.0), (201, 200));
    assert_eq!((&first.1, &first.1["id"]), (&again.1, &json!("O10007")));
    let cancel = async |id: &str| {
        let path = format!("/lab/v1/orders/{id}/cancel");
        upstream.ask("POST", &path, &KEY, None).await
    };
    assert_eq!(cancel("O10007").await.0, 204);
    assert_eq!(cancel("O10007").await.0, 204);
    let (status, answer) = cancel("O10001").await;
    assert_eq!((status, &answer["code"]), (409, &json!("already_reported")));
    assert_eq!(get("/lab/v1/orders/O10006/report").await.0, 404);
    assert_eq!(get("/lab/v1/orders/O10001/report").await.0, 200);
}
