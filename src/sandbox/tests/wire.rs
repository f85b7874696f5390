//! What only a socket shows: resets, truncation, and the end of the server.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::Upstream;
use crate::sandbox::{Fault, FaultRule, serve};

struct Served {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn served(upstream: &Upstream, fault: Fault) -> Served {
    upstream.sandbox.add_fault(FaultRule::every(fault));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let task = tokio::spawn(serve(listener, upstream.sandbox.clone(), stopped));
    Served {
        address,
        stop,
        task,
    }
}

/// Everything up to the end of the connection, and how it ended.
async fn exchange(address: SocketAddr) -> (Vec<u8>, Option<ErrorKind>) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream
        .write_all(b"GET /dr/v1/doctor/D1001 HTTP/1.1\r\nhost: x\r\n\r\n")
        .await
        .unwrap();
    let mut bytes = Vec::new();
    let end = stream.read_to_end(&mut bytes).await;
    (bytes, end.err().map(|error| error.kind()))
}

#[tokio::test]
async fn a_reset_comes_before_any_byte() {
    let upstream = Upstream::new();
    let served = served(&upstream, Fault::Reset { after_bytes: 0 }).await;
    assert_eq!(
        exchange(served.address).await,
        (Vec::new(), Some(ErrorKind::ConnectionReset))
    );
}

#[tokio::test]
async fn a_reset_comes_in_the_middle_of_a_body() {
    let upstream = Upstream::new();
    let served = served(&upstream, Fault::Reset { after_bytes: 100 }).await;
    let (bytes, end) = exchange(served.address).await;
    assert!(bytes.starts_with(b"HTTP/1.1 200") && bytes.ends_with(&[b'['; 100]));
    assert_eq!(end, Some(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_truncated_body_ends_in_order() {
    let upstream = Upstream::new();
    let served = served(&upstream, Fault::Truncated {}).await;
    let (bytes, end) = exchange(served.address).await;
    assert!(
        bytes.len() > 60_000 && bytes.len() < 70_000,
        "{}",
        bytes.len()
    );
    assert_eq!(end, None);
}

#[tokio::test]
async fn stopping_does_not_wait_for_a_hanging_request() {
    let upstream = Upstream::new();
    let served = served(&upstream, Fault::Hang {}).await;
    let waiting = tokio::spawn(exchange(served.address));
    while upstream.sandbox.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    served.stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), served.task).await;
    ended.unwrap().unwrap().unwrap();
    waiting.abort();
}
