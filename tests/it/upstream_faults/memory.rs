//! Answers without end against the real program, whose memory the system measures.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::rows::{Row, rows};
use super::{CONFIG, client_id, slug};
use crate::support::client::McpClient;
use crate::support::load::spread;
use crate::support::program::Program;
use crate::support::raw::{Kind, RawUpstream};

/// Calls at once. All together may not need what one of the answers would take.
const CALLS: usize = 64;
const GROWTH_KIB: u64 = 64 * 1024;

async fn call(client: &McpClient) -> serde_json::Value {
    let call = client.call("get_clinic_details_basic", json!({"clinic_id": "C2001"}));
    let reply = timeout(Duration::from_secs(40), call).await;
    reply.expect("an answer by the deadline").body
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_do_not_fill_the_memory() {
    let upstream = RawUpstream::start().await;
    let program = Program::init().await;
    let endless = |row: &Row| row.name.starts_with("huge-") || row.name == "gzip-bomb";
    let rows: Vec<Row> = rows("").into_iter().filter(endless).collect();
    assert_eq!(rows.len(), 4);
    // Whoever reads on beyond the limit has the time to fill the memory.
    let config = CONFIG.replace("request_timeout = \"3s\"", "request_timeout = \"25s\"");
    let upstreams = format!(
        "{config}[providers.eka-care.environments.dev]\nbase_url = \"{}\"\n",
        upstream.url
    );
    program.configure(&upstreams);
    for row in &rows {
        program.organization(&slug(row), &["dev"]).await;
        upstream.play(&client_id(row), Kind::Api, row.play.clone());
    }
    let slugs: Vec<String> = rows.iter().map(slug).collect();
    let names: Vec<&str> = slugs.iter().map(String::as_str).collect();
    let key = program.key(&names).await;
    let server = program.serve().await;
    let client = McpClient::new(&server.url, &key);
    let before = server.peak();
    let clients: Vec<McpClient> = names.iter().map(|name| client.at(name, "dev")).collect();
    let count = clients.len();
    let bodies = spread(CALLS, CALLS, move |number| {
        let client = clients[number % count].clone();
        async move { call(&client).await }
    })
    .await;
    for body in bodies {
        let failure = &body["result"]["structuredContent"]["error"];
        assert_eq!(failure["error_code"], "upstream_unavailable", "{body}");
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains("larger than 262144 bytes"), "{message}");
    }
    let grown = server.peak() - before;
    assert!(grown < GROWTH_KIB, "{before} KiB, and {grown} KiB more");
    assert!(upstream.sent() < CALLS as u64 * super::IN_SOCKETS);
}
