//! Answers that are given again: writes that are sent twice, and reads that a profile lets be kept.

use std::time::Duration;

use futures_util::future::join_all;
use locum::admin::{AuditFilter, AuditOrder};
use locum::domain::tenant::Environment;
use locum::sandbox::{Fault, FaultRule};
use locum::store::{AuditQuery, PageStart, Store};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::{PROVIDER, org, set_credential};
use crate::support::client::McpClient;
use crate::support::process::soon;

const ADDED: &str = "/profiles/v1/patient/";
const BOOKED: &str = "/dr/v1/appointment";
const ENTITIES: &str = "/dr/v1/business/entities";

fn patient(name: &str) -> Value {
    json!({"patient_data": {"fln": name, "dob": "1990-02-28", "gen": "F", "mobile": "+919000000077"}})
}

fn booking(start: &str, mode: &str) -> Value {
    json!({"booking": {
        "patient_id": "1700000000001", "doctor_id": "D1001", "clinic_id": "C2001",
        "date": "2026-11-24", "start_time": start, "end_time": "10:00", "mode": mode,
    }})
}

/// How many requests of this method and path there were.
fn count(app: &TestApp, method: &str, path: &str) -> usize {
    let requests = app.sandbox.requests().into_iter();
    requests
        .filter(|request| request.method == method && request.path == path)
        .count()
}

