//! An upstream that misbehaves: every call ends by the deadline with an error that says what
//! happened, memory stays bounded, other tenants notice nothing, and the next call is served as if
//! nothing had been. The faults of answers are the table in `rows`, those of connections are here.

mod connections;
mod memory;
mod rows;

use std::time::Duration;

use locum::sandbox::{Fault, FaultRule};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use self::rows::{Outcome, Row, rows};
use crate::support::TestApp;
use crate::support::client::{McpClient, Reply};
use crate::support::load::spread;
use crate::support::raw::{Kind, RawUpstream};

/// Short times and a small answer limit; no call may last longer than `DEADLINE`.
const CONFIG: &str = "[upstream]\nconnect_timeout = \"3s\"\nrequest_timeout = \"3s\"\n\
                      [limits]\nanswer = \"256KiB\"\n";
const DEADLINE: Duration = Duration::from_secs(15);
/// Longer than any back-off.
const PAUSE: Duration = Duration::from_secs(2 * 3600);
/// What the sockets between two processes may hold of an answer that nobody reads.
const IN_SOCKETS: u64 = 16 << 20;

async fn read(client: &McpClient) -> Reply {
    let call = client.call("get_clinic_details_basic", json!({"clinic_id": "C2001"}));
    timeout(DEADLINE, call)
        .await
        .expect("an answer by the deadline")
}

/// A listener that must see no connection, and what it sees.
async fn forbidden_place() -> (String, mpsc::UnboundedReceiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/stolen", listener.local_addr().unwrap());
    let (seen, visits) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while listener.accept().await.is_ok() {
            let _ = seen.send(());
        }
    });
    (url, visits)
}

/// Plays every row at once, each on an organization of its own, while another one is undisturbed.
async fn play(kind: Kind) {
    let (elsewhere, mut visits) = forbidden_place().await;
    let rows = rows(&elsewhere);
    let upstream = RawUpstream::start().await;
    let mut builder = TestApp::builder()
        .config(CONFIG)
        .upstream(&upstream.url)
        .org("bystander", &["dev"]);
    for row in &rows {
        builder = builder.org(&slug(row), &["dev"]);
        upstream.play(&client_id(row), kind, row.play.clone());
    }
    let app = builder.start().await;
    let slugs: Vec<String> = rows.iter().map(slug).chain(["bystander".into()]).collect();
    let names: Vec<&str> = slugs.iter().map(String::as_str).collect();
    let client = app.client(&names, &["dev"]).await;
    let clients: Vec<McpClient> = names.iter().map(|name| client.at(name, "dev")).collect();
    let callers = clients.clone();
    let replies = spread(names.len(), names.len(), move |number| {
        let client = callers[number].clone();
        async move { read(&client).await }
    })
    .await;
    let (undisturbed, replies) = replies.split_last().unwrap();
    assert!(undisturbed.is_ok(), "{}", undisturbed.body);
    let problems: Vec<String> = rows
        .iter()
        .zip(replies)
        .zip(1..)
        .filter_map(|((row, reply), number)| {
            let problem = problem(row, kind, reply, &upstream)?;
            Some(format!("{number} {}: {problem}", row.name))
        })
        .collect();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    assert!(upstream.sent() < IN_SOCKETS * 10, "{}", upstream.sent());
    assert!(visits.try_recv().is_err(), "a redirect was followed");

    upstream.recover();
    app.clock.advance(PAUSE);
    for (client, name) in clients.iter().zip(&names) {
        let reply = read(client).await;
        assert_eq!(
            reply.content()["data"],
            json!({"well": true}),
            "{name}: {}",
            reply.body
        );
    }
}

fn slug(row: &Row) -> String {
    row.name.replace('.', "-")
}

fn client_id(row: &Row) -> String {
    format!("{}-dev", slug(row))
}

