//! Doctors, clinics, services and slots.

use serde_json::{Value, json};

use super::Upstream;

fn slots_path(query: &str) -> String {
    format!("/dr/v1/doctor/D1001/clinic/C2001/appointment/slot?{query}")
}

fn slots(answer: &Value, service: usize) -> &Vec<Value> {
    answer["data"]["schedule"]["C2001"][service]["slots"]
        .as_array()
        .unwrap()
}

#[tokio::test]
async fn the_practice_is_shown_in_the_documented_shapes() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let (_, entities) = caller.get("/dr/v1/business/entities").await;
    assert_eq!(
        entities["data"]["clinics"][0]["doctors"],
        json!(["D1001", "D1002"])
    );
    assert_eq!(entities["data"]["business"]["business_id"], "B-acme");
    let (_, clinic) = caller.get("/dr/v1/business/clinic/C2002").await;
    assert_eq!(clinic["data"]["clinic"]["clinic_id"], "C2002");
    let (_, doctor) = caller.get("/dr/v1/doctor/D1003").await;
    assert_eq!(
        doctor["profile"]["professional"]["clinics"][0]["id"],
        "C2002"
    );
    let (_, services) = caller.get("/dr/v1/doctor/service/D1001").await;
    assert_eq!(
        services["data"]["services"][0]["service_name"],
        "consultation"
    );
}

#[tokio::test]
async fn unknown_identifiers_are_refused_in_each_endpoints_own_shape() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let message = "The specified clinic_id does not exist";
    assert_eq!(
        caller.get("/dr/v1/business/clinic/C9").await,
        (
            404,
            json!({"success": false, "code": "CLINIC_NOT_FOUND", "message": message})
        )
    );
    let (status, answer) = caller.get("/dr/v1/doctor/D9").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (403, &json!("UNAUTHORIZED_ENTITY"))
    );
    assert_eq!(caller.get("/dr/v1/doctor/service/D9").await.0, 404);
    assert_eq!(
        caller.get("/dr/v1/prescription/P9").await,
        (404, Value::Null)
    );
    let path = "/dr/v1/doctor/D9/clinic/C2001/appointment/slot";
    let (status, answer) = caller
        .get(&format!("{path}?start_date=2026-01-06&end_date=2026-01-06"))
        .await;
    assert_eq!((status, &answer["success"]), (404, &json!("false")));
}

#[tokio::test]
async fn a_day_has_twenty_half_hours_in_indian_time() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let (status, day) = caller
        .get(&slots_path("start_date=2026-01-06&end_date=2026-01-06"))
        .await;
    assert_eq!((status, &day["success"]), (200, &json!("true")));
    assert_eq!((slots(&day, 0).len(), slots(&day, 1).len()), (16, 4));
    assert_eq!(slots(&day, 0)[0]["s"], "2026-01-06T09:00:00+05:30");
    assert_eq!(slots(&day, 0)[0]["e"], "2026-01-06T09:30:00+05:30");
    let taken: Vec<&Value> = slots(&day, 0)
        .iter()
        .filter(|slot| slot["available"] == false)
        .map(|s| &s["s"])
        .collect();
    assert_eq!(
        taken,
        [
            "2026-01-06T10:30:00+05:30",
            "2026-01-06T12:00:00+05:30",
            "2026-01-06T15:00:00+05:30"
        ]
    );
    let instants = "start_date=2026-01-06T00:00:00.000Z&end_date=2026-01-06T23:59:59.000Z";
    assert_eq!(caller.get(&slots_path(instants)).await.1, day);
}

#[tokio::test]
async fn a_doctor_has_no_slots_elsewhere_and_a_range_must_make_sense() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let path = "/dr/v1/doctor/D1002/clinic/C2002/appointment/slot";
    let (_, none) = caller
        .get(&format!("{path}?start_date=2026-01-06&end_date=2026-01-06"))
        .await;
    assert_eq!(none["data"], json!({"schedule": {}, "services": {}}));
    for query in [
        "start_date=2026-01-06",
        "start_date=06-01-2026&end_date=2026-01-06",
        "start_date=2026-01-06&end_date=2026-01-05",
        "start_date=2026-01-06&end_date=2026-03-05",
    ] {
        let (status, answer) = caller.get(&slots_path(query)).await;
        assert_eq!(
            (status, &answer["status_code"]),
            (400, &json!(400)),
            "{query}"
        );
    }
}
