//! Two client ids: the same identifiers, different data, and the journal that tells who asked.

use serde_json::json;

use super::Upstream;
use crate::sandbox::Settings;

const READS: [&str; 12] = [
    "/profiles/v1/patient/1700000000001",
    "/profiles/v1/patient/minified/?pageNo=1",
    "/profiles/v1/patient/search?prefix=UH",
    "/profiles/v1/patient/by-mobile/?mob=%2B919000000001",
    "/dr/v1/business/entities",
    "/dr/v1/business/clinic/C2001",
    "/dr/v1/doctor/D1001",
    "/dr/v1/doctor/service/D1001",
    "/dr/v1/doctor/D1001/clinic/C2001/appointment/slot?start_date=2026-01-06&end_date=2026-01-06",
    "/dr/v1/appointment?patient_id=1700000000001",
    "/dr/v1/appointment/A3001",
    "/dr/v1/prescription/P4001",
];

#[tokio::test]
async fn every_answer_names_its_own_workspace_and_no_other() {
    let upstream = Upstream::new();
    let (left, right) = (
        upstream.caller("left-dev").await,
        upstream.caller("right-prod").await,
    );
    for path in READS {
        let (left_status, left_answer) = left.get(path).await;
        let (right_status, right_answer) = right.get(path).await;
        assert_eq!((left_status, right_status), (200, 200), "{path}");
        let (left_text, right_text) = (left_answer.to_string(), right_answer.to_string());
        assert!(
            left_text.contains("left-dev") && !left_text.contains("right-prod"),
            "{path}"
        );
        assert!(
            right_text.contains("right-prod") && !right_text.contains("left-dev"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_write_changes_one_workspace() {
    let upstream = Upstream::new();
    let (left, right) = (
        upstream.caller("left").await,
        upstream.caller("right").await,
    );
    let path = "/profiles/v1/patient/1700000000001";
    let before = right.get(path).await;
    let body = json!({"fln": "Somebody Else"});
    assert_eq!(left.call("PATCH", path, Some(&body)).await.0, 200);
    assert_eq!(left.get(path).await.1["fln"], "somebody else");
    assert_eq!(right.get(path).await, before);
}

#[tokio::test]
async fn the_same_client_id_always_has_the_same_data() {
    let path = "/profiles/v1/patient/minified/?pageNo=1&select=dob,gen";
    let (one, two) = (Upstream::new(), Upstream::new());
    assert_eq!(
        one.caller("acme").await.get(path).await,
        two.caller("acme").await.get(path).await
    );
}

#[tokio::test]
async fn workspaces_are_bounded() {
    let upstream = Upstream::with(Settings {
        max_clients: 1,
        ..Settings::default()
    });
    let (left, right) = (
        upstream.caller("left").await,
        upstream.caller("right").await,
    );
    assert_eq!(left.get(READS[0]).await.0, 200);
    assert_eq!(right.get(READS[0]).await.0, 503);
}

#[tokio::test]
async fn the_journal_keeps_what_was_asked_and_no_header_values() {
    let upstream = Upstream::with(Settings {
        journal_length: 2,
        ..Settings::default()
    });
    let caller = upstream.caller("acme").await;
    let body = json!({"fln": "A B"});
    caller
        .call("PATCH", "/profiles/v1/patient/nobody?a=%2B", Some(&body))
        .await;
    caller.get("/nowhere").await;
    let seen = upstream.sandbox.requests();
    assert_eq!(seen.len(), 2);
    assert_eq!(
        (seen[0].method.as_str(), seen[0].status),
        ("PATCH", Some(404))
    );
    assert_eq!(seen[0].path, "/profiles/v1/patient/nobody?a=%2B");
    assert_eq!(seen[0].client_id.as_deref(), Some("acme"));
    assert_eq!(seen[0].body, Some(body));
    assert_eq!(seen[0].headers, ["authorization", "client-id", "auth"]);
    assert!(
        !serde_json::to_string(&seen)
            .unwrap()
            .contains(&caller.token)
    );
    assert_eq!(upstream.sandbox.stats().clients["acme"].requests, 2);
}
