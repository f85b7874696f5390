//! The patient directory.

use serde_json::{Value, json};

use super::Upstream;

const PATIENTS: &str = "/profiles/v1/patient/";

fn oids(list: &Value) -> Vec<&str> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|patient| patient["oid"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn a_patient_is_created_read_changed_and_archived() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let body = json!({
        "fn": "New", "ln": "Example", "dob": "2000-01-02", "gen": "F", "mobile": "+916000000000",
        "bloodgroup": "A+", "extras": {"_hidden": 1, "ward": "7"},
    });
    let (status, answer) = caller.call("POST", PATIENTS, Some(&body)).await;
    assert_eq!((status, answer), (201, json!({"oid": "1700000000013"})));
    let path = format!("{PATIENTS}1700000000013");
    let (_, patient) = caller.get(&path).await;
    assert_eq!(patient["fln"], "new example");
    assert_eq!(
        (&patient["ccd"], &patient["mobile"]),
        (&json!("+91"), &json!("6000000000"))
    );
    assert_eq!(patient["extras"], json!({"ward": "7", "workspace": "acme"}));
    let change = json!({"email": "A@B.invalid"});
    let (_, answer) = caller.call("PATCH", &path, Some(&change)).await;
    assert_eq!(answer, json!({"message": "Profile updated successfully"}));
    assert_eq!(caller.get(&path).await.1["email"], "a@b.invalid");
    let (_, answer) = caller.call("DELETE", &path, None).await;
    assert_eq!(answer, json!({"message": "Profile archived successfully"}));
    assert_eq!(
        caller.get(&path).await,
        (
            404,
            json!({"message": "Not found", "code": "profile_not_found"})
        )
    );
    assert_eq!(caller.get(&format!("{path}?arc=true")).await.0, 200);
}

#[tokio::test]
async fn bad_patients_are_refused_by_field() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let cases = [
        (json!({"dob": "2000-01-02", "gen": "F"}), "fn is required"),
        (json!({"fn": "A", "gen": "F"}), "dob is required"),
        (
            json!({"fn": "A", "dob": "2000-13-02", "gen": "F"}),
            "dob must be YYYY-MM-DD",
        ),
        (
            json!({"fn": "A", "dob": "2000-01-02", "gen": "X"}),
            "gen must be one of M, F, O",
        ),
        (
            json!({"fn": 1, "dob": "2000-01-02", "gen": "F"}),
            "fn must be a string",
        ),
        (json!([]), "body must be a JSON object"),
    ];
    for (body, complaint) in cases {
        let (status, answer) = caller.call("POST", PATIENTS, Some(&body)).await;
        let expected = json!({"error": {"message": complaint, "code": "invalid_request"}});
        assert_eq!((status, answer), (400, expected));
    }
}

#[tokio::test]
async fn pages_end_with_minus_one() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let (_, page) = caller
        .get(&format!(
            "{PATIENTS}minified/?pageNo=3&pageSize=5&select=dob"
        ))
        .await;
    assert_eq!(oids(&page["profiles"]), ["1700000000011", "1700000000012"]);
    let meta = json!({"currPageNo": 3, "pageSize": 5, "nextPage": -1});
    assert_eq!(page["currPageMeta"], meta);
    let (_, page) = caller
        .get(&format!("{PATIENTS}minified/?pageNo=1&pageSize=6"))
        .await;
    assert_eq!(page["currPageMeta"]["nextPage"], 2);
    let (_, late) = caller
        .get(&format!("{PATIENTS}minified/?pageNo=1&from=1701000000"))
        .await;
    assert_eq!(oids(&late["profiles"]), ["1700000000012"]);
    for query in [
        "",
        "?pageNo=0",
        "?pageNo=x",
        "?pageNo=1&pageSize=0",
        "?pageNo=1&select=no",
    ] {
        assert_eq!(
            caller.get(&format!("{PATIENTS}minified/{query}")).await.0,
            400,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_search_matches_prefixes_and_a_number_finds_its_family() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let (_, found) = caller.get(&format!("{PATIENTS}search?prefix=uh0003")).await;
    assert_eq!(oids(&found), ["1700000000003"]);
    let (_, found) = caller
        .get(&format!("{PATIENTS}search?prefix=90000&limit=2"))
        .await;
    assert_eq!(oids(&found), ["1700000000001", "1700000000002"]);
    assert_eq!(caller.get(&format!("{PATIENTS}search")).await.0, 400);
    let by_mobile = |number| format!("{PATIENTS}by-mobile/?mob=%2B91{number}");
    let (_, one) = caller.get(&by_mobile("9000000005")).await;
    assert_eq!(one["oid"], "1700000000005");
    let (_, family) = caller.get(&by_mobile("9000000011")).await;
    assert_eq!(oids(&family), ["1700000000011", "1700000000012"]);
    assert_eq!(caller.get(&by_mobile("9999999999")).await.0, 404);
}

#[tokio::test]
async fn an_encoded_slash_stays_inside_its_segment() {
    let upstream = Upstream::new();
    let caller = upstream.caller("acme").await;
    let (status, answer) = caller.get(&format!("{PATIENTS}..%2F..%2Fx%3Fy")).await;
    assert_eq!(
        (status, &answer["code"]),
        (404, &json!("profile_not_found"))
    );
    let (status, answer) = caller.get("/elsewhere").await;
    assert_eq!(
        (status, &answer["error"]["code"]),
        (404, &json!("NOT_FOUND"))
    );
}
