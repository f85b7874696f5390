//! Answers without end against the real program, whose memory the system measures.

use std::time::Duration;

use locum::domain::clock::{Clock, SystemClock};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::CONFIG;
use super::rows::{Row, rows};
use crate::support::app::set_credential;
use crate::support::client::McpClient;
use crate::support::clinic::{Clinic, by, organization};
use crate::support::load::spread;
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::raw::{Kind, RawUpstream};

/// Answers at once. All together may not need what one of them would take.
const ANSWERS: usize = 64;
const GROWTH_KIB: u64 = 64 * 1024;

async fn call(client: &McpClient) -> Value {
    let call = client.call("get_clinic_details_basic", json!({"clinic_id": "C2001"}));
    let reply = timeout(Duration::from_secs(40), call).await;
    reply.expect("an answer by the deadline").body
}

/// An installation of these organizations.
async fn installation(slugs: &[&str]) -> Program {
    let clinic = Clinic::installed_at(SystemClock.now(), "").await;
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    for slug in slugs {
        organization(&admin, slug).await;
        set_credential(&admin, slug, "dev", "synthetic").await;
    }
    app.close().await;
    Program {
        folder: clinic.folder,
        starter: Vec::new(),
    }
}

/// What calls fail with when answers of this kind have no end, and the log. Each call is for an
/// organization of its own, or they would share a login.
async fn endless(kind: Kind) -> (Vec<Value>, String) {
    let upstream = RawUpstream::start().await;
    let endless = |row: &Row| row.name.starts_with("huge-") || row.name == "gzip-bomb";
    let rows: Vec<Row> = rows("").into_iter().filter(endless).collect();
    assert_eq!(rows.len(), 4);
    let slugs: Vec<String> = (0..ANSWERS).map(|number| format!("c-{number}")).collect();
    for (slug, row) in slugs.iter().zip(rows.iter().cycle()) {
        upstream.play(&format!("{slug}-dev"), kind, row.play.clone());
    }
    let names: Vec<&str> = slugs.iter().map(String::as_str).collect();
    let program = installation(&names).await;
    // Whoever reads on beyond the limit has the time to fill the memory.
    let config = CONFIG.replace("request_timeout = \"3s\"", "request_timeout = \"25s\"");
    let upstreams = format!(
        "{config}[providers.eka-care.environments.dev]\nbase_url = \"{}\"\n",
        upstream.url
    );
    program.configure(&upstreams);
    let key = program.key(&names).await;
    let (mut server, log) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key);
    let before = server.peak();
    let clients: Vec<McpClient> = names.iter().map(|name| client.at(name, "dev")).collect();
    let bodies = spread(ANSWERS, ANSWERS, move |number| {
        let client = clients[number].clone();
        async move { call(&client).await }
    })
    .await;
    let grown = server.peak() - before;
    assert!(grown < GROWTH_KIB, "{before} KiB, and {grown} KiB more");
    assert!(upstream.sent() < ANSWERS as u64 * super::IN_SOCKETS);
    let failure = |body: &Value| body["result"]["structuredContent"]["error"].clone();
    assert!(end(&mut server.child, Signal::TERM).await.success());
    let log = std::fs::read_to_string(log).unwrap();
    (bodies.iter().map(failure).collect(), log)
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_do_not_fill_the_memory() {
    let (failures, _) = Box::pin(endless(Kind::Api)).await;
    for failure in failures {
        assert_eq!(failure["error_code"], "upstream_unavailable", "{failure}");
        let message = failure["message"].as_str().unwrap();
        assert!(message.contains("larger than 262144 bytes"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_to_logins_do_not_fill_the_memory() {
    let (failures, log) = Box::pin(endless(Kind::Login)).await;
    for failure in failures {
        assert_eq!(failure["error_code"], "login_unavailable", "{failure}");
    }
    let seen = log.matches("larger than 65536 bytes").count();
    assert!(seen >= ANSWERS, "{seen}: {log}");
}
