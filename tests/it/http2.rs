//! HTTP/2 clients that abuse it.

use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::TestApp;
use crate::support::wire::{self, Draft};

const PING: &str = r#"{"jsonrpc":"2.0","id":7,"method":"ping"}"#;

async fn connect(app: &TestApp) -> (SendRequest<Bytes>, JoinHandle<Result<(), h2::Error>>) {
    let address = app.url().trim_start_matches("http://").to_owned();
    let stream = TcpStream::connect(address).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn request(app: &TestApp, key: &str) -> Request<()> {
    Request::post(format!("{}/mcp", app.url()))
        .header("authorization", format!("Bearer {key}"))
        .header("content-type", "application/json")
        .body(())
        .unwrap()
}

async fn assert_served(app: &TestApp, key: &str) {
    let draft = Draft::post("/mcp", PING).with(format!("Authorization: Bearer {key}"));
    let answer = wire::exchange(&app.url(), &draft.bytes()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_requests_back_all_the_time_loses_the_connection() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let (mut sender, connection) = connect(&app).await;
    let flood = async {
        loop {
            sender = match sender.ready().await {
                Ok(ready) => ready,
                Err(_) => return,
            };
            let Ok((response, mut body)) = sender.send_request(request(&app, &key), false) else {
                return;
            };
            // Taken up by the gateway, then taken back.
            tokio::time::sleep(Duration::from_millis(1)).await;
            body.send_reset(h2::Reason::CANCEL);
            drop(response);
        }
    };
    timeout(Duration::from_secs(30), flood)
        .await
        .expect("the end of the flood");
    connection.abort();
    assert_served(&app, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_resets_is_ended_by_the_protocol() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let (mut sender, connection) = connect(&app).await;
    let flood = async {
        loop {
            sender = match sender.ready().await {
                Ok(ready) => ready,
                Err(_) => return,
            };
            let Ok((response, mut body)) = sender.send_request(request(&app, &key), false) else {
                return;
            };
            body.send_reset(h2::Reason::CANCEL);
            drop(response);
        }
    };
    timeout(Duration::from_secs(30), flood)
        .await
        .expect("the end of the flood");
    connection.abort();
    assert_served(&app, &key).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_headers_have_bounds() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let (sender, connection) = connect(&app).await;
    let mut sender = sender.ready().await.unwrap();
    let mut long = request(&app, &key);
    let value = "x".repeat(40_000);
    long.headers_mut().insert("x-long", value.parse().unwrap());
    let (response, _) = sender.send_request(long, true).unwrap();
    let status = response.await.map(|response| response.status().as_u16());
    assert!(matches!(status, Ok(431) | Err(_)), "{status:?}");
    assert!(sender.current_max_send_streams() <= 100);
    connection.abort();
    let heads = format!("X-Long: {value}");
    let draft = Draft::post("/mcp", PING).with(heads);
    let answer = wire::exchange(&app.url(), &draft.bytes()).await;
    assert_eq!(answer.status, 431, "{answer:?}");
}
