//! The tools of several steps: what each asks the upstream, and what it makes of the answers. It is
//! 11:30 on Monday, 2026-11-23, on the clinics' clocks.

mod odd;

use locum::sandbox::{Fault, FaultRule};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::{McpClient, Reply};

const OID: &str = "1700000000001";
const TUESDAY: &str = "2026-11-24";

async fn north() -> (TestApp, McpClient) {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    (app, client)
}

/// What was asked, sorted, because the requests of a round come in any order.
fn asked(app: &TestApp) -> Vec<String> {
    let requests = app.sandbox.requests().into_iter();
    let requests = requests.filter(|request| !request.endpoint.is_login());
    let line = |request: locum::sandbox::SeenRequest| match request.body {
        Some(body) => format!("{} {} {body}", request.method, request.path),
        None => format!("{} {}", request.method, request.path),
    };
    let mut lines: Vec<String> = requests.map(line).collect();
    lines.sort_unstable();
    lines
}

async fn call(app: &TestApp, client: &McpClient, tool: &str, arguments: Value) -> Reply {
    app.sandbox.clear_requests();
    client.call(tool, arguments).await
}

fn fail(app: &TestApp, path: &str) {
    let fault = Fault::ServerError {
        status: 500,
        retry_after_s: None,
    };
    app.sandbox.add_fault(FaultRule {
        path: Some(path.to_owned()),
        ..FaultRule::every(fault)
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_and_what_is_answered() {
    let (app, client) = north().await;
    for (name, tool, arguments) in [
        (
            "patient",
            "get_comprehensive_patient_profile",
            json!({"patient_id": OID}),
        ),
        (
            "patient_limited",
            "get_comprehensive_patient_profile",
            json!({"patient_id": OID, "appointment_limit": 1}),
        ),
        (
            "patient_alone",
            "get_comprehensive_patient_profile",
            json!({"patient_id": OID, "include_appointments": false}),
        ),
        ("entities", "get_business_entities", json!({})),
        (
            "doctor_basic",
            "get_doctor_profile_basic",
            json!({"doctor_id": "D1001"}),
        ),
        (
            "doctor",
            "get_comprehensive_doctor_profile",
            json!({"doctor_id": "D1001", "appointment_limit": 1}),
        ),
        (
            "doctor_alone",
            "get_comprehensive_doctor_profile",
            json!({
                "doctor_id": "D1001", "include_clinics": false, "include_services": false,
                "include_recent_appointments": false, "appointment_limit": null,
            }),
        ),
        (
            "clinic",
            "get_comprehensive_clinic_profile",
            json!({"clinic_id": "C2002", "appointment_limit": 2}),
        ),
        (
            "clinic_without_doctors",
            "get_comprehensive_clinic_profile",
            json!({
                "clinic_id": "C2002", "include_doctors": false, "include_recent_appointments": false,
            }),
        ),
        (
            "dates",
            "get_available_dates",
            json!({"doctor_id": "D1001", "clinic_id": "C2001"}),
        ),
        (
            "dates_from",
            "get_available_dates",
            json!({
                "doctor_id": "D1001", "clinic_id": "C2001", "start_date": "2026-11-23", "max_days": 99,
            }),
        ),
        (
            "slots",
            "get_appointment_slots",
            json!({
                "doctor_id": "D1001", "clinic_id": "C2001", "start_date": TUESDAY, "end_date": "2026-11-25",
            }),
        ),
        (
            "slots_elsewhere",
            "get_appointment_slots",
            json!({
                "doctor_id": "D1002", "clinic_id": "C2002", "start_date": TUESDAY, "end_date": TUESDAY,
            }),
        ),
        (
            "availability",
            "doctor_availability_elicitation",
            json!({"doctor_id": "D1001"}),
        ),
        (
            "availability_preferred",
            "doctor_availability_elicitation",
            json!({
                "doctor_id": "D1001", "hospital_id": "C2002", "preferred_date": TUESDAY,
                "preferred_slot_time": "10:30",
            }),
        ),
        (
            "availability_confirmed",
            "doctor_availability_elicitation",
            json!({
                "doctor_id": "D1001", "hospital_id": "C2002", "preferred_date": TUESDAY,
                "preferred_slot_time": "09:30",
            }),
        ),
        (
            "availability_of_nobody",
            "doctor_availability_elicitation",
            json!({"suggested_doctor_ids": ["D9998", "D9999"]}),
        ),
        (
            "availability_full",
            "doctor_availability_elicitation",
            json!({
                "doctor_id": "D1002", "hospital_id": "C2002", "preferred_date": TUESDAY,
                "preferred_slot_time": "10:30",
            }),
        ),
        (
            "availability_of_several",
            "doctor_availability_elicitation",
            json!({
                "suggested_doctor_ids": ["D1002", "D9999", "D1001", "D1002"],
            }),
        ),
        (
            "appointments",
            "show_appointments_enriched",
            json!({
                "start_date": "2026-11-22", "end_date": TUESDAY,
            }),
        ),
        (
            "appointments_of_patient",
            "show_appointments_enriched",
            json!({"patient_id": OID, "doctor_id": "D1001"}),
        ),
        (
            "appointment",
            "get_appointment_details_enriched",
            json!({"appointment_id": "PA3006", "partner_id": "1"}),
        ),
        (
            "patients_appointments",
            "get_patient_appointments_basic",
            json!({"patient_id": OID, "limit": 1}),
        ),
        (
            "patients_appointments_enriched",
            "get_patient_appointments_enriched",
            json!({"patient_id": OID, "limit": 2}),
        ),
        (
            "prescription",
            "get_comprehensive_prescription_details",
            json!({"prescription_id": "P4001"}),
        ),
        (
            "prescription_alone",
            "get_comprehensive_prescription_details",
            json!({
                "prescription_id": "P4001", "include_patient_details": false,
                "include_doctor_details": false, "include_clinic_details": false,
            }),
        ),
        (
            "abha_otp",
            "abha_send_otp",
            json!({"mobile_number": "9000000001"}),
        ),
        (
            "abha_complete",
            "abha_verify_otp",
            json!({"otp": "123456", "txn_id": "T-1"}),
        ),
        (
            "abha_choice",
            "abha_verify_otp",
            json!({"otp": "123456", "txn_id": "T-2"}),
        ),
        (
            "abha_none",
            "abha_verify_otp",
            json!({"otp": "123456", "txn_id": "T-3"}),
        ),
        (
            "abha_without_patient",
            "abha_verify_otp",
            json!({"otp": "123456", "txn_id": "T-4"}),
        ),
        (
            "abha_unexpected",
            "abha_verify_otp",
            json!({"otp": "123456", "txn_id": "T-5"}),
        ),
        (
            "abha_chosen",
            "abha_select_profile",
            json!({"phr_address": "ravi@abdm", "txn_id": "T-2"}),
        ),
        (
            "added",
            "add_patient",
            json!({"patient_data": {
                "fln": "Tara Example", "dob": "1990-02-28", "gen": "F", "mobile": "+4915100000000",
                "email": null, "bloodgroup": "AB-", "s": "Dr.", "extras": {"ward": "3"},
            }}),
        ),
    ] {
        let reply = call(&app, &client, tool, arguments).await;
        let seen = json!({
            "tool": tool,
            "asked": asked(&app),
            "is_error": reply.body["result"]["isError"],
            "answer": reply.content(),
        });
        insta::assert_json_snapshot!(name, seen);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_free_slot_is_booked_until_its_own_end() {
    let (app, client) = north().await;
    let booking = |start: &str, mode: &str| {
        json!({"booking": {
            "patient_id": OID, "doctor_id": "D1001", "clinic_id": "C2001", "date": TUESDAY,
            "start_time": start, "end_time": "09:45", "mode": mode, "reason": "fever",
        }})
    };
    let reply = call(&app, &client, "book_appointment", booking("09:30", "AUDIO")).await;
    assert!(reply.is_ok(), "{}", reply.body);
    // 09:30 and 10:00 of that day, at +05:30.
    let body = r#"{"clinic_id":"C2001","doctor_id":"D1001","patient_id":"1700000000001","appointment_details":{"start_time":1795492800,"end_time":1795494600,"mode":"PHONE","reason":"fever"}}"#;
    let day = "/dr/v1/doctor/D1001/clinic/C2001/appointment/slot?start_date=2026-11-24T00%3A00%3A00.000Z&end_date=2026-11-24T23%3A59%3A59.000Z";
    assert_eq!(
        asked(&app),
        [
            format!("GET {day}"),
            format!("POST /dr/v1/appointment {body}")
        ]
    );
    let booked = json!({"date": TUESDAY, "start_time": "09:30", "end_time": "10:00"});
    assert_eq!(reply.content()["booked_slot"], booked);
    assert_eq!(reply.content()["data"], json!({"appointment_id": "A3009"}));

    // Another patient's: the same one's would be given the same answer again.
    let mut taken = booking("09:30", "INCLINIC");
    taken["booking"]["patient_id"] = json!("1700000000002");
    let again = call(&app, &client, "book_appointment", taken).await;
    assert!(again.is_error(), "{}", again.body);
    assert_eq!(asked(&app), [format!("GET {day}")], "nothing is written");
    assert_eq!(again.failure()["error_code"], "SLOT_UNAVAILABLE");
    let starts = |reply: &Reply| -> Vec<String> {
        let slots = reply.content()["alternate_slots"].as_array().unwrap();
        let start = |slot: &Value| slot["start_time"].as_str().unwrap().to_owned();
        slots.iter().map(start).collect()
    };
    assert_eq!(
        starts(&again),
        ["09:00", "10:00", "11:00", "11:30", "12:30", "13:00"]
    );

    let between = call(
        &app,
        &client,
        "book_appointment",
        booking("09:35", "INCLINIC"),
    )
    .await;
    assert_eq!(between.failure()["error_code"], "SLOT_NOT_FOUND");
    let mut elsewhere = booking("09:30", "INCLINIC");
    elsewhere["booking"]["doctor_id"] = json!("D1002");
    elsewhere["booking"]["clinic_id"] = json!("C2002");
    let nowhere = call(&app, &client, "book_appointment", elsewhere).await;
    assert_eq!(nowhere.failure()["error_code"], "NO_SCHEDULE");
    assert_eq!(nowhere.failure()["status_code"], 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_do_not_go_together_are_refused_before_anything_is_sent() {
    let (app, client) = north().await;
    let booking = |more: Value| {
        let mut booking = json!({
            "patient_id": OID, "doctor_id": "D1001", "clinic_id": "C2001", "date": TUESDAY,
            "start_time": "09:30", "end_time": "10:00",
        });
        booking
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({"booking": booking})
    };
    for (tool, arguments, word) in [
        (
            "book_appointment",
            booking(json!({"patient_id": null})),
            "patient_id",
        ),
        (
            "book_appointment",
            booking(json!({"date": "2026-12-32"})),
            "date",
        ),
        (
            "book_appointment",
            booking(json!({"date": "2026-11-22"})),
            "in the past",
        ),
        (
            "book_appointment",
            booking(json!({"start_time": "9:30"})),
            "start_time",
        ),
        (
            "get_available_dates",
            json!({"doctor_id": "a", "clinic_id": "b", "start_date": "2026-11-22"}),
            "in the past",
        ),
        (
            "get_available_dates",
            json!({"doctor_id": "a", "clinic_id": "b", "start_date": "soon"}),
            "is a date",
        ),
        (
            "get_available_dates",
            json!({"doctor_id": "a", "clinic_id": "b", "max_days": 0}),
            "max_days",
        ),
        (
            "doctor_availability_elicitation",
            json!({"suggested_doctor_ids": []}),
            "doctor_id",
        ),
        (
            "doctor_availability_elicitation",
            json!({"doctor_id": "D1001", "preferred_date": "24-11-2026"}),
            "preferred_date",
        ),
        (
            "add_patient",
            json!({"patient_data": {"fln": "a", "dob": "2026-12-01", "gen": "F", "mobile": "+919000000001"}}),
            "dob",
        ),
        (
            "add_patient",
            json!({"patient_data": {
                "fln": "a", "dob": "1990-02-28", "gen": "F", "mobile": "+919000000001", "bloodgroup": "C+",
            }}),
            "bloodgroup",
        ),
    ] {
        let reply = client.call(tool, arguments).await;
        assert_eq!(
            reply.failure()["error_code"],
            "invalid_arguments",
            "{tool}: {}",
            reply.body
        );
        let message = reply.failure()["message"].as_str().unwrap();
        assert!(message.contains(word), "{tool}: {message}");
    }
    assert!(app.sandbox.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_matters_fails_the_call_and_another_leaves_a_gap() {
    let (app, client) = north().await;
    let profile = json!({"patient_id": OID});
    fail(&app, "/dr/v1/doctor/");
    let reply = client
        .call("get_comprehensive_patient_profile", profile.clone())
        .await;
    assert!(reply.is_ok(), "{}", reply.body);
    let appointment = &reply.content()["data"]["appointments"][0];
    assert_eq!(appointment.get("doctor_details"), None);
    assert!(appointment["clinic_details"]["name"].is_string());

    fail(&app, "/dr/v1/appointment");
    let reply = client
        .call("get_comprehensive_patient_profile", profile)
        .await;
    assert_eq!(reply.failure()["status_code"], 500, "{}", reply.body);
    let missing = json!({"patient_id": "1"});
    app.sandbox.clear_faults();
    let reply = client
        .call("get_comprehensive_patient_profile", missing)
        .await;
    assert_eq!(reply.failure()["status_code"], 404, "{}", reply.body);
    assert_eq!(reply.failure()["error_code"], "profile_not_found");
    let message = reply.failure()["message"].as_str().unwrap();
    assert!(message.contains("search_patients"), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_counts_for_the_limits() {
    let config = "[limits]\ntenant_per_minute = 3\n";
    let app = TestApp::builder()
        .config(config)
        .org("north", &["dev"])
        .start()
        .await;
    let client = app.client(&["north"], &["dev"]).await;
    let reply = client
        .call(
            "get_comprehensive_patient_profile",
            json!({"patient_id": OID}),
        )
        .await;
    assert_eq!(
        reply.failure()["error_code"],
        "limited_per_minute",
        "{}",
        reply.body
    );
    // One that is under way when another finds no room may end before it is sent.
    assert!((2..=3).contains(&asked(&app).len()), "{:?}", asked(&app));
}
