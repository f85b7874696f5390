//! SIGTERM, under load and before an upstream has answered: whatever could send a request gets its
//! answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::app::reqwest_client;
use crate::support::commands::clinic;
use crate::support::load::spread;
use crate::support::process::{serve_logged, soon};
use crate::support::program::{Program, Server};
use crate::support::wire::{Draft, Wire};

const PING: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
const CALL: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"get_clinic_details_basic","arguments":{"clinic_id":"C2001"}}}"#;

/// What became of the requests of all clients.
#[derive(Default)]
struct Tally {
    answered: AtomicUsize,
    dropped: AtomicUsize,
}

impl Tally {
    fn count(&self, answered: bool) -> bool {
        let counter = if answered {
            &self.answered
        } else {
            &self.dropped
        };
        counter.fetch_add(1, Ordering::Relaxed);
        answered
    }
}

/// Asks in a closed loop, on one connection or on a new one each time, until no connection can be
/// made any more.
async fn ask(address: String, request: Vec<u8>, keep: bool, tally: Arc<Tally>) {
    let mut kept: Option<Wire> = None;
    loop {
        let mut wire = match kept.take() {
            Some(wire) => wire,
            None => match TcpStream::connect(&address).await {
                Ok(stream) => Wire::over(stream),
                Err(_) => return,
            },
        };
        let Some(answer) = wire.try_exchange(&request).await else {
            tally.count(false);
            continue;
        };
        tally.count(answer.status == 200 && answer.json()["result"]["isError"] != true);
        let closed = answer.header("connection") == Some("close");
        kept = (keep && !closed).then_some(wire);
    }
}

/// The same over one HTTP/2 connection after the other. A request that GOAWAY leaves out was not
/// taken, and its client knows it.
async fn ask_http2(address: String, key: String, tally: Arc<Tally>) {
    while let Ok(stream) = TcpStream::connect(&address).await {
        let Ok((mut sender, connection)) = h2::client::handshake(stream).await else {
            tally.count(false);
            continue;
        };
        tokio::spawn(connection);
        loop {
            let Ok(ready) = sender.ready().await else {
                break;
            };
            sender = ready;
            let request = Request::post(format!("http://{address}/mcp"))
                .header("authorization", format!("Bearer {key}"))
                .header("content-type", "application/json")
                .body(())
                .unwrap();
            let Ok((response, mut body)) = sender.send_request(request, false) else {
                break;
            };
            let sent = body.send_data(Bytes::from_static(PING.as_bytes()), true);
            match response.await {
                Ok(response) => tally.count(response.status() == 200 && sent.is_ok()),
                Err(error) if error.reason() == Some(h2::Reason::NO_ERROR) => break,
                Err(error) if error.reason() == Some(h2::Reason::REFUSED_STREAM) => break,
                Err(_) => tally.count(false),
            };
        }
    }
}

/// A server under the load of `clients` of each kind.
struct Load {
    server: Server,
    tally: Arc<Tally>,
    clients: JoinSet<()>,
}

async fn load(program: &Program, key: &str, clients: usize) -> Load {
    let (server, _) = serve_logged(program, &[]).await;
    let address = server.url.trim_start_matches("http://").to_owned();
    let tally = Arc::new(Tally::default());
    let mut tasks = JoinSet::new();
    for number in 0..clients {
        let body = if number % 2 == 0 { PING } else { CALL };
        let request = Draft::post("/t/north/dev/mcp", body)
            .with(format!("Authorization: Bearer {key}"))
            .bytes();
        for keep in [true, false] {
            tasks.spawn(ask(address.clone(), request.clone(), keep, tally.clone()));
        }
        if number % 4 == 0 {
            tasks.spawn(ask_http2(address.clone(), key.to_owned(), tally.clone()));
        }
    }
    Load {
        server,
        tally,
        clients: tasks,
    }
}

