//! Connections as they come in, and the end of the listener without losing one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use socket2::{SockFilter, SockRef};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::places::Place;
use super::{Shared, connection};

/// After a failed accept (no file descriptor left, say) the next one waits this long.
const PAUSE: Duration = Duration::from_millis(500);
/// Handshakes under way at the stop have this long to complete: a round trip.
const HANDSHAKES: Duration = Duration::from_millis(300);
/// At most one line about refused peers in this time.
const REPEAT: Duration = Duration::from_secs(60);

/// Serves connections until `stop` turns true.
pub(super) async fn until_stopped(
    listener: &TcpListener,
    shared: &Arc<Shared>,
    mut stop: watch::Receiver<bool>,
) {
    let mut strangers = Strangers::default();
    loop {
        let (stream, peer, place) = tokio::select! {
            connection = next(listener, shared) => connection,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        if shared.settings.admits(peer.ip()) {
            start(stream, peer, place, shared);
        } else {
            strangers.refused(peer);
        }
    }
}

/// Serves what has connected or is about to, and nothing after that: a client either gets an
/// answer, or its attempt to connect fails before it could send a request.
pub(super) async fn the_rest(listener: TcpListener, shared: &Arc<Shared>) {
    if let Err(error) = refuse_handshakes(&listener) {
        tracing::debug!(%error, "new handshakes are accepted until the listener is closed");
    }
    let end = Instant::now() + HANDSHAKES;
    while let Ok(accepted) = tokio::time::timeout_at(end, listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => start_last(stream, peer, shared),
            Err(_) => break,
        }
    }
    // What the runtime has not heard of yet is asked of the system itself.
    let Ok(listener) = listener.into_std() else {
        return;
    };
    while let Ok((stream, peer)) = listener.accept() {
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(stream));
        if let Ok(stream) = stream {
            start_last(stream, peer, shared);
        }
    }
}

fn start(stream: TcpStream, peer: SocketAddr, place: Place, shared: &Arc<Shared>) {
    let held = shared.settings.open.hold();
    let connection = connection::serve(stream, peer, place, shared.clone());
    tokio::spawn(async move {
        connection.await;
        drop(held);
    });
}

fn start_last(stream: TcpStream, peer: SocketAddr, shared: &Arc<Shared>) {
    if shared.settings.admits(peer.ip()) {
        start(stream, peer, shared.places.take_any(), shared);
    }
}

/// The kernel drops every SYN for this socket: a handshake that has begun completes, a new one
/// does not begin. Its client tries again and finds the listener closed.
fn refuse_handshakes(listener: &TcpListener) -> std::io::Result<()> {
    // Classic BPF over the TCP header (linux/filter.h, RFC 9293 section 3.1): flags are byte 13.
    const LOAD_BYTE: u16 = 0x30;
    const AND: u16 = 0x54;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const SYN: u32 = 0x02;
    const SYN_OR_ACK: u32 = 0x12;
    SockRef::from(listener).attach_filter(&[
        SockFilter::new(LOAD_BYTE, 0, 0, 13),
        SockFilter::new(AND, 0, 0, SYN_OR_ACK),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, SYN),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ])
}

/// The next connection, once there is a place for it.
async fn next(listener: &TcpListener, shared: &Arc<Shared>) -> (TcpStream, SocketAddr, Place) {
    let place = shared.places.take().await;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer, place),
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// Peers that are no trusted proxy: each connection is closed, and some are logged.
#[derive(Default)]
struct Strangers {
    logged: Option<Instant>,
    since: u64,
}

impl Strangers {
    fn refused(&mut self, peer: SocketAddr) {
        self.since += 1;
        if self.logged.is_some_and(|logged| logged.elapsed() < REPEAT) {
            return;
        }
        tracing::warn!(
            peer = %peer.ip(), connections = self.since,
            "closed: not from a proxy in server.trusted_proxies, and the listener has no TLS"
        );
        self.logged = Some(Instant::now());
        self.since = 0;
    }
}
