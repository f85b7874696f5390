//! Answers that are small as text and large as values, against the real program, whose memory the
//! system measures.

use serde_json::json;

use super::profile::{self, each, tool};
use super::{Answer, Upstream, code, message};
use crate::support::client::McpClient;
use crate::support::program::Program;

/// Of an answer: as values it takes some fifty times as much.
const BYTES: usize = 7 << 20;
const ITEMS: usize = 20;
/// Ten answers are under way at a time. Without a bound, one of them alone would take more as values.
const GROWTH_KIB: u64 = 300 * 1024;

fn large(path: &str) -> Answer {
    let member = "{\"\":0},";
    match path.ends_with("/one") {
        true => Answer::Json(json!([])),
        false => Answer::Text(format!("[{}0]", member.repeat(BYTES / member.len()))),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_to_a_call_take_no_more_room_than_one_call_may_take() {
    let upstream = Upstream::start(large).await;
    let program = Program::init().await;
    std::fs::create_dir(program.path("profiles")).unwrap();
    let tools = tool(
        "read",
        &each("GET", "/things/{item}", "on_error = \"skip\""),
    );
    program.write("profiles/eka-care.toml", &profile::with(&tools));
    program.configure(&format!(
        "[providers.eka-care.environments.dev]\nbase_url = \"{}\"\n",
        upstream.url
    ));
    program.organization("north", &["dev"]).await;
    let key = program.key(&["north"]).await;
    let server = program.serve().await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    let one = client.call("read", json!({"ids": ["one"]})).await;
    assert!(one.is_ok(), "{}", one.body);
    let before = server.peak();
    let many: Vec<usize> = (0..ITEMS).collect();
    let reply = client.call("read", json!({"ids": many})).await;
    assert_eq!(code(&reply), "profile_failed", "{}", reply.body);
    assert!(
        message(&reply).contains("too large together"),
        "{}",
        reply.body
    );
    let grown = server.peak() - before;
    assert!(grown < GROWTH_KIB, "{before} KiB, and {grown} KiB more");
    let one = client.call("read", json!({"ids": ["one"]})).await;
    assert!(one.is_ok(), "{}", one.body);
}
