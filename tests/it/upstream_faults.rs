//! An upstream that misbehaves: every call ends by the deadline with an error that says what
//! happened, memory stays bounded, and the next call is served as if nothing had been.

use std::time::Duration;

use locum::sandbox::{Endpoint, Fault, FaultRule};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::support::TestApp;
use crate::support::client::{McpClient, Reply};
use crate::support::load::spread;

/// Short times and a small answer limit; no call may last longer than `DEADLINE`.
const CONFIG: &str = "[upstream]\nconnect_timeout = \"2s\"\nrequest_timeout = \"2s\"\n\
                      [limits]\nanswer = \"256KiB\"\n";
const DEADLINE: Duration = Duration::from_secs(15);

/// A fault, and the status and code that the client is to see.
struct Case {
    name: &'static str,
    fault: Fault,
    status: Option<u16>,
    code: &'static str,
    message: &'static str,
}

fn case(
    name: &'static str,
    fault: Fault,
    status: impl Into<Option<u16>>,
    code: &'static str,
    message: &'static str,
) -> Case {
    Case {
        name,
        fault,
        status: status.into(),
        code,
        message,
    }
}

fn server_error(status: u16) -> Fault {
    Fault::ServerError {
        status,
        retry_after_s: None,
    }
}

fn redirect(location: &str) -> Fault {
    Fault::Redirect {
        location: location.to_owned(),
    }
}

const GIBIBYTE: u64 = 1 << 30;
const LATE: &str = "no complete answer came in time";
const BROKE: &str = "the connection broke before the answer was complete";
const LARGE: &str = "the answer is larger than 262144 bytes";
const NO_JSON: &str = "not what it is documented to be (no JSON)";

fn api_cases(elsewhere: &str) -> Vec<Case> {
    let limited = Fault::RateLimited {
        retry_after_s: Some(7),
    };
    let busy = Fault::ServerError {
        status: 503,
        retry_after_s: Some(9),
    };
    let slow = Fault::Slow { delay_ms: 6_000 };
    let huge = Fault::Huge {
        size_bytes: GIBIBYTE,
    };
    let bomb = Fault::GzipBomb {
        size_bytes: GIBIBYTE,
    };
    let broken = "upstream_unavailable";
    vec![
        case(
            "unauthorized",
            Fault::Unauthorized {},
            401,
            "UNAUTHORIZED",
            "The token has expired",
        ),
        case(
            "limited",
            limited,
            429,
            "RATE_LIMIT_EXCEEDED",
            "Retry after 7 seconds.",
        ),
        case(
            "failing",
            server_error(500),
            500,
            "SERVER_ERROR",
            "The provider answered 500:",
        ),
        case("busy", busy, 503, "SERVER_ERROR", "Retry after 9 seconds."),
        case("slow", slow, None, broken, LATE),
        case("hanging", Fault::Hang {}, None, broken, LATE),
        case(
            "reset",
            Fault::Reset { after_bytes: 0 },
            None,
            broken,
            BROKE,
        ),
        case(
            "reset-later",
            Fault::Reset { after_bytes: 100 },
            None,
            broken,
            BROKE,
        ),
        case(
            "garbage",
            Fault::Garbage {},
            200,
            "upstream_malformed",
            NO_JSON,
        ),
        case(
            "wrong-type",
            Fault::WrongType {},
            200,
            "upstream_malformed",
            NO_JSON,
        ),
        case("truncated", Fault::Truncated {}, None, broken, BROKE),
        case(
            "redirect",
            redirect(elsewhere),
            302,
            "upstream_redirect",
            "The provider answered 302.",
        ),
        case("huge", huge, None, broken, LARGE),
        case("bomb", bomb, None, broken, LARGE),
    ]
}

fn login_cases(elsewhere: &str) -> Vec<Case> {
    let limited = Fault::RateLimited {
        retry_after_s: Some(7),
    };
    let slow = Fault::Slow { delay_ms: 6_000 };
    let huge = Fault::Huge {
        size_bytes: GIBIBYTE,
    };
    let bomb = Fault::GzipBomb {
        size_bytes: GIBIBYTE,
    };
    let (down, malformed) = ("login_unavailable", "login_malformed");
    let later = "The provider's login is not available at present.";
    let refused = "The provider refused the organization's credential";
    vec![
        case(
            "unauthorized",
            Fault::Unauthorized {},
            401,
            "credential_refused",
            refused,
        ),
        case(
            "limited",
            limited,
            429,
            "login_rate_limited",
            "Retry after 7 seconds.",
        ),
        case("failing", server_error(500), 500, down, later),
        case("busy", server_error(503), 503, down, later),
        case("slow", slow, None, down, later),
        case("hanging", Fault::Hang {}, None, down, later),
        case("reset", Fault::Reset { after_bytes: 0 }, None, down, later),
        case(
            "reset-later",
            Fault::Reset { after_bytes: 100 },
            None,
            down,
            later,
        ),
        case("garbage", Fault::Garbage {}, None, malformed, later),
        case("wrong-type", Fault::WrongType {}, None, malformed, later),
        case("truncated", Fault::Truncated {}, None, down, later),
        case("redirect", redirect(elsewhere), 302, down, later),
        case("huge", huge, None, down, later),
        case("bomb", bomb, None, down, later),
    ]
}

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

