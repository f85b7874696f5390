//! The second provider: the laboratory of the sandbox as `profiles/examples/lab.toml` describes it.
//! What each of its tools asks, for two organizations, and what it makes of the answers.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::McpClient;
use crate::support::lab::{PROFILE, set_client};

const PATIENT: &str = "1700000000001";

async fn two_clinics() -> (TestApp, McpClient) {
    let builder = TestApp::builder().org("north", &[]).org("south", &[]);
    let app = builder.lab(PROFILE).start().await;
    for slug in ["north", "south"] {
        set_client(&app, slug, "syn+thetic %secret").await;
    }
    let client = app.client(&["north", "south"], &["dev"]).await;
    (app, client)
}

/// What was asked, for which client, with the names of the headers that the profile has a say in;
/// sorted, because the requests of a round come in any order.
fn asked(app: &TestApp) -> Vec<String> {
    let always = [
        "accept",
        "accept-encoding",
        "host",
        "user-agent",
        "x-request-id",
    ];
    let line = |request: locum::sandbox::SeenRequest| {
        let own = request.headers.iter().map(String::as_str);
        let own: Vec<_> = own.filter(|name| !always.contains(name)).collect();
        let body = request
            .body
            .map_or_else(String::new, |body| format!(" {body}"));
        let client = request.client_id.unwrap_or_default();
        let (method, path) = (request.method, request.path);
        format!("{client}: {method} {path} [{}]{body}", own.join(" "))
    };
    let mut lines: Vec<String> = app.sandbox.requests().into_iter().map(line).collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tool_asks_exactly_this_and_answers_that() {
    let (app, client) = two_clinics().await;
    let mut seen = String::new();
    for (tool, arguments) in [
        ("lab_list_tests", json!({})),
        ("lab_list_orders", json!({"patient": PATIENT})),
        (
            "lab_list_orders",
            json!({"patient": PATIENT, "status": "reported", "limit": 1, "after": "O10001"}),
        ),
        ("lab_get_results", json!({"order": "O10001"})),
        ("lab_get_results", json!({"order": "../O10001?x"})),
        ("lab_get_report", json!({"order": "O10001"})),
        ("lab_get_report", json!({"order": "O10006"})),
        (
            "lab_order_test",
            json!({"patient": "P/7", "test": "CBC", "note": "fasting"}),
        ),
        ("lab_order_test", json!({"patient": "P/7", "test": "NONE"})),
        ("lab_cancel_order", json!({"order": "O10007"})),
        ("lab_cancel_order", json!({"order": "O10001"})),
        ("lab_find_unusual_results", json!({"patient": PATIENT})),
        (
            "lab_find_unusual_results",
            json!({"patient": "1700000000003"}),
        ),
    ] {
        writeln!(seen, "{tool} {arguments}").unwrap();
        for slug in ["north", "south"] {
            app.sandbox.clear_requests();
            let reply = client.at(slug, "dev").call(tool, arguments.clone()).await;
            let mut answer = reply.content().clone();
            if let Some(error) = answer.get_mut("error").and_then(Value::as_object_mut) {
                error.shift_remove("request_id");
            }
            for line in asked(&app) {
                writeln!(seen, "  {line}").unwrap();
            }
            writeln!(seen, "  -> {answer}").unwrap();
        }
    }
    insta::assert_snapshot!("lab", seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_ids_lead_to_each_ones_own_records() {
    let (_app, client) = two_clinics().await;
    let (north, south) = (client.at("north", "dev"), client.at("south", "dev"));
    let arguments = json!({"order": "O10001"});
    let report = |reply: Value| {
        use base64::Engine;
        let data = reply["data"]["data"].as_str().unwrap().to_owned();
        let bytes = base64::engine::general_purpose::STANDARD.decode(data);
        String::from_utf8(bytes.unwrap()).unwrap()
    };
    for (client, own, other) in [
        (&north, "north-dev", "south-dev"),
        (&south, "south-dev", "north-dev"),
    ] {
        let reply = client.call("lab_get_report", arguments.clone()).await;
        let report = report(reply.content().clone());
        assert!(report.contains(own) && !report.contains(other), "{report}");
    }
    // A write of one is nothing that the other is answered with, and cancels nothing of it.
    let order = json!({"patient": PATIENT, "test": "LIPID"});
    let made = |client: McpClient| {
        let order = order.clone();
        async move { client.call("lab_order_test", order).await.content()["data"]["id"].clone() }
    };
    assert_eq!(made(north.clone()).await, "O10007");
    assert_eq!(made(north.clone()).await, "O10007");
    assert_eq!(made(south.clone()).await, "O10007");
    let cancelled = north
        .call("lab_cancel_order", json!({"order": "O10007"}))
        .await;
    assert!(cancelled.is_ok(), "{}", cancelled.body);
    let status = |client: McpClient| async move {
        let reply = client
            .call("lab_get_results", json!({"order": "O10007"}))
            .await;
        reply.content()["data"]["status"].clone()
    };
    assert_eq!(status(north).await, "cancelled");
    assert_eq!(status(south).await, "ordered");
}
