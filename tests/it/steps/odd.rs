//! Answers that the sandbox does not give: other documented shapes, records with gaps, and what
//! belongs to somebody else. It is 11:30 on Monday, 2026-11-23, on the clinics' clocks.

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::{McpClient, Reply};
use crate::support::scripted::{Line, Scripted};

const SLOTS: &str = "GET /dr/v1/doctor/D1/clinic/C2/appointment/slot";
const ENTITIES: &str = "GET /dr/v1/business/entities";
const DOCTOR: &str = "GET /dr/v1/doctor/D1";
const APPOINTMENTS: &str = "GET /dr/v1/appointment";
const VERIFY: &str = "POST /abdm/na/v1/profile/login/verify";
const SELECT: &str = "POST /abdm/na/v1/profile/login/phr";

/// A gateway in front of an upstream that answers what is written here.
struct Stage {
    _app: TestApp,
    client: McpClient,
    upstream: Scripted,
}

impl Stage {
    async fn new() -> Self {
        let upstream = Scripted::start().await;
        let builder = TestApp::builder().org("north", &["dev"]);
        let app = builder.upstream(&upstream.url).start().await;
        let client = app.client(&["north"], &["dev"]).await;
        Self {
            _app: app,
            client,
            upstream,
        }
    }

    async fn call(&self, tool: &str, arguments: Value, answers: Vec<Line>) -> Reply {
        self.upstream.answers(answers);
        self.client.call(tool, arguments).await
    }

    async fn snapshot(&self, name: &str, tool: &str, arguments: Value, answers: Vec<Line>) {
        let reply = self.call(tool, arguments, answers).await;
        let seen = json!({
            "tool": tool,
            "asked": self.upstream.asked(),
            "is_error": reply.body["result"]["isError"],
            "answer": reply.content(),
        });
        insta::assert_json_snapshot!(name, seen);
    }
}

/// A slot of ten minutes that begins at `MM-DDTHH:MM`.
fn slot(begin: &str, available: bool) -> Value {
    let (hour, minute) = begin.split_once(':').unwrap();
    let end = minute.parse::<u8>().unwrap() + 10;
    json!({
        "available": available, "conf_id": "c0nf",
        "s": format!("2026-{begin}:00+05:30"), "e": format!("2026-{hour}:{end:02}:00+05:30"),
    })
}

/// The documented example's shape, with a slot of another clinic's.
fn example() -> Value {
    json!({
        "data": {
            "schedule": {
                "C1": [{"service_type": "consultation", "slots": [slot("11-24T09:00", true)]}],
                "C2": [{"service_type": "consultation", "slots": [
                    slot("11-24T10:00", false), slot("11-24T10:15", true),
                ]}],
            },
            "services": {"c0nf": {
                "conf_id": "c0nf", "conv_fee": 50, "currency": "INR", "price": 500,
                "service_name": "consultation",
            }},
        },
        "success": "true", "status_code": 200,
    })
}

/// The documented schema's shape: a clinic has an object of lists.
fn schema() -> Value {
    json!({"data": {
        "schedule": {
            "C1": {"a": [slot("11-24T09:00", true)]},
            "C2": {
                "a": [slot("11-24T10:00", true), slot("11-24T10:15", true)],
                "b": [],
                "c": null,
            },
        },
        "services": {
            "other": {"price": null, "service_name": "teleconsultation"},
            "c0nf": {"conf_id": "c0nf", "price": 500.5, "service_name": "consultation"},
        },
    }})
}

/// Slots and services with gaps, among them two that can be read.
fn gaps() -> Value {
    let mut endless = slot("11-24T10:00", true);
    endless["e"] = Value::Null;
    endless["conf_id"] = json!(7);
    let mut utc = slot("11-24T10:15", true);
    utc["s"] = json!("2026-11-24T04:45:00Z");
    let mut late = slot("11-24T11:00", true);
    late["s"] = json!("later");
    let mut silent = slot("11-24T11:30", true);
    silent.as_object_mut().unwrap().remove("available");
    json!({"data": {
        "schedule": {"C2": [
            {"service_type": null, "slots": [endless, {"s": null, "available": true}, null, {}, late]},
            null,
            {"service_type": "consultation"},
            {"service_type": "consultation", "slots": [utc, silent]},
        ]},
        "services": [null, "x", {"service_name": "consultation"}],
    }})
}