/// Plays every case at once, each on an organization of its own, while another one is undisturbed.
async fn play(cases: Vec<Case>, login: bool) {
    let mut builder = TestApp::builder().config(CONFIG).org("bystander", &["dev"]);
    for case in &cases {
        builder = builder.org(case.name, &["dev"]);
    }
    let app = builder.start().await;
    for case in &cases {
        app.sandbox.add_fault(FaultRule {
            client_id: Some(format!("{}-dev", case.name)),
            login,
            ..FaultRule::every(case.fault.clone())
        });
    }
    let names: Vec<&str> = cases
        .iter()
        .map(|case| case.name)
        .chain(["bystander"])
        .collect();
    let client = app.client(&names, &["dev"]).await;
    let clients: Vec<McpClient> = names.iter().map(|name| client.at(name, "dev")).collect();
    let replies = spread(names.len(), names.len(), {
        let clients = clients.clone();
        move |number| {
            let client = clients[number].clone();
            async move { read(&client).await }
        }
    })
    .await;
    let (undisturbed, replies) = replies.split_last().unwrap();
    assert!(undisturbed.is_ok(), "{}", undisturbed.body);
    for (case, reply) in cases.iter().zip(replies) {
        check(case, reply);
        let sent = app.sandbox.stats().clients[&format!("{}-dev", case.name)].clone();
        let logins = sent.endpoints.get(&Endpoint::Login);
        // Only a 401 is tried again, once; nothing else is repeated behind the client's back.
        let expected = match (login, case.name) {
            (true, _) => (0, Some(&1)),
            (false, "unauthorized") => (2, Some(&2)),
            (false, _) => (1, Some(&1)),
        };
        assert_eq!((sent.requests, logins), expected, "{}", case.name);
    }
    app.sandbox.clear_faults();
    app.clock.advance(Duration::from_secs(10));
    for client in &clients {
        let reply = read(client).await;
        assert!(reply.is_ok(), "{}", reply.body);
    }
}

fn check(case: &Case, reply: &Reply) {
    assert_eq!(reply.status, 200, "{}", case.name);
    assert!(reply.is_error(), "{}: {}", case.name, reply.body);
    let failure = reply.failure();
    assert_eq!(
        failure["status_code"],
        json!(case.status),
        "{}: {failure}",
        case.name
    );
    assert_eq!(failure["error_code"], case.code, "{}: {failure}", case.name);
    let message = failure["message"].as_str().unwrap();
    assert!(message.contains(case.message), "{}: {message}", case.name);
    assert!(
        message.len() < 400 && !message.contains("://"),
        "{}: {message}",
        case.name
    );
    let id = failure["request_id"].as_str().unwrap();
    assert_eq!(reply.headers["x-request-id"], id, "{}", case.name);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_api_becomes_an_error_that_says_so() {
    let (elsewhere, mut visits) = forbidden_place().await;
    play(api_cases(&elsewhere), false).await;
    assert!(visits.try_recv().is_err(), "a redirect was followed");
    assert_bounded();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_the_login_becomes_an_error_that_says_so() {
    let (elsewhere, mut visits) = forbidden_place().await;
    play(login_cases(&elsewhere), true).await;
    assert!(visits.try_recv().is_err(), "a redirect was followed");
    assert_bounded();
}

/// Whoever had kept one of the answers of a gibibyte would have grown beyond it.
fn assert_bounded() {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    assert!(
        kibibytes.is_none_or(|peak| peak < GIBIBYTE / 1024),
        "{kibibytes:?} KiB"
    );
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
async fn an_upstream_that_is_not_there_is_an_error_and_no_wait() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let nowhere = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let app = TestApp::builder()
        .config(CONFIG)
        .upstream(&nowhere)
        .org("north", &["dev"])
        .start()
        .await;
    let reply = read(&app.client(&["north"], &["dev"]).await).await;
    assert_eq!(reply.failure()["error_code"], "login_unavailable");
    assert!(!reply.body.to_string().contains("127.0.0.1"));
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
    let taken = json!({"appointment_id": "A3006", "update_data": {"appointment_details": {"start_time": 1_795_496_400}}});
    let unknown = json!({"appointment_id": "A9", "update_data": {"token": 1}});
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