fn terminate(server: &Server) {
    let id = i32::try_from(server.child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::TERM).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_request_under_load_gets_its_answer() {
    let (program, _sandbox) = clinic().await;
    let key = program.json(&[
        "key", "create", "--name", "k", "--org", "north", "--env", "dev",
    ]);
    let key = key.await["key"].as_str().unwrap().to_owned();
    for stop in 0..6 {
        let mut load = load(&program, &key, 16).await;
        tokio::time::sleep(Duration::from_millis(400 + 37 * stop)).await;
        terminate(&load.server);
        let end = timeout(Duration::from_secs(20), load.server.child.wait()).await;
        assert!(end.expect("an end within 20 s").unwrap().success());
        while let Some(client) = load.clients.join_next().await {
            client.unwrap();
        }
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let (answered, dropped) = (count(&load.tally.answered), count(&load.tally.dropped));
        assert!(answered > 50, "stop {stop}: {answered} answered");
        assert_eq!(dropped, 0, "stop {stop}: of {answered} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_have_begun_are_finished() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let request = Draft::post("/t/north/dev/mcp", CALL)
        .with(format!("Authorization: Bearer {key}"))
        .bytes();
    let body = request.len() - CALL.len();
    // In the head, at its end, and in the body; and on a connection that has sent nothing yet.
    let cuts = [0, 1, 40, body - 1, body, request.len() - 1];
    let mut wires = Vec::new();
    for cut in cuts {
        let mut wire = Wire::connect(&server.url).await;
        wire.send(&request[..cut]).await;
        wires.push((wire, cut));
    }
    let mut used = Wire::connect(&server.url).await;
    assert_eq!(used.exchange(&request).await.status, 200);
    wires.push((used, 0));
    tokio::time::sleep(Duration::from_millis(200)).await;
    terminate(&server);
    tokio::time::sleep(Duration::from_millis(500)).await;
    for (wire, cut) in &mut wires {
        wire.send(&request[*cut..]).await;
        let answer = wire.receive().await;
        assert_eq!(answer.status, 200, "cut at {cut}: {answer:?}");
        assert_eq!(answer.header("connection"), Some("close"), "cut at {cut}");
    }
    let end = timeout(Duration::from_secs(5), server.child.wait()).await;
    assert!(
        end.expect("an end, now that all are answered")
            .unwrap()
            .success()
    );
}

/// The upstream answers seconds after the stop, and so does the server.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_at_its_upstream_is_answered_after_the_stop() {
    let (program, sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let http = reqwest_client();
    let slow = json!({"kind": "slow", "delay_ms": 10_000}).to_string();
    let added = http.post(format!("{}/_sandbox/faults", sandbox.url));
    let added = added.body(slow).send().await.unwrap();
    assert_eq!(added.status(), 201);
    let mut wire = Wire::connect(&server.url).await;
    let request =
        Draft::post("/t/north/dev/mcp", CALL).with(format!("Authorization: Bearer {key}"));
    wire.send(&request.bytes()).await;
    soon("a call that is at its upstream", async || {
        let seen = http.get(format!("{}/_sandbox/requests", sandbox.url));
        let seen: Value = seen.send().await.unwrap().json().await.unwrap();
        let seen = seen["requests"].as_array().unwrap();
        seen.iter()
            .any(|seen| seen["endpoint"] == "clinic" && seen["status"].is_null())
    })
    .await;
    terminate(&server);
    let early = timeout(Duration::from_secs(2), server.child.wait()).await;
    assert!(early.is_err(), "it did not wait for the call: {early:?}");
    let answer = wire.receive().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["result"]["isError"], false, "{answer:?}");
    assert_eq!(answer.header("connection"), Some("close"));
    let end = timeout(Duration::from_secs(10), server.child.wait()).await;
    assert!(
        end.expect("an end, now that the call is answered")
            .unwrap()
            .success()
    );
}

fn ping(key: &str) -> Vec<u8> {
    Draft::post("/t/north/dev/mcp", PING)
        .with(format!("Authorization: Bearer {key}"))
        .bytes()
}

/// Each of them is told of the stop, and says when it ended, while others do.
#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_idle_connections_end_with_the_stop() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let request = ping(&key);
    for _ in 0..3 {
        let (mut server, _) = serve_logged(&program, &[]).await;
        let open = {
            let (url, request) = (server.url.clone(), request.clone());
            move |_| {
                let (url, request) = (url.clone(), request.clone());
                async move {
                    let mut wire = Wire::connect(&url).await;
                    assert_eq!(wire.exchange(&request).await.status, 200);
                    wire
                }
            }
        };
        let kept = spread(2_000, 64, open).await;
        terminate(&server);
        let end = timeout(Duration::from_secs(20), server.child.wait()).await;
        assert!(end.expect("an end in time").unwrap().success());
        drop(kept);
    }
}

/// Connections that are kept too long end while others come and go.
#[tokio::test(flavor = "multi_thread")]
async fn connections_that_come_and_go_meet_those_that_end() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let idle = ("LOCUM__LIMITS__IDLE_TIMEOUT", "100ms");
    let (mut server, _) = serve_logged(&program, &[idle]).await;
    let request = ping(&key);
    let url = server.url.clone();
    let visit = move |number: usize| {
        let (url, request) = (url.clone(), request.clone());
        async move {
            let mut wire = Wire::connect(&url).await;
            let answer = timeout(Duration::from_secs(20), wire.exchange(&request)).await;
            assert_eq!(answer.expect("an answer").status, 200);
            if number.is_multiple_of(2) {
                tokio::time::sleep(Duration::from_millis(150)).await;
            }
        }
    };
    spread(20_000, 64, visit).await;
    terminate(&server);
    let end = timeout(Duration::from_secs(20), server.child.wait()).await;
    assert!(end.expect("an end in time").unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_without_a_request_do_not_hold_the_stop_up() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let request = ping(&key);
    let mut kept = Vec::new();
    for number in 0..20 {
        let mut wire = Wire::connect(&server.url).await;
        if number % 2 == 0 {
            assert_eq!(wire.exchange(&request).await.status, 200);
        }
        kept.push(wire);
    }
    let stream = TcpStream::connect(server.url.trim_start_matches("http://"))
        .await
        .unwrap();
    let (_sender, connection) = h2::client::handshake(stream).await.unwrap();
    let http2 = tokio::spawn(connection);
    tokio::time::sleep(Duration::from_millis(100)).await;
    terminate(&server);
    let end = timeout(Duration::from_secs(6), server.child.wait()).await;
    assert!(
        end.expect("an end before the grace period is over")
            .unwrap()
            .success()
    );
    assert!(timeout(Duration::from_secs(1), http2).await.is_ok());
}
