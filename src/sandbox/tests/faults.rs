//! Faults and the control API.

use axum::body::{Body, to_bytes};
use http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::Upstream;
use crate::sandbox::{Fault, FaultRule};

const DOCTOR: &str = "/dr/v1/doctor/D1001";

async fn control(upstream: &Upstream, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let body = (!body.is_null()).then_some(body);
    upstream
        .ask(method, &format!("/_sandbox{path}"), &[], body)
        .await
}

#[tokio::test]
async fn a_rule_strikes_whom_it_names_and_as_often_as_it_says() {
    let upstream = Upstream::new();
    let (left, right) = (
        upstream.caller("left").await,
        upstream.caller("right").await,
    );
    let rule = json!({
        "kind": "rate-limited", "retry_after_s": 7, "client_id": "left", "path": "/dr/",
        "method": "get", "count": 2,
    });
    assert_eq!(control(&upstream, "POST", "/faults", &rule).await.0, 201);
    assert_eq!(right.get(DOCTOR).await.0, 200);
    assert_eq!(left.get("/profiles/v1/patient/1700000000001").await.0, 200);
    let (status, answer) = left.get(DOCTOR).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (429, &json!("RATE_LIMIT_EXCEEDED"))
    );
    assert_eq!(left.get(DOCTOR).await.0, 429);
    assert_eq!(left.get(DOCTOR).await.0, 200);
    assert_eq!(
        control(&upstream, "GET", "/faults", &Value::Null).await.1,
        json!({"faults": []})
    );
}

#[tokio::test]
async fn login_rules_leave_the_api_alone() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let fault = Fault::ServerError {
        status: 502,
        retry_after_s: None,
    };
    upstream.sandbox.add_fault(FaultRule {
        login: true,
        ..FaultRule::every(fault)
    });
    assert_eq!(caller.get(DOCTOR).await.0, 200);
    let body = json!({"client_id": "acme", "client_secret": "s"});
    let (status, answer) = upstream
        .ask("POST", "/connect-auth/v1/account/login", &[], Some(&body))
        .await;
    assert_eq!((status, &answer["code"]), (502, &json!(502)));
    upstream.sandbox.clear_faults();
    upstream.login("acme").await;
}

#[tokio::test]
async fn answers_that_are_not_answers() {
    let upstream = Upstream::new();
    let cases = [
        (Fault::Garbage {}, 200, "application/json", 20),
        (Fault::WrongType {}, 200, "text/html; charset=utf-8", 59),
        (
            Fault::Redirect {
                location: "http://x.invalid/".to_owned(),
            },
            302,
            "",
            0,
        ),
        (
            Fault::Huge {
                size_bytes: 300_000,
            },
            200,
            "application/json",
            300_000,
        ),
    ];
    for (fault, status, kind, length) in cases {
        upstream.sandbox.add_fault(FaultRule {
            count: Some(1),
            ..FaultRule::every(fault)
        });
        let request = Request::get(DOCTOR).body(Body::empty()).unwrap();
        let response = upstream.sandbox.router().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status);
        let content_type = response.headers().get("content-type");
        assert_eq!(content_type.map_or("", |kind| kind.to_str().unwrap()), kind);
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body.len(), length);
    }
}

#[tokio::test]
async fn a_slow_answer_is_the_normal_answer_later() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let normal = caller.get(DOCTOR).await;
    let slow = |delay_ms| FaultRule {
        count: Some(1),
        ..FaultRule::every(Fault::Slow { delay_ms })
    };
    assert!(upstream.sandbox.add_fault(slow(1)));
    assert_eq!(caller.get(DOCTOR).await, normal);
    assert!(upstream.sandbox.add_fault(slow(60_000)));
    let waited = std::time::Duration::from_millis(20);
    assert!(
        tokio::time::timeout(waited, caller.get(DOCTOR))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_hanging_request_is_noted_without_a_status() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    upstream.sandbox.add_fault(FaultRule::every(Fault::Hang {}));
    let waited = std::time::Duration::from_millis(20);
    assert!(
        tokio::time::timeout(waited, caller.get(DOCTOR))
            .await
            .is_err()
    );
    let seen = upstream.sandbox.requests();
    assert_eq!(seen.last().map(|request| request.status), Some(None));
}

#[tokio::test]
async fn the_control_api_refuses_what_it_does_not_know() {
    let upstream = Upstream::new();
    let cases = [
        ("POST", "/faults", json!({"kind": "slow"}), "delay_ms"),
        (
            "POST",
            "/faults",
            json!({"kind": "hang", "delay_ms": 1}),
            "delay_ms",
        ),
        (
            "POST",
            "/faults",
            json!({"kind": "hang", "count": "x"}),
            "string",
        ),
        (
            "POST",
            "/faults",
            json!({"kind": "server-error", "status": 404}),
            "status",
        ),
        ("POST", "/revoke", json!({"client": "x"}), "client"),
        (
            "PUT",
            "/clients/acme",
            json!({"token_life": 1}),
            "token_life",
        ),
    ];
    for (method, path, body, named) in cases {
        let (status, answer) = control(&upstream, method, path, &body).await;
        assert_eq!(
            (status, &answer["error"]["code"]),
            (400, &json!("BAD_INPUT"))
        );
        assert!(
            answer["error"]["message"].as_str().unwrap().contains(named),
            "{answer}"
        );
    }
    assert_eq!(
        control(&upstream, "GET", "/nothing", &Value::Null).await.0,
        404
    );
}

#[tokio::test]
async fn the_control_api_sets_shows_and_resets() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let settings = json!({"token_life_s": 5, "secrets": ["hush"]});
    let (_, shown) = control(&upstream, "PUT", "/clients/acme", &settings).await;
    assert_eq!(
        (&shown["token_life_s"], &shown["pinned_secrets"]),
        (&json!(5), &json!(1))
    );
    assert!(!shown.to_string().contains("hush"));
    assert_eq!(
        control(&upstream, "POST", "/revoke", &json!({"client_id": "acme"}))
            .await
            .0,
        204
    );
    assert_eq!(caller.get(DOCTOR).await.0, 401);
    let (_, stats) = control(&upstream, "GET", "/stats", &Value::Null).await;
    assert_eq!(
        stats["clients"]["acme"]["endpoints"],
        json!({"login": 1, "doctor": 1})
    );
    let (_, seen) = control(&upstream, "GET", "/requests", &Value::Null).await;
    assert_eq!(seen["requests"].as_array().unwrap().len(), 2);
    assert!(control(&upstream, "GET", "", &Value::Null).await.1["fault_kinds"].is_array());
    assert_eq!(
        control(&upstream, "POST", "/reset", &Value::Null).await.0,
        204
    );
    assert_eq!(upstream.sandbox.stats().requests, 0);
    upstream.login("acme").await;
}
