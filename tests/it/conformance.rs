//! The MCP conformance suite against the real program, in both revisions. What it may fail is in
//! `tests/conformance/`, with reasons; anything else that fails is an error, and so is an entry
//! there that does not fail any more.

use std::process::{Output, Stdio};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::McpClient;
use crate::support::forward;
use crate::support::install::Project;
use crate::support::program::{Program, Server};

const LIMIT: Duration = Duration::from_secs(120);
const PROFILE: &str = include_str!("../conformance/profile.toml");
const TEXT: &str = "This is a simple text response for testing.";
const ERROR: &str = "This tool intentionally returns an error for testing";

struct Gateway {
    _program: Program,
    server: Server,
    key: String,
}

/// A gateway with the suite's tools beside those of the built-in profile.
async fn gateway() -> Gateway {
    let program = Program::init().await;
    let profiles = program.path("profiles");
    std::fs::create_dir(&profiles).unwrap();
    std::fs::write(profiles.join("conformance.toml"), PROFILE).unwrap();
    let base_url = upstream().await;
    program.configure(&format!(
        "[providers.conformance.environments.dev]\nbase_url = \"{base_url}\"\n"
    ));
    program.organization("north", &["dev"]).await;
    let fields = program.path("conformance.fields");
    std::fs::write(&fields, "secret = \"synthetic\"\n").unwrap();
    let set = "credential set --org north --env dev --provider conformance --from-file";
    let words: Vec<&str> = set.split(' ').chain(fields.to_str()).collect();
    program.ok(&words).await;
    let key = program.key(&["north"]).await;
    let server = program.serve().await;
    Gateway {
        _program: program,
        server,
        key,
    }
}

/// What the tools of the profile stand for.
async fn upstream() -> String {
    let login = post(async || json!({"token": "synthetic"}).to_string());
    let error = get(async || {
        let body = json!({"message": ERROR}).to_string();
        (StatusCode::INTERNAL_SERVER_ERROR, body)
    });
    let routes = Router::new()
        .route("/login", login)
        .route("/text", get(async || TEXT))
        .route("/error", error);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

impl Gateway {
    /// Runs what a revision requires.
    async fn judged(&self, revision: &str, baseline: &str) -> Output {
        let bearer = format!("Bearer {}", self.key);
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-tenant-id", "north"),
            ("x-tenant-env", "dev"),
        ];
        let url = format!("{}/mcp", forward::adding(headers, &self.server.url).await);
        let mut suite = Project::Node.program("conformance").await;
        suite
            .args(["server", "--url", &url, "--requirements", revision])
            .args(["--expected-failures", baseline])
            .stdin(Stdio::null());
        timeout(LIMIT, suite.output())
            .await
            .expect("an end of the suite")
            .unwrap()
    }
}

/// `beyond` names what the suite runs without counting it, and what passes all the same.
async fn conforms(revision: &str, beyond: &[&str]) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/conformance");
    let baseline = format!("{folder}/{revision}.yaml");
    let output = gateway().await.judged(revision, &baseline).await;
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}");
    // The suite says nothing of an entry that it did not come to, such as one with a slip in it.
    let text = std::fs::read_to_string(&baseline).unwrap();
    let mut expected = listed(&text, "  - ");
    let mut failed = listed(&report, "  ~ ");
    expected.sort_unstable();
    failed.sort_unstable();
    assert_eq!(failed, expected, "{report}");
    for scenario in beyond {
        assert!(report.contains(&format!("✓ {scenario}:")), "{report}");
    }
}

fn listed<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines()
        .filter_map(|line| line.strip_prefix(mark))
        .map(|entry| entry.split(" #").next().unwrap_or(entry).trim())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2025_11_25() {
    conforms("2025-11-25", &["json-schema-2020-12"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2026_07_28() {
    conforms(
        "2026-07-28",
        &["json-schema-2020-12", "http-header-validation"],
    )
    .await;
}

/// The suite is content with any text; its documentation says which.
#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_passed_on_as_it_is() {
    let gateway = gateway().await;
    let client = McpClient::new(&gateway.server.url, &gateway.key).at("north", "dev");
    let expected = json!({"content": [{"type": "text", "text": TEXT}], "isError": false});
    let legacy = client.call("test_simple_text", json!({})).await;
    assert_eq!(legacy.body["result"], expected);
    let modern = client.modern("tools/call", json!({"name": "test_simple_text"}));
    let modern = modern.await.body["result"].take();
    assert_eq!(modern["content"], expected["content"]);
    assert_eq!(modern.get("structuredContent"), None::<&Value>);
}
