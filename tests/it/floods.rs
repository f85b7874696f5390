//! Floods before authentication: who fails too often is refused unread, and nobody else is.

use std::time::Duration;

use crate::support::TestApp;
use crate::support::app::{FAILED_AUTH, TestAppBuilder};
use crate::support::wire::{Answer, Draft, Wire};

const BODY: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;

fn builder(limit: &str) -> TestAppBuilder {
    TestApp::builder()
        .org("north", &["dev"])
        .variable(FAILED_AUTH, limit)
}

/// How many requests without a key are answered with 401 before one is not; and the answer that
/// the next one gets.
async fn until_refused(app: &TestApp, source: &str, lines: &[&str]) -> (usize, Answer) {
    let draft = lines
        .iter()
        .fold(Draft::post("/mcp", BODY), |draft, line| draft.with(*line));
    for count in 0..1_000 {
        let mut wire = Wire::connect_from(source, &app.url()).await;
        let answer = wire.exchange(&draft.bytes()).await;
        if answer.status != 401 {
            return (count, answer);
        }
    }
    panic!("never refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_fails_too_often_has_to_wait_and_a_valid_key_does_not() {
    let app = builder("20").start().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let (failures, answer) = until_refused(&app, "127.0.0.1", &[]).await;
    assert_eq!(failures, 20);
    assert_eq!(answer.status, 429);
    assert_eq!(answer.header("retry-after"), Some("3"));
    let error = &answer.json()["error"];
    assert_eq!(error["data"]["code"], "rate_limited", "{error}");
    assert_eq!(
        error["data"]["request_id"].as_str(),
        answer.header("x-request-id")
    );

    let good = Draft::post("/mcp", BODY).with(format!("Authorization: Bearer {key}"));
    for _ in 0..50 {
        let mut wire = Wire::connect(&app.url()).await;
        assert_eq!(wire.exchange(&good.bytes()).await.status, 200);
    }
    let (failures, _) = until_refused(&app, "127.0.0.2", &[]).await;
    assert_eq!(failures, 20, "another address has its own allowance");
    app.clock.advance(Duration::from_secs(6));
    assert_eq!(until_refused(&app, "127.0.0.1", &[]).await.0, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_flood_no_body_is_read() {
    let app = builder("1").start().await;
    until_refused(&app, "127.0.0.1", &[]).await;
    let mut wire = Wire::connect(&app.url()).await;
    let head = "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
                Content-Length: 1000\r\n\r\n";
    wire.send(head.as_bytes()).await;
    assert_eq!(wire.receive().await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_proxy_the_client_counts_and_not_what_it_claims() {
    let app = builder("5")
        .variable(
            "LOCUM__SERVER__TRUSTED_PROXIES",
            "[\"127.0.0.2\", \"127.1.0.0/16\"]",
        )
        .start()
        .await;
    let through = async |source: &str, lines: &[&str]| {
        let (failures, answer) = until_refused(&app, source, lines).await;
        assert_eq!(answer.status, 429);
        failures
    };
    assert_eq!(
        through("127.0.0.2", &["X-Forwarded-For: 192.0.2.1"]).await,
        5
    );
    assert_eq!(
        through("127.0.0.2", &["X-Forwarded-For: 192.0.2.2"]).await,
        5
    );
    // The same client, through another proxy, two hops, and with a claim of its own.
    let hops = "X-Forwarded-For: 203.0.113.9, 192.0.2.1, 127.1.0.7";
    assert_eq!(through("127.1.2.3", &[hops]).await, 0);
    assert_eq!(
        through("127.0.0.2", &["Forwarded: for=192.0.2.3;proto=https"]).await,
        5
    );
    // Not a proxy: what it says is its own business.
    assert_eq!(
        through("127.0.0.1", &["X-Forwarded-For: 198.51.100.1"]).await,
        5
    );
    assert_eq!(
        through("127.0.0.1", &["X-Forwarded-For: 198.51.100.2"]).await,
        0
    );
}
