//! Seeing from outside: one request followed by its id, what is counted, and what is traced.

use std::fs;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::app::{TestApp, reqwest_client};
use crate::support::commands::clinic;
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::{McpClient, Reply};

fn search() -> Value {
    json!({"prefix": "a"})
}

/// Locum's id of the request that was answered.
fn request_id(reply: &Reply) -> String {
    let id = reply.headers.get("x-request-id").unwrap();
    id.to_str().unwrap().to_owned()
}

/// The lines of a log, each of which is to be one JSON object.
fn lines(log: &str) -> Vec<Value> {
    let object = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value.is_object(), "{line}");
        value
    };
    log.lines().map(object).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_leads_from_the_answer_through_the_log_to_the_upstream() {
    let (program, sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (mut server, log) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    // A client's own id is not taken over.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": "search_patients", "arguments": search()}});
    let own = [("x-request-id", "of-the-client")];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = client.post("/mcp", &own, &call).await;
        assert!(reply.is_ok(), "{reply:?}");
        ids.push(request_id(&reply));
    }
    let requests = reqwest_client().get(format!("{}/_sandbox/requests", sandbox.url));
    let seen: Value = requests.send().await.unwrap().json().await.unwrap();
    let seen = seen["requests"].as_array().unwrap();
    let sent: Vec<(&str, &str)> = seen
        .iter()
        .map(|seen| (seen["endpoint"].as_str(), seen["request_id"].as_str()))
        .map(|(endpoint, id)| (endpoint.unwrap(), id.unwrap()))
        .collect();
    // The first call logs in, and its login carries its id.
    let expected = [
        ("login", &*ids[0]),
        ("patient-search", &ids[0]),
        ("patient-search", &ids[1]),
    ];
    assert_eq!(sent, expected);

    assert!(end(&mut server.child, Signal::TERM).await.success());
    let log = lines(&fs::read_to_string(log).unwrap());
    let calls: Vec<_> = log
        .iter()
        .filter(|line| line["message"] == "call")
        .collect();
    assert_eq!(calls.len(), 2, "{log:?}");
    for (line, id) in calls.iter().zip(&ids) {
        assert_eq!(line["request_id"], **id);
        assert_eq!(line["tenant"], "north/dev");
        assert_eq!(line["tool"], "search_patients");
        assert_eq!(line["outcome"], "ok");
        assert_eq!(line["status"], 200);
        assert_eq!(line["level"], "INFO");
        assert!(
            line["timestamp"].is_string() && line["micros"].is_u64(),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_login_is_made_for_no_request() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let slug = crate::support::app::org("north");
    let environment = "dev".parse().unwrap();
    let admin = app.admin();
    let report = admin.test_credential(&slug, &environment, "eka-care");
    assert!(report.await.unwrap().ok);
    let seen = &app.sandbox.requests()[0];
    assert_eq!(seen.request_id, None, "{seen:?}");
}

#[tokio::test]
async fn no_profile_defines_the_request_id() {
    let program = Program::empty();
    let built_in = fs::read_to_string("profiles/eka-care.toml").unwrap();
    let mine = program.path("mine.toml");
    for name in ["X-Request-Id", "x-request-id"] {
        let header = format!("[[headers]]\nname = \"{name}\"\nvalue = \"mine\"\n[result]");
        fs::write(&mine, built_in.replacen("[result]", &header, 1)).unwrap();
        let (code, text) = program
            .fails(&["catalog", "check", mine.to_str().unwrap()])
            .await;
        assert_eq!(code, 78, "{text}");
        assert!(text.contains("Locum's own id of the request"), "{text}");
    }
}
