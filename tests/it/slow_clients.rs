//! Clients that take their time: each ends by its deadline, and nobody waits for it.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::support::TestApp;
use crate::support::app::TestAppBuilder;
use crate::support::tls::{Authority, section};
use crate::support::wire::{Draft, Wire};

const PING: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;
const LIST: &str = r#"{"jsonrpc":"2.0","id":7,"method":"tools/list"}"#;
/// Deadlines are a second; this is generous on a busy machine.
const SOON: Duration = Duration::from_secs(8);
const MANY: usize = 100;

fn builder() -> TestAppBuilder {
    TestApp::builder().org("north", &["dev"]).config(
        "[limits]\nhead_timeout = \"1s\"\nbody_timeout = \"1s\"\nwrite_timeout = \"1s\"\n\
         idle_timeout = \"1h\"\n",
    )
}

async fn with_key(app: &TestApp, body: &str) -> Vec<u8> {
    let key = app.key(&["north"], &["dev"], &[], false).await;
    Draft::post("/mcp", body)
        .with(format!("Authorization: Bearer {key}"))
        .bytes()
}

async fn connections(app: &TestApp) -> Vec<Wire> {
    let mut wires = Vec::new();
    for _ in 0..MANY {
        wires.push(Wire::connect(&app.url()).await);
    }
    wires
}

async fn assert_served(app: &TestApp, request: &[u8]) {
    let answer = Wire::connect(&app.url()).await.exchange(request).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_trickles_in_ends_by_its_deadline() {
    let app = builder().start().await;
    let request = with_key(&app, PING).await;
    let mut wires = connections(&app).await;
    // Half of them have been served before: an idle connection whose next head trickles in.
    for wire in wires.iter_mut().step_by(2) {
        assert_eq!(wire.exchange(&request).await.status, 200);
    }
    for round in 0..3 {
        for wire in &mut wires {
            wire.send(&request[round * 5..(round + 1) * 5]).await;
        }
        assert_served(&app, &request).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    for wire in &mut wires {
        assert!(wire.closes_within(SOON).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_is_answered_and_closed() {
    let app = builder().start().await;
    let request = with_key(&app, PING).await;
    let mut wires = connections(&app).await;
    for wire in &mut wires {
        wire.send(&request[..request.len() - 3]).await;
    }
    assert_served(&app, &request).await;
    for wire in &mut wires {
        let answer = wire.receive().await;
        assert_eq!(answer.status, 408, "{answer:?}");
        assert_eq!(answer.json()["error"]["data"]["code"], "body_timeout");
        assert!(wire.closes_within(SOON).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_an_answer_loses_the_connection() {
    let app = builder().start().await;
    let request = with_key(&app, LIST).await;
    let answer = Wire::connect(&app.url()).await.exchange(&request).await;
    // More than the buffers of both sockets hold.
    let asked = (32 << 20) / answer.body.len();
    let many: Vec<u8> = request
        .iter()
        .copied()
        .cycle()
        .take(request.len() * asked)
        .collect();
    let mut wires = Vec::new();
    for _ in 0..4 {
        let stream = TcpStream::connect(app.url().trim_start_matches("http://"))
            .await
            .unwrap();
        let (read, mut write) = stream.into_split();
        let many = many.clone();
        let writing = tokio::spawn(async move {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut write, &many).await;
            write
        });
        wires.push((read, writing));
    }
    assert_served(&app, &request).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    for (mut read, writing) in wires {
        let mut received = 0;
        let mut buffer = vec![0; 1 << 20];
        let rest = async {
            while let Ok(count @ 1..) = tokio::io::AsyncReadExt::read(&mut read, &mut buffer).await
            {
                received += count;
            }
        };
        timeout(SOON, rest)
            .await
            .expect("the end of the connection");
        assert!(
            received < asked * answer.body.len() / 2,
            "{received} bytes came"
        );
        writing.abort();
    }
    assert_served(&app, &request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http2_client_that_opens_no_window_loses_the_connection() {
    let app = builder().start().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let address = app.url().trim_start_matches("http://").to_owned();
    let stream = TcpStream::connect(&address).await.unwrap();
    let mut builder = h2::client::Builder::new();
    let handshake = builder
        .initial_window_size(1_000)
        .handshake::<_, Bytes>(stream);
    let (sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let mut sender = sender.ready().await.unwrap();
    let request = Request::post(format!("http://{address}/mcp"))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    let (response, mut body) = sender.send_request(request, false).unwrap();
    body.send_data(Bytes::from_static(LIST.as_bytes()), true)
        .unwrap();
    let response = response.await.unwrap();
    assert_eq!(response.status(), 200);
    // The rest of the answer is never asked for.
    let ended = timeout(SOON, connection).await;
    assert!(ended.is_ok(), "the connection outlived write_timeout");
    drop(response);
    assert_served(&app, &with_key(&app, PING).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handshake_that_does_not_go_on_ends_by_its_deadline() {
    let (authority, folder) = (Authority::new(), tempfile::tempdir().unwrap());
    let files = authority.issue().write(folder.path(), "server");
    let app = builder()
        .variable("LOCUM__SERVER__TLS", &section(&files))
        .start()
        .await;
    let request = with_key(&app, PING).await;
    let mut wires = connections(&app).await;
    for wire in wires.iter_mut().step_by(2) {
        // The beginning of a ClientHello.
        wire.send(&[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await;
    }
    let stream = authority.connect(&app.url(), &[]).await;
    assert_eq!(Wire::over(stream).exchange(&request).await.status, 200);
    for wire in &mut wires {
        assert!(wire.closes_within(SOON).await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kept_connection_lives_for_idle_timeout_and_not_for_ever() {
    let idle = ("LOCUM__LIMITS__IDLE_TIMEOUT", "2s");
    let app = builder().variable(idle.0, idle.1).start().await;
    let request = with_key(&app, PING).await;
    let mut wire = Wire::connect(&app.url()).await;
    for _ in 0..3 {
        assert_eq!(wire.exchange(&request).await.status, 200);
        // Longer than head_timeout.
        tokio::time::sleep(Duration::from_millis(1_300)).await;
    }
    assert!(wire.closes_within(SOON).await);
}
