//! What takes more peers or fewer places than the whole gateway has in a test.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

fn settings(max_connections: usize, peers: Option<&str>) -> ServerSettings {
    let minute = Duration::from_secs(60);
    ServerSettings {
        max_connections,
        times: Live::new(Times {
            head_timeout: minute,
            write_timeout: minute,
            idle_timeout: minute,
            grace: minute,
        }),
        peers: peers.map(|list| {
            let text = format!("v = {list}");
            let mut table: std::collections::BTreeMap<String, Networks> =
                toml::from_str(&text).unwrap();
            table.remove("v").unwrap()
        }),
        open: Gauge::default(),
    }
}

#[test]
fn only_proxies_and_loopback_are_admitted_where_there_are_proxies() {
    let behind = settings(1, Some("[\"10.0.0.0/8\"]"));
    let admitted = |settings: &ServerSettings, peer: &str| settings.admits(peer.parse().unwrap());
    for peer in ["10.1.2.3", "::ffff:10.1.2.3", "127.0.0.9", "::1"] {
        assert!(admitted(&behind, peer), "{peer}");
    }
    for peer in ["192.0.2.1", "::ffff:192.0.2.1", "11.0.0.1", "fd00::1"] {
        assert!(!admitted(&behind, peer), "{peer}");
        assert!(admitted(&settings(1, None), peer), "{peer}");
    }
}

async fn exchange(stream: &mut TcpStream) -> std::io::Result<usize> {
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        .await?;
    stream.read(&mut [0; 1024]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_give_their_places_up_when_these_are_scarce() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let router = Router::new().route("/", get(async || "served"));
    let (stop, signal) = watch::channel(false);
    let server = tokio::spawn(serve(
        listener,
        router.into(),
        None,
        settings(16, None),
        signal,
    ));
    let mut idle = Vec::new();
    for _ in 0..16 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        assert!(exchange(&mut stream).await.unwrap() > 0);
        idle.push(stream);
    }
    let mut late = TcpStream::connect(address).await.unwrap();
    let served = tokio::time::timeout(Duration::from_secs(20), exchange(&mut late)).await;
    assert!(served.expect("a place, long before idle_timeout").unwrap() > 0);
    drop((idle, late));
    stop.send_replace(true);
    server.await.unwrap();
}