/// What is wrong with the outcome of a row, if anything is.
fn problem(row: &Row, kind: Kind, reply: &Reply, upstream: &RawUpstream) -> Option<String> {
    let failure = reply.failure();
    let text = failure["message"].as_str().unwrap_or_default();
    let expected = match kind {
        Kind::Api => &row.api,
        Kind::Login => &row.login,
    };
    let as_expected = match expected {
        Outcome::Ok => reply.is_ok(),
        Outcome::Error(status, code, message) => {
            reply.is_error()
                && failure["status_code"] == json!(status)
                && failure["error_code"] == *code
                && text.contains(message)
                && reply.headers["x-request-id"] == failure["request_id"].as_str()?
        }
    };
    // Only a 401 of the API is tried again, once; nothing else is repeated behind anybody's back.
    let requests = [Kind::Login, Kind::Api].map(|kind| upstream.requests(&client_id(row), kind));
    let sent = match (kind, row.name) {
        (Kind::Login, _) => [1, 0],
        (Kind::Api, "unauthorized-401") => [2, 2],
        (Kind::Api, _) => [1, 1],
    };
    let body = reply.body.to_string();
    let quiet = !["127.0.0.1", "://", "synthetic", "-dev"]
        .iter()
        .any(|secret| body.contains(secret));
    let fine = reply.status == 200 && as_expected && requests == sent && quiet && text.len() < 400;
    (!fine).then(|| format!("{requests:?} {body}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_api_becomes_an_error_that_says_so() {
    play(Kind::Api).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_login_becomes_an_error_that_says_so() {
    play(Kind::Login).await;
}

#[test]
fn the_table_has_its_forty_faults_and_each_has_a_name_of_its_own() {
    let names: Vec<&str> = rows("").iter().map(|row| row.name).collect();
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(names.len(), distinct.len());
    assert!(names.len() >= 40, "{}", names.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_within_the_deadline_is_an_answer() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    app.sandbox
        .add_fault(FaultRule::every(Fault::Slow { delay_ms: 300 }));
    assert!(read(&client).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_ends_by_its_own_deadline_even_where_every_request_would_still_wait() {
    let app = TestApp::builder()
        .config("[limits]\ncall_timeout = \"1s\"\n")
        .org("north", &["dev"])
        .start()
        .await;
    let client = app.client(&["north"], &["dev"]).await;
    app.sandbox.add_fault(FaultRule::every(Fault::Hang {}));
    let reply = read(&client).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body["error"]["code"], -32603);
    assert_eq!(
        reply.body["error"]["message"],
        "the call did not end in time"
    );
    app.sandbox.clear_faults();
    assert!(read(&client).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_the_upstream_keep_their_message_and_code() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    let nobody = json!({"patient_id": "9", "update_data": {"dob": "2000-01-01"}});
    let bad_birth = json!({"patient_id": "1700000000001", "update_data": {"dob": "yesterday"}});
    let done = json!({"appointment_id": "A3001", "completion_data": {}});
    let gone = json!({"appointment_id": "A3005", "cancel_data": {}});
    // 10:30 in India on the next day, when no slot is ever free.
    let change = json!({
        "clinic_id": "C2001", "doctor_id": "D1001", "patient_id": "1700000000001",
        "appointment_details": {"start_time": 1_795_496_400},
    });
    let taken = json!({"appointment_id": "A3006", "update_data": change});
    let unknown = json!({"appointment_id": "A9", "update_data": change});
    let whose = json!({"appointment_id": "A3006", "update_data": {"token": 1}});
    for (tool, arguments, status, code, message) in [
        (
            "get_clinic_details_basic",
            json!({"clinic_id": "C9"}),
            404,
            "CLINIC_NOT_FOUND",
            "The specified clinic_id does not exist. No clinic",
        ),
        (
            "get_doctor_services",
            json!({"doctor_id": "D9"}),
            404,
            "DOCTOR_NOT_FOUND",
            "The specified doctor_id does not exist",
        ),
        (
            "get_appointment_details_basic",
            json!({"appointment_id": "A9"}),
            404,
            "NOT_FOUND",
            "find it with show_appointments_basic",
        ),
        (
            "update_patient",
            nobody,
            404,
            "profile_not_found",
            "The provider answered 404: Not found",
        ),
        (
            "archive_patient",
            json!({"patient_id": "9"}),
            404,
            "profile_not_found",
            "find the id with search_patients",
        ),
        (
            "update_patient",
            bad_birth,
            400,
            "invalid_request",
            "dob must be YYYY-MM-DD",
        ),
        (
            "get_patient_by_mobile",
            json!({"mobile": "9000000001"}),
            400,
            "invalid_request",
            "mob must be",
        ),
        (
            "list_patients",
            json!({"page_no": 0}),
            400,
            "invalid_request",
            "pageNo must be from 1",
        ),
        (
            "show_appointments_basic",
            json!({}),
            400,
            "INVALID_REQUEST_PARAMETERS",
            "valid filter combinations",
        ),
        (
            "complete_appointment",
            done,
            403,
            "COMPLETE_NOT_ALLOWED",
            "Only a booked appointment can be completed",
        ),
        (
            "cancel_appointment",
            gone,
            403,
            "CANCEL_NOT_ALLOWED",
            "Only a booked appointment can be cancelled",
        ),
        (
            "update_appointment",
            taken,
            409,
            "SLOT_UNAVAILABLE",
            "The slot is no longer available",
        ),
        (
            "update_appointment",
            whose,
            400,
            "INVALID_REQUEST",
            "clinic_id, doctor_id and patient_id are required",
        ),
        (
            "update_appointment",
            unknown,
            404,
            "APPOINTMENT_NOT_FOUND",
            "No appointment has this id",
        ),
        // Its 404 is empty.
        (
            "get_prescription_details_basic",
            json!({"prescription_id": "P9"}),
            404,
            "upstream_refused",
            "The provider answered 404. No prescription has this id.",
        ),
    ] {
        let reply = client.call(tool, arguments).await;
        let failure: &Value = reply.failure();
        assert!(reply.is_error(), "{tool}: {}", reply.body);
        assert_eq!(reply.content()["success"], false);
        assert_eq!(failure["status_code"], status, "{tool}: {failure}");
        assert_eq!(failure["error_code"], code, "{tool}: {failure}");
        let text = failure["message"].as_str().unwrap();
        assert!(text.contains(message), "{tool}: {text}");
    }
}
