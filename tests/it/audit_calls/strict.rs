//! Strict mode: a call is on record before it is made, or is not made.

use locum::sandbox::{Fault, FaultRule};
use serde_json::json;

use super::{READ, calls, read, recorded};
use crate::support::database::{accept_records, refuse_records};
use crate::support::load::spread;
use crate::support::process::soon;
use crate::support::scrape::Scrape;
use crate::support::{McpClient, TestApp};

async fn strict() -> (TestApp, McpClient) {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .config("[audit]\nstrict = true\n")
        .start()
        .await;
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    (app, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn in_strict_mode_a_call_is_on_record_before_it_is_made() {
    let (app, client) = strict().await;
    assert!(app.sandbox.add_fault(FaultRule::every(Fault::Hang {})));
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { read(&client).await }
    });
    soon("the call is upstream", async || {
        !app.sandbox.requests().is_empty()
    })
    .await;
    let begun = calls(&app.admin()).await;
    assert_eq!(begun.len(), 1);
    assert_eq!((&*begun[0].outcome, begun[0].duration_us), ("begun", None));
    app.sandbox.clear_faults();
    waiting.abort();
    let found = recorded(&app, 2).await;
    assert_eq!(found[1].outcome, "aborted");
    assert_eq!(found[0].request_id, found[1].request_id);
    // Many at once share their transactions.
    let replies = spread(40, 20, move |_| {
        let client = client.clone();
        async move { read(&client).await.is_ok() }
    });
    assert!(replies.await.iter().all(|ok| *ok));
    let found = recorded(&app, 82).await;
    let begun = found.iter().filter(|entry| entry.outcome == "begun");
    assert_eq!(begun.count(), 41);
    assert!(app.admin().audit_verify(None).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_strict_mode_what_cannot_be_recorded_is_not_done() {
    let (app, client) = strict().await;
    assert!(read(&client).await.is_ok());
    recorded(&app, 2).await;
    let database = app.running.app().loaded.database().unwrap();
    refuse_records(&database).await;
    app.sandbox.clear_requests();
    for method in ["legacy", "modern"] {
        let params = json!({"name": READ, "arguments": {"clinic_id": "C2001"}});
        let reply = match method {
            "legacy" => client.legacy("tools/call", params).await,
            _ => client.modern("tools/call", params).await,
        };
        assert_eq!(reply.status, 503, "{reply:?}");
        assert_eq!(reply.code(), "audit_unavailable");
        assert_eq!(reply.body["error"]["code"], -32603);
        assert_eq!(reply.body["id"], 1);
    }
    assert!(app.sandbox.requests().is_empty());
    let listed = client.legacy("tools/list", json!({})).await;
    assert_eq!(listed.status, 200, "who makes no call is served");
    let metrics = Scrape::of(&format!("http://{}", app.running.admin)).await;
    let kind = [("kind", "audit_unavailable")];
    assert_eq!(metrics.value("locum_mcp_errors_total", &kind), 2.0);
    accept_records(&database).await;
    assert!(read(&client).await.is_ok());
    let found = recorded(&app, 4).await;
    assert!(
        found
            .iter()
            .all(|entry| entry.outcome != "audit_unavailable")
    );
    assert!(app.admin().audit_verify(None).await.unwrap().ok);
}
