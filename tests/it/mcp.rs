//! The front door in both revisions: methods, lists, calls and every kind of bad request.

use serde_json::json;

use crate::support::TestApp;

async fn north() -> TestApp {
    TestApp::builder().org("north", &["dev"]).start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reaches_the_upstream_as_the_tenant() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north", "south"], &[]).await;
    for org in ["north", "south"] {
        let arguments = json!({"clinic_id": "C2001"});
        let reply = client
            .at(org, "dev")
            .call("get_clinic_details_basic", arguments)
            .await;
        assert_eq!(reply.status, 200);
        let name = reply.content()["data"]["data"]["clinic"]["name"]
            .as_str()
            .unwrap();
        assert!(name.contains(&format!("{org}-dev")), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn modern_lists_are_private_and_equal_from_call_to_call() {
    let app = north().await;
    let client = app.client(&["north"], &["dev"]).await;
    let one = client.modern("tools/list", json!({})).await;
    let two = client.modern("tools/list", json!({})).await;
    assert_eq!(one.body, two.body);
    assert_eq!(one.body["result"]["cacheScope"], "private");
    assert_eq!(one.body["result"]["resultType"], "complete");
    assert!(one.body["result"]["ttlMs"].is_u64());
    let legacy = client.legacy("tools/list", json!({})).await;
    assert_eq!(legacy.body["result"]["tools"], one.body["result"]["tools"]);
    assert!(legacy.body["result"].get("resultType").is_none());
}