async fn north() -> (TestApp, McpClient) {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    (app, client)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_sent_again_is_done_once() {
    let (app, client) = north().await;
    let first = client.call("add_patient", patient("Tara")).await;
    assert!(first.is_ok(), "{}", first.body);
    // The same, in another order.
    let mut turned = patient("Tara");
    let members = turned["patient_data"].as_object_mut().unwrap();
    let name = members.shift_remove("fln").unwrap();
    members.insert("fln".to_owned(), name);
    let again = client.call("add_patient", turned).await;
    assert_eq!(again.content(), first.content());
    assert_eq!(count(&app, "POST", ADDED), 1);
    let other = client.call("add_patient", patient("Zara")).await;
    assert!(other.is_ok() && other.content() != first.content());
    assert_eq!(count(&app, "POST", ADDED), 2);

    // It is on record as what it was: nothing was done, with no credential.
    let admin = app.admin();
    let calls = async || -> Vec<_> {
        let filter = AuditFilter {
            action: Some("call add_patient".to_owned()),
            ..AuditFilter::default()
        };
        let page = admin.audit_page(&filter, AuditOrder::OldestFirst(0), 10);
        let entries = page.await.unwrap().items.into_iter();
        entries
            .map(|entry| (entry.outcome, entry.version.is_some()))
            .collect()
    };
    soon("all calls are on record", async || calls().await.len() == 3).await;
    let mut seen = calls().await;
    seen.sort_unstable();
    let said: Vec<_> = seen
        .iter()
        .map(|(word, used)| (word.as_str(), *used))
        .collect();
    assert_eq!(said, [("ok", true), ("ok", true), ("repeated", false)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_writes_at_the_same_moment_wait_for_the_first() {
    let (app, client) = north().await;
    let calls = (0..20).map(|_| client.call("add_patient", patient("Tara")));
    let replies = join_all(calls).await;
    for reply in &replies {
        assert!(reply.is_ok(), "{}", reply.body);
        assert_eq!(reply.content(), replies[0].content());
    }
    assert_eq!(count(&app, "POST", ADDED), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_its_principals_and_its_tenants() {
    let app = TestApp::builder()
        .org("north", &["dev", "prod"])
        .org("south", &["dev"])
        .start()
        .await;
    let both = app.client(&["north", "south"], &["dev", "prod"]).await;
    let other = app.client(&["north"], &["dev"]).await;
    for client in [
        both.at("north", "dev"),
        both.at("north", "prod"),
        both.at("south", "dev"),
        other.at("north", "dev"),
    ] {
        let reply = client.call("add_patient", patient("Tara")).await;
        assert!(reply.is_ok(), "{}", reply.body);
    }
    assert_eq!(count(&app, "POST", ADDED), 4);
    // A read is the tenant's: whoever asks, but nobody of another tenant's.
    let mut answers = Vec::new();
    for client in [
        both.at("north", "dev"),
        both.at("south", "dev"),
        other.at("north", "dev"),
    ] {
        let reply = client.call("get_business_entities", json!({})).await;
        answers.push(reply.content().clone());
    }
    assert_eq!(count(&app, "GET", ENTITIES), 2);
    assert_eq!(answers[0], answers[2]);
    assert_ne!(answers[0], answers[1], "of different businesses");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_not_kept() {
    let (app, client) = north().await;
    let failing = Fault::ServerError {
        status: 500,
        retry_after_s: None,
    };
    assert!(app.sandbox.add_fault(FaultRule::every(failing)));
    let first = client.call("add_patient", patient("Tara")).await;
    assert!(first.is_error(), "{}", first.body);
    app.sandbox.clear_faults();
    let again = client.call("add_patient", patient("Tara")).await;
    assert!(again.is_ok(), "{}", again.body);
    assert_eq!(count(&app, "POST", ADDED), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_over_with_its_window() {
    let (app, client) = north().await;
    for (wait, posts) in [(0, 1), (599, 1), (1, 2)] {
        app.clock.advance(Duration::from_secs(wait));
        let reply = client.call("add_patient", patient("Tara")).await;
        assert!(reply.is_ok(), "{}", reply.body);
        assert_eq!(count(&app, "POST", ADDED), posts, "after {wait} s more");
    }
    for (wait, gets) in [(0, 1), (59, 1), (1, 2)] {
        app.clock.advance(Duration::from_secs(wait));
        let reply = client.call("get_business_entities", json!({})).await;
        assert!(reply.is_ok(), "{}", reply.body);
        assert_eq!(count(&app, "GET", ENTITIES), gets, "after {wait} s more");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_cancelled_can_be_booked_again() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let both = app.client(&["north", "south"], &["dev"]).await;
    let (north, south) = (both.at("north", "dev"), both.at("south", "dev"));
    for client in [&north, &south] {
        // How the visit takes place does not make it another one.
        for mode in ["INCLINIC", "VIDEO"] {
            let reply = client
                .call("book_appointment", booking("09:30", mode))
                .await;
            assert!(reply.is_ok(), "{}", reply.body);
        }
    }
    assert_eq!(count(&app, "POST", BOOKED), 2);
    let booked = north
        .call("book_appointment", booking("09:30", "INCLINIC"))
        .await;
    let id = booked.content()["data"]["appointment_id"].clone();
    let arguments = json!({"appointment_id": id, "cancel_data": {}});
    // Somebody else of the tenant's cancels it.
    let desk = app.client(&["north"], &["dev"]).await;
    let cancelled = desk.call("cancel_appointment", arguments).await;
    assert!(cancelled.is_ok(), "{}", cancelled.body);
    let again = north
        .call("book_appointment", booking("09:30", "INCLINIC"))
        .await;
    assert_eq!(count(&app, "POST", BOOKED), 3, "{}", again.body);
    // The other tenant's is kept still.
    let kept = south
        .call("book_appointment", booking("09:30", "INCLINIC"))
        .await;
    assert!(kept.is_ok(), "{}", kept.body);
    assert_eq!(count(&app, "POST", BOOKED), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_over_with_its_credential() {
    let (app, client) = north().await;
    let read = async || client.call("get_business_entities", json!({})).await;
    assert!(read().await.is_ok());
    set_credential(&app.admin(), "north", "dev", "another-secret").await;
    app.running.refresh().await.unwrap();
    assert!(read().await.is_ok());
    assert_eq!(count(&app, "GET", ENTITIES), 2);
    let dev = Environment::parse("dev").unwrap();
    let admin = app.admin();
    let north = org("north");
    let revoked = admin.revoke_credential(&north, &dev, PROVIDER, None);
    revoked.await.unwrap();
    app.running.refresh().await.unwrap();
    assert_eq!(read().await.failure()["error_code"], "no_credential");
}

/// The next write takes its time.
fn slow_write() -> FaultRule {
    FaultRule {
        method: Some("POST".to_owned()),
        count: Some(1),
        ..FaultRule::every(Fault::Slow { delay_ms: 1_500 })
    }
}

/// Sends a write, and leaves as soon as the upstream has it.
async fn leave(app: &TestApp, client: &McpClient, name: &str, nth: usize) {
    assert!(app.sandbox.add_fault(slow_write()));
    let (client, name) = (client.clone(), name.to_owned());
    let call = tokio::spawn(async move { client.call("add_patient", patient(&name)).await });
    soon("the upstream has the write", async || {
        count(app, "POST", ADDED) == nth
    })
    .await;
    call.abort();
    assert!(
        call.await.unwrap_err().is_cancelled(),
        "the answer came first"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_client_goes_away_is_done_once_and_remembered() {
    let (app, client) = north().await;
    leave(&app, &client, "Tara", 1).await;
    // It comes again while the first is under way, and waits for what that comes to.
    let again = client.call("add_patient", patient("Tara")).await;
    assert!(again.is_ok(), "{}", again.body);
    assert_eq!(count(&app, "POST", ADDED), 1);

    // At the stop it is waited for, and is on record as what it was.
    leave(&app, &client, "Zara", 2).await;
    let (sandbox, database) = (app.sandbox.clone(), app.running.app().loaded.database());
    app.running.stop().await.unwrap();
    let seen = sandbox.requests();
    let writes: Vec<_> = seen.iter().filter(|seen| seen.path == ADDED).collect();
    assert_eq!(writes.len(), 2);
    let store = Store::open(&database.unwrap(), false).await.unwrap();
    let mut outcomes = outcomes(&store, "call add_patient").await;
    outcomes.sort_unstable();
    assert_eq!(outcomes, ["ok", "ok", "repeated"]);
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_went_away_while_waiting_for_an_equal_write_makes_none() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .config("[upstream]\nrequest_timeout = \"2s\"\n")
        .start()
        .await;
    let client = app.client(&["north"], &["dev"]).await;
    // The first one gets no answer.
    assert!(app.sandbox.add_fault(FaultRule {
        method: Some("POST".to_owned()),
        count: Some(1),
        ..FaultRule::every(Fault::Hang {})
    }));
    let call = |client: &McpClient| {
        let client = client.clone();
        tokio::spawn(async move { client.call("add_patient", patient("Tara")).await })
    };
    let first = call(&client);
    soon("the upstream has the write", async || {
        count(&app, "POST", ADDED) == 1
    })
    .await;
    let (leaves, stays) = (call(&client), call(&client));
    tokio::time::sleep(Duration::from_millis(300)).await;
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    assert!(first.await.unwrap().is_error());
    // Who still waits makes the next one; nobody makes one for who left.
    assert!(stays.await.unwrap().is_ok());
    assert_eq!(count(&app, "POST", ADDED), 2);
    app.running.stop().await.unwrap();
    assert_eq!(
        app.sandbox
            .requests()
            .iter()
            .filter(|seen| seen.path == ADDED)
            .count(),
        2
    );
}

/// How calls of a tool are on record.
async fn outcomes(store: &Store, action: &str) -> Vec<String> {
    let all = [AuditQuery::default()];
    let page = store
        .audit_page(&all, PageStart::After(0), 1_000)
        .await
        .unwrap();
    let of_tool = page
        .records
        .into_iter()
        .filter(|record| record.action == action);
    of_tool.map(|record| record.outcome).collect()
}
