//! The life of an appointment.

use serde_json::{Value, json};

use super::{Answer, Caller, Upstream};
use crate::sandbox::ist;

const APPOINTMENTS: &str = "/dr/v1/appointment";
/// 6 January 2026, 09:00 Indian time.
const NINE: i64 = 1_767_670_200;

async fn book(caller: &Caller<'_>, start: i64) -> Answer {
    let body = json!({
        "clinic_id": "C2001", "doctor_id": "D1001", "patient_id": "1700000000005",
        "appointment_details": {"start_time": start, "end_time": start + 1800, "mode": "VIDEO"},
    });
    caller.call("POST", APPOINTMENTS, Some(&body)).await
}

fn ids(answer: &Value) -> Vec<&str> {
    let list = answer["appointments"].as_array().unwrap();
    list.iter()
        .map(|one| one["appointment_id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_slot_is_booked_once_and_again_after_a_cancel() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    assert_eq!(ist::format(NINE), "2026-01-06T09:00:00+05:30");
    assert_eq!(
        book(&caller, NINE).await,
        (201, json!({"appointment_id": "A3009"}))
    );
    let (status, answer) = book(&caller, NINE).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (409, &json!("SLOT_UNAVAILABLE"))
    );
    assert_eq!(book(&caller, NINE + 3 * 1800).await.0, 409);
    assert_eq!(book(&caller, NINE + 60).await.0, 400);
    let cancel = format!("{APPOINTMENTS}/A3009/cancel");
    assert_eq!(
        caller.call("PUT", &cancel, Some(&json!({}))).await,
        (204, Value::Null)
    );
    let (status, answer) = caller.call("PUT", &cancel, None).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (403, &json!("CANCEL_NOT_ALLOWED"))
    );
    assert_eq!(book(&caller, NINE).await.0, 201);
}

#[tokio::test]
async fn the_details_say_more_than_the_list() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    book(&caller, NINE).await;
    let (_, details) = caller.get(&format!("{APPOINTMENTS}/A3009")).await;
    assert_eq!(
        (&details["status"], &details["mode"]),
        (&json!("BK"), &json!("tele"))
    );
    assert_eq!(details["service"]["service_name"], "teleconsultation");
    let (_, by_partner) = caller
        .get(&format!("{APPOINTMENTS}/PA3001?partner_id=1"))
        .await;
    assert_eq!(by_partner["prescription_id"], "P4001");
    let (status, answer) = caller.get(&format!("{APPOINTMENTS}/A9")).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (404, &json!("NOT_FOUND"))
    );
}

#[tokio::test]
async fn both_versions_of_update_move_an_appointment() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    book(&caller, NINE).await;
    let v1 = json!({"start_time": NINE + 1800, "notes": "later"});
    assert_eq!(
        caller
            .call("PATCH", "/dr/v1/appointment/A3009", Some(&v1))
            .await
            .0,
        204
    );
    let mut v2 =
        json!({"appointment_details": {"start_time": NINE + 2 * 1800, "mode": "INCLINIC"}});
    let (status, answer) = caller
        .call("PATCH", "/dr/v2/appointment/A3009", Some(&v2))
        .await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (400, &json!("INVALID_REQUEST"))
    );
    for name in ["clinic_id", "doctor_id", "patient_id"] {
        v2[format!("partner_{name}")] = json!("x");
    }
    assert_eq!(
        caller
            .call("PATCH", "/dr/v2/appointment/A3009", Some(&v2))
            .await
            .0,
        204
    );
    let (_, details) = caller.get(&format!("{APPOINTMENTS}/A3009")).await;
    assert_eq!(details["start_time"], NINE + 3600);
    assert_eq!(
        (&details["notes"], &details["mode"]),
        (&json!("later"), &json!("in_clinic"))
    );
    assert_eq!(book(&caller, NINE).await.0, 201);
    let (status, answer) = caller
        .call("PATCH", "/dr/v2/appointment/A9", Some(&v2))
        .await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (404, &json!("APPOINTMENT_NOT_FOUND"))
    );
}

#[tokio::test]
async fn a_completed_appointment_stays_completed() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let path = format!("{APPOINTMENTS}/A3006/complete");
    assert_eq!(
        caller
            .call("POST", &path, Some(&json!({"note": "x"})))
            .await
            .0,
        204
    );
    let (status, answer) = caller.call("POST", &path, None).await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (403, &json!("COMPLETE_NOT_ALLOWED"))
    );
    assert_eq!(
        caller.get(&format!("{APPOINTMENTS}/A3006")).await.1["status"],
        "CM"
    );
}

#[tokio::test]
async fn lists_take_the_documented_combinations_only() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let list = |query: &str| format!("{APPOINTMENTS}?{query}");
    let (_, mine) = caller
        .get(&list("patient_id=1700000000001&page_no=0"))
        .await;
    assert_eq!(ids(&mine), ["A3001", "A3004", "A3006"]);
    let week = "start_date=2026-01-05&end_date=2026-01-08";
    let (_, days) = caller.get(&list(week)).await;
    assert_eq!(ids(&days), ["A3005", "A3006", "A3007", "A3008"]);
    let (_, doctors) = caller
        .get(&list(&format!("{week}&doctor_id=D1001&page_no=0")))
        .await;
    assert_eq!(ids(&doctors), ["A3005", "A3006"]);
    assert!(
        ids(&caller
            .get(&list("patient_id=1700000000001&page_no=1"))
            .await
            .1)
        .is_empty()
    );
    for query in [
        "page_no=0",
        "doctor_id=D1001",
        "start_date=2026-01-05",
        "start_date=2026-01-05&end_date=2026-01-04",
        "start_date=2026-01-05&end_date=2026-01-12",
        "start_date=5.1.2026&end_date=2026-01-06",
        "patient_id=1700000000001&doctor_id=D1001",
        "patient_id=1700000000001&start_date=2026-01-05",
    ] {
        let (status, answer) = caller.get(&list(query)).await;
        let code = json!("INVALID_REQUEST_PARAMETERS");
        assert_eq!((status, &answer["error"]["code"]), (400, &code), "{query}");
    }
}
