//! Calls on record: in batches beside the calls, or in strict mode before them; what a full disk, a
//! crash and a stop leave of them.

use std::time::Duration;

use locum::admin::{Admin, AuditEntry, AuditFilter, AuditOrder};
use locum::sandbox::{Fault, FaultRule};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::app::org;
use crate::support::commands::clinic;
use crate::support::database::{accept_records, refuse_records};
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

/// All that a filter admits, a page at a time.
async fn paged(admin: &Admin, filter: &AuditFilter, newest_first: bool) -> Vec<AuditEntry> {
    let mut found = Vec::new();
    let mut order = match newest_first {
        true => AuditOrder::NewestFirst(None),
        false => AuditOrder::OldestFirst(0),
    };
    loop {
        let page = admin.audit_page(filter, order, 3).await.unwrap();
        found.extend(page.items);
        order = match page.next {
            None => return found,
            Some(seq) if newest_first => AuditOrder::NewestFirst(Some(seq)),
            Some(seq) => AuditOrder::OldestFirst(seq),
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_calls_and_changes_as_one_sequence() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north", "south"], &[]).await;
    let admin = app.admin();
    for round in 0..4 {
        let slug = format!("clinic-{round}");
        admin.create_organization(org(&slug), &slug).await.unwrap();
        for name in ["north", "south", "north", "south", "south"] {
            client.at(name, "dev").call(READ, json!({})).await;
        }
        recorded(&app, 5 * (round + 1)).await;
    }
    let everything = AuditFilter::default();
    let all = paged(&admin, &everything, false).await;
    let numbers: Vec<i64> = all.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=all.len() as i64).collect::<Vec<_>>());
    let north = |entry: &AuditEntry| entry.organization.as_deref() == Some("north");
    let called = |entry: &AuditEntry| entry.action.starts_with("call ");
    let of_north = AuditFilter {
        organization: Some("north".to_owned()),
        ..AuditFilter::default()
    };
    let calls_of_north = AuditFilter {
        action: Some("call *".to_owned()),
        outcome: Some("invalid_arguments".to_owned()),
        ..of_north.clone()
    };
    let changes = AuditFilter {
        action: Some("org.create".to_owned()),
        ..AuditFilter::default()
    };
    let nothing = AuditFilter {
        environment: Some("nowhere".to_owned()),
        ..AuditFilter::default()
    };
    type Wanted<'a> = &'a dyn Fn(&AuditEntry) -> bool;
    let cases: [(&AuditFilter, Wanted<'_>, usize); 5] = [
        (&everything, &|_| true, all.len()),
        (&of_north, &north, 11),
        (&calls_of_north, &|entry| north(entry) && called(entry), 8),
        (&changes, &|entry| entry.action == "org.create", 6),
        (&nothing, &|_| false, 0),
    ];
    for (filter, wanted, count) in cases {
        let wanted: Vec<i64> = all
            .iter()
            .filter(|entry| wanted(entry))
            .map(|entry| entry.seq)
            .collect();
        assert_eq!(wanted.len(), count, "{filter:?}");
        for newest_first in [false, true] {
            let found = paged(&admin, filter, newest_first).await;
            let mut found: Vec<i64> = found.iter().map(|entry| entry.seq).collect();
            if newest_first {
                found.reverse();
            }
            assert_eq!(found, wanted, "{filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_removes_calls_and_changes_in_their_order() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    let admin = app.admin();
    let day = Duration::from_secs(86_400);
    let mut numbers = Vec::new();
    for round in 0..3 {
        let slug = format!("clinic-{round}");
        admin.create_organization(org(&slug), &slug).await.unwrap();
        client.call(READ, json!({})).await;
        client.call(READ, json!({})).await;
        recorded(&app, 2 * (round + 1)).await;
        numbers.push(paged(&admin, &AuditFilter::default(), false).await.len());
        app.clock.advance(day);
    }
    let removed = admin.audit_retain(day * 2).await.unwrap();
    assert_eq!(removed, numbers[0] as u64);
    let left = paged(&admin, &AuditFilter::default(), false).await;
    assert_eq!(left[0].seq, numbers[0] as i64 + 1);
    assert_eq!(left.last().unwrap().action, "audit.retention");
    let found = admin.audit_verify(None).await.unwrap();
    assert!(found.ok, "{found:?}");
    assert_eq!(found.removed_to, Some(numbers[0] as i64));
    admin.audit_retain(Duration::ZERO).await.unwrap();
    let found = admin.audit_verify(None).await.unwrap();
    // What both retentions wrote down, now.
    assert!(found.ok && found.records == 2, "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_one_batch_at_most_and_a_stop_none() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    for _ in 0..30 {
        assert!(read(&client).await.is_ok());
    }
    soon("the calls are on record", async || {
        lines(&program).await.len() == 30
    })
    .await;
    for _ in 0..5 {
        assert!(read(&client).await.is_ok());
    }
    assert!(!end(&mut server.child, Signal::KILL).await.success());
    let kept = lines(&program).await.len();
    assert!((30..=35).contains(&kept), "{kept}");
    program.ok(&["audit", "verify"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    for _ in 0..7 {
        assert!(read(&client).await.is_ok());
    }
    assert!(end(&mut server.child, Signal::TERM).await.success());
    assert_eq!(lines(&program).await.len(), kept + 7);
    program.ok(&["audit", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_costs_no_call_and_says_later_how_many_it_lost() {
    // The queue and a batch that waits to be written.
    const KEPT: usize = 12_000;
    const CALLS: usize = KEPT + 300;
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    let database = app.running.app().loaded.database().unwrap();
    refuse_records(&database).await;
    let replies = spread(CALLS, 16, {
        let client = client.clone();
        move |number| {
            let client = client.clone();
            async move {
                match number % 100 {
                    0 => read(&client).await.is_ok(),
                    _ => client.call(READ, json!({})).await.status == 200,
                }
            }
        }
    })
    .await;
    assert!(replies.iter().all(|served| *served));
    let metrics = Scrape::of(&format!("http://{}", app.running.admin)).await;
    let count = |metrics: &Scrape, result| {
        metrics.value("locum_audit_records_total", &[("result", result)])
    };
    assert_eq!(count(&metrics, "written"), 0.0);
    let lost = count(&metrics, "lost");
    assert!((300.0..=2_300.0).contains(&lost), "{lost}");
    accept_records(&database).await;
    let admin = app.admin();
    let filter = AuditFilter {
        action: Some("audit.lost".to_owned()),
        ..AuditFilter::default()
    };
    soon("the loss is on record", async || {
        let page = admin.audit_page(&filter, AuditOrder::OldestFirst(0), 10);
        let items = page.await.unwrap().items;
        items.len() == 1 && items[0].target == Some(lost.to_string())
    })
    .await;
    assert!(read(&client).await.is_ok());
    let kept = CALLS as f64 - lost + 1.0;
    soon("the rest is written", async || {
        let metrics = Scrape::of(&format!("http://{}", app.running.admin)).await;
        count(&metrics, "written") == kept && count(&metrics, "lost") == lost
    })
    .await;
    assert!(admin.audit_verify(None).await.unwrap().ok);
}

async fn strict(app: &TestApp) -> McpClient {
    app.client(&["north"], &[]).await.at("north", "dev")
}

#[tokio::test(flavor = "multi_thread")]
async fn in_strict_mode_a_call_is_on_record_before_it_is_made() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .config("[audit]\nstrict = true\n")
        .start()
        .await;
    let client = strict(&app).await;
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
    let app = TestApp::builder()
        .org("north", &["dev"])
        .config("[audit]\nstrict = true\n")
        .start()
        .await;
    let client = strict(&app).await;
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