fn place() -> Value {
    json!({"doctor_id": "D1", "clinic_id": "C2"})
}

fn days() -> Value {
    let mut arguments = place();
    arguments["start_date"] = json!("2026-11-24T00:00:00.000Z");
    arguments["end_date"] = json!("2026-11-24T23:59:59.000Z");
    arguments
}

fn booking(start: &str, end: &str) -> Value {
    json!({"booking": {
        "patient_id": "P1", "doctor_id": "D1", "clinic_id": "C2", "date": "2026-11-24",
        "start_time": start, "end_time": end, "channel": "unknown arguments have no effect",
    }})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_slots_of_a_clinic_are_its_own_in_every_documented_shape() {
    let stage = Stage::new().await;
    for (name, answer) in [
        ("example", example()),
        ("schema", schema()),
        ("gaps", gaps()),
    ] {
        let answers = || vec![(SLOTS, 200, answer.clone())];
        let tool = "get_appointment_slots";
        stage
            .snapshot(&format!("slots_{name}"), tool, days(), answers())
            .await;
        let tool = "get_available_dates";
        stage
            .snapshot(&format!("dates_{name}"), tool, place(), answers())
            .await;
    }
    for (name, schedule) in [("null", json!(null)), ("none", json!({"C1": example()}))] {
        let answer = json!({"data": {"schedule": schedule, "services": null}});
        let answers = vec![(SLOTS, 200, answer)];
        stage
            .snapshot(
                &format!("slots_{name}"),
                "get_appointment_slots",
                days(),
                answers,
            )
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_booked_at_the_clinic_that_has_it() {
    let stage = Stage::new().await;
    let tool = "book_appointment";
    let answers = |slots: Value| {
        let booked = (
            "POST /dr/v1/appointment",
            201,
            json!({"appointment_id": "A1"}),
        );
        vec![(SLOTS, 200, slots), booked]
    };
    for (name, start, end, slots) in [
        ("book_example", "10:15", "10:45", example()),
        ("book_elsewhere", "09:00", "09:15", example()),
        ("book_schema", "10:15:00", "whenever", schema()),
        ("book_endless", "10:00", "10:20", gaps()),
        ("book_endless_unclear", "10:00", "whenever", gaps()),
    ] {
        stage
            .snapshot(name, tool, booking(start, end), answers(slots))
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_offered_instead_of_a_taken_slot_is_still_to_come() {
    let stage = Stage::new().await;
    let mut endless = slot("11-23T12:45", true);
    endless["e"] = Value::Null;
    let slots = json!({"data": {"schedule": {"C2": [
        {"service_type": "consultation", "slots": [
            slot("11-23T11:00", true), slot("11-23T11:45", true), slot("11-23T12:00", true),
            slot("11-23T12:15", false), slot("11-23T12:30", true), endless,
            slot("11-23T13:00", false), slot("11-23T13:15", true), slot("11-23T17:00", true),
            slot("11-23T18:00", true), slot("11-24T12:15", true),
        ]},
        {"service_type": "teleconsultation", "slots": [slot("11-23T12:00", true)]},
    ]}}});
    let mut arguments = booking("12:15", "12:30");
    arguments["booking"]["date"] = json!("2026-11-23");
    let answers = vec![(SLOTS, 200, slots)];
    stage
        .snapshot("taken", "book_appointment", arguments, answers)
        .await;
}

/// The least that a doctor's record may be, and one whose members are of other kinds.
fn bare_doctor() -> Value {
    json!({"profile": {}})
}

fn odd_doctor() -> Value {
    json!({"data": {"profile": {
        "personal": {"first_name": "Dr. Asha", "last_name": null, "pic": ""},
        "professional": {
            "major_speciality": "Cardiologist", "speciality": [null, {"name": "Diabetologist"}, "x"],
            "degree": ["MBBS", {"name": "MD"}], "language": ["Hindi", {"code": "en"}, {"language": "English"}],
            "clinics": [null, "C9", {"id": 2, "name": null, "contacts": [null, {"number": "+911"}],
                        "address": {"city": "Pune"}}],
        },
    }}})
}

fn clinics(doctors: Value) -> Value {
    json!({"data": {"clinics": [
        {"clinic_id": "C1", "name": "Other", "doctors": ["D9"]},
        {"clinic_id": "C2", "name": "Own", "doctors": doctors},
    ]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doctor_card_is_made_of_what_is_known() {
    let stage = Stage::new().await;
    let tool = "doctor_availability_elicitation";
    let one = json!({"doctor_id": "D1", "preferred_date": "2026-11-30"});
    let answers = |entities: Line, doctor: Value| vec![entities, (DOCTOR, 200, doctor)];
    let full = json!({"schedule": {"C2": {"a": [slot("11-24T10:00", false)]}}});
    let mut with_slots = answers((ENTITIES, 200, clinics(json!(["D1"]))), bare_doctor());
    with_slots.push((SLOTS, 200, json!({"data": full})));
    stage
        .snapshot("card_without_a_free_day", tool, one.clone(), with_slots)
        .await;
    let mut unknown = answers((ENTITIES, 500, json!({})), odd_doctor());
    let own = "GET /dr/v1/doctor/D1/clinic/2/appointment/slot";
    unknown.push((
        own,
        200,
        json!({"data": {"schedule": {"2": {"a": [slot("12-01T10:00", true)]}}}}),
    ));
    stage
        .snapshot("card_without_entities", tool, one, unknown)
        .await;

    let wish = json!({
        "doctor_id": "D1", "hospital_id": "C2", "preferred_date": "2026-11-24",
        "preferred_slot_time": "10:00",
    });
    let mut free = answers((ENTITIES, 200, clinics(json!(["D1"]))), odd_doctor());
    free.push((SLOTS, 200, schema()));
    stage.snapshot("card_confirmed", tool, wish, free).await;

    let several = json!({"suggested_doctor_ids": ["7", "9", "D1"]});
    let entities = (ENTITIES, 200, clinics(json!([7, {"doctor_id": 8}])));
    let mut some = answers(entities.clone(), odd_doctor());
    some.push(("GET /dr/v1/doctor/7", 200, bare_doctor()));
    some.push(("GET /dr/v1/doctor/9", 200, json!(["no doctor"])));
    stage
        .snapshot("card_of_several", tool, several.clone(), some)
        .await;
    stage
        .snapshot("card_of_nobody", tool, several, vec![entities])
        .await;
}

fn patient(born: &str) -> Value {
    json!({"oid": "1", "fn": "Tara", "ln": "Example", "fln": "", "mobile": 9000000001_u64,
           "ccd": "+91", "dob": born, "gen": "F", "bloodgroup": "A+"})
}

/// Appointments with numbers for ids, without ids, and what is none.
fn appointments() -> Value {
    let to_come = 1_795_500_000;
    json!({"appointments": [
        {"appointment_id": "A1", "patient_id": 1, "doctor_id": 7, "clinic_id": "C2", "status": "PA",
         "start_time": to_come},
        null,
        {"appointment_id": "A2", "doctor_id": "D1", "clinic_id": "C9", "status": "IN",
         "start_time": "2026-11-24T10:00:00+05:30"},
        {"appointment_id": "A3", "doctor_id": null, "status": "PNR", "start_time": to_come},
        {"appointment_id": "A4", "status": "PC"},
        {"appointment_id": "A5", "status": "CND"},
        {"appointment_id": "A6", "status": "CMNP", "start_time": null},
        {"appointment_id": "A7", "status": 5, "start_time": "soon"},
        {"appointment_id": "A8", "status": "BK"},
    ]})
}

fn records(born: &str) -> Vec<Line> {
    let clinic = json!({"success": true, "data": {"clinic": {"clinic_id": "C2", "name": "Own"}}});
    vec![
        (APPOINTMENTS, 200, appointments()),
        ("GET /profiles/v1/patient/1", 200, patient(born)),
        (DOCTOR, 200, json!(["no doctor"])),
        ("GET /dr/v1/doctor/7", 200, odd_doctor()),
        ("GET /dr/v1/business/clinic/C2", 200, clinic),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn records_with_gaps_leave_gaps_and_nothing_more() {
    let stage = Stage::new().await;
    let records = || records("1990-11-23");
    let mine = json!({"patient_id": "1"});
    let tool = "get_comprehensive_patient_profile";
    stage
        .snapshot("patient", tool, mine.clone(), records())
        .await;
    let tool = "show_appointments_enriched";
    stage
        .snapshot("appointments", tool, mine.clone(), records())
        .await;
    let doctor = json!({"doctor_id": "7", "appointment_limit": 2});
    let tool = "get_comprehensive_doctor_profile";
    stage.snapshot("doctor", tool, doctor, records()).await;
    let list = vec![(APPOINTMENTS, 200, json!([{"appointment_id": "A1"}]))];
    let tool = "get_patient_appointments_basic";
    stage
        .snapshot("appointments_as_a_list", tool, mine, list)
        .await;

    let mut practice = records();
    let service = json!({"service_name": "Tele", "price": 459});
    let services = json!({"data": {"services": service}});
    practice.push((ENTITIES, 200, clinics(json!(["D1", 7]))));
    practice.push(("GET /dr/v1/doctor/service/7", 200, services));
    let clinic = json!({"clinic_id": "C2", "appointment_limit": 0});
    let tool = "get_comprehensive_clinic_profile";
    stage.snapshot("clinic", tool, clinic, practice).await;

    let mut written = records();
    let prescription = json!({"patient_id": 1, "doctor_id": "D1", "clinic_id": "C9"});
    written.push(("GET /dr/v1/prescription/R1", 200, prescription));
    let tool = "get_comprehensive_prescription_details";
    stage
        .snapshot(
            "prescription",
            tool,
            json!({"prescription_id": "R1"}),
            written,
        )
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_year_is_completed_on_the_birthday() {
    let stage = Stage::new().await;
    for (born, age) in [
        ("1990-11-22", json!(36)),
        ("1990-11-23", json!(36)),
        ("1990-11-24", json!(35)),
        ("1990-12-01", json!(35)),
        ("2026-11-23", json!(0)),
        ("1990-11", json!(null)),
    ] {
        let tool = "show_appointments_enriched";
        let reply = stage
            .call(tool, json!({"patient_id": "1"}), records(born))
            .await;
        let found = &reply.content()["data"]["appointments"][0]["patient_details"]["age"];
        assert_eq!(found, &age, "{born}: {}", reply.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_to_a_health_account_goes_on_as_it_says() {
    let stage = Stage::new().await;
    let verify = json!({"otp": "123456", "txn_id": "T"});
    let select = json!({"phr_address": "asha@abdm", "txn_id": "T"});
    let accounts = json!({"skip_state": "abha_select", "abha_profiles": [
        {"abha_address": "asha@abdm", "name": "Asha", "kyc_verified": false}, null,
    ]});
    for (name, tool, arguments, answer) in [
        (
            "abha_accounts",
            "abha_verify_otp",
            &verify,
            (VERIFY, accounts),
        ),
        (
            "abha_stateless",
            "abha_verify_otp",
            &verify,
            (VERIFY, json!({})),
        ),
        (
            "abha_bare",
            "abha_select_profile",
            &select,
            (SELECT, json!({"eka": null})),
        ),
        (
            "abha_select_again",
            "abha_select_profile",
            &select,
            (
                SELECT,
                json!({"skip_state": "abha_select", "eka": {"oid": "1"}}),
            ),
        ),
    ] {
        let answers = vec![(answer.0, 200, answer.1)];
        stage.snapshot(name, tool, arguments.clone(), answers).await;
    }
    let expired = json!({"code": 491, "error": "session expired"});
    let answers = vec![(SELECT, 491, expired)];
    let reply = stage.call("abha_select_profile", select, answers).await;
    let message = reply.failure()["message"].as_str().unwrap();
    assert!(
        message.contains("begin again with abha_send_otp"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_somebody_else_is_told_where_ids_are_found() {
    let stage = Stage::new().await;
    let doctor = json!({"doctor_id": "D1"});
    let known = (DOCTOR, 200, odd_doctor());
    for (tool, arguments, answers) in [
        ("get_available_dates", place(), vec![]),
        ("get_appointment_slots", days(), vec![]),
        ("book_appointment", booking("10:00", "10:10"), vec![]),
        (
            "doctor_availability_elicitation",
            doctor.clone(),
            vec![known],
        ),
        (
            "doctor_availability_elicitation",
            doctor,
            vec![(DOCTOR, 403, json!({}))],
        ),
    ] {
        let reply = stage.call(tool, arguments, answers).await;
        let message = reply.failure()["message"].as_str().unwrap();
        let hint = "find ids with get_business_entities";
        assert!(message.contains(hint), "{tool}: {message}");
    }
}
