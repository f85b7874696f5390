//! Calls on record: what a record says, which calls have one, and that none is missing.

mod faults;
mod pages;
mod strict;

use std::time::Duration;

use locum::admin::{Admin, AuditEntry, AuditFilter, AuditOrder};
use locum::sandbox::{Fault, FaultRule};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::commands::clinic;
use crate::support::load::spread;
use crate::support::process::{end, serve_logged, soon};
use crate::support::program::Program;
use crate::support::scrape::Scrape;
use crate::support::{McpClient, Reply, TestApp};

const READ: &str = "get_clinic_details_basic";
const WRITE: &str = "archive_patient";

async fn read(client: &McpClient) -> Reply {
    client.call(READ, json!({"clinic_id": "C2001"})).await
}

/// The records of calls, oldest first.
async fn calls(admin: &Admin) -> Vec<AuditEntry> {
    let filter = AuditFilter {
        action: Some("call *".to_owned()),
        ..AuditFilter::default()
    };
    let page = admin.audit_page(&filter, AuditOrder::OldestFirst(0), 1_000);
    page.await.unwrap().items
}

/// The records of calls, as the command exports them.
async fn lines(program: &Program) -> Vec<Value> {
    let export = ["audit", "export", "--format", "jsonl", "--action", "call *"];
    let text = program.ok(&export).await;
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// The records of calls, once there are so many.
async fn recorded(app: &TestApp, wanted: usize) -> Vec<AuditEntry> {
    let admin = app.admin();
    soon("the calls are on record", async || {
        calls(&admin).await.len() >= wanted
    })
    .await;
    let found = calls(&admin).await;
    assert_eq!(found.len(), wanted, "{found:?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_says_who_called_what_for_whom_with_which_credential() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    let narrow = app.key(&["north"], &[], &[READ], false).await;
    let narrow = client.with_key(&narrow);
    let version = app.admin().credentials(None).await.unwrap()[0].id;
    let replies = [
        read(&client).await,
        client.call(READ, json!({"clinic_id": 7})).await,
        narrow.call(WRITE, json!({"patient_id": "P1"})).await,
        narrow.call("no-such-tool", json!({})).await,
        client
            .at("north", "prod")
            .call(READ, json!({"clinic_id": "C2001"}))
            .await,
    ];
    let found = recorded(&app, 4).await;
    let said: Vec<_> = found
        .iter()
        .map(|entry| (entry.action.as_str(), entry.outcome.as_str(), entry.version))
        .collect();
    let read = "call get_clinic_details_basic";
    assert_eq!(
        said,
        [
            (read, "ok", Some(version.0)),
            (read, "invalid_arguments", None),
            ("call archive_patient", "denied", None),
            (read, "no_credential", None),
        ]
    );
    let key = |client: &McpClient| format!("key:{}", client.key.split('_').nth(1).unwrap());
    let asked = [0, 1, 2, 4].map(|reply| &replies[reply]);
    for (entry, reply) in found.iter().zip(asked) {
        let id = reply.headers["x-request-id"].to_str().unwrap();
        assert_eq!(entry.request_id.as_deref(), Some(id));
        assert_eq!(entry.organization.as_deref(), Some("north"));
        assert_eq!(entry.provider.as_deref(), Some("eka-care"));
    }
    assert_eq!(found[0].actor, key(&client));
    assert_eq!(found[2].actor, key(&narrow));
    assert_eq!(found[3].environment.as_deref(), Some("prod"));
    assert_eq!(found[0].duration_us, Some(0), "the clock stands still");
    assert_eq!(found[2].duration_us, None);
    assert!(app.admin().audit_verify(None).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_nobody_waits_for_any_more_and_one_that_a_credential_fails_are_recorded_too() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    assert!(app.sandbox.add_fault(FaultRule::every(Fault::Hang {})));
    let waiting = tokio::time::timeout(Duration::from_millis(300), read(&client)).await;
    assert!(waiting.is_err());
    app.sandbox.clear_faults();
    let found = recorded(&app, 1).await;
    assert_eq!(found[0].outcome, "aborted");
    let version = app.admin().credentials(None).await.unwrap()[0].id;
    assert_eq!(found[0].version, Some(version.0), "its secret was used");
    app.sandbox
        .pin_secrets("north-dev", vec!["another".to_owned()]);
    app.sandbox.revoke_tokens(None);
    assert!(!read(&client).await.is_ok());
    let found = recorded(&app, 2).await;
    assert_eq!(found[1].outcome, "credential_refused");
    assert_eq!(found[1].version, Some(version.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn which_calls_are_recorded_is_configured() {
    let (program, sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let mut before = 0;
    for (calls, more) in [("writes", 1), ("off", 0), ("all", 3)] {
        let variable = ("LOCUM__AUDIT__CALLS", calls);
        let (mut server, _) = serve_logged(&program, &[variable]).await;
        let client = McpClient::new(&server.url, &key).at("north", "dev");
        read(&client).await;
        client.call(WRITE, json!({"patient_id": "P1"})).await;
        read(&client).await;
        assert!(end(&mut server.child, Signal::TERM).await.success());
        let now = lines(&program).await.len();
        assert_eq!(now - before, more, "{calls}");
        before = now;
    }
    drop(sandbox);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_calls_are_one_transaction_and_none_is_missing() {
    const CALLS: usize = 3_000;
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    spread(CALLS, 16, move |_| {
        let client = client.clone();
        async move { client.call(READ, json!({})).await }
    })
    .await;
    let admin = app.admin();
    let written = async || {
        let metrics = Scrape::of(&format!("http://{}", app.running.admin)).await;
        metrics.value("locum_audit_records_total", &[("result", "written")])
    };
    soon("all are written", async || written().await == CALLS as f64).await;
    let found = admin.audit_verify(None).await.unwrap();
    assert!(found.ok, "{found:?}");
    assert_eq!(found.records, CALLS as u64 + 3);
}
