//! One connection from its handshake to its end.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::activity::{Activity, CUT_OFF, Verdict};
use super::body::Requests;
use super::io::Watched;
use super::places::Place;
use super::{Peer, Shared};
use crate::http::tls::Tls;

/// How long the timer of a connection sleeps that waits for nothing.
const LONG: Duration = Duration::from_secs(60 * 60);

pub(super) type Builder = auto::Builder<TokioExecutor>;

/// The head of a request, of HTTP/2 after decompression; of HTTP/1 also what is read ahead.
const MAX_HEAD: u32 = 32 * 1024;
const MAX_STREAMS: u32 = 100;
/// Streams that were reset before the gateway took them up (CVE-2023-44487).
const MAX_RESET_STREAMS: usize = 20;
/// Streams that the gateway resets because of what the client sent.
const MAX_BROKEN_STREAMS: usize = 100;
/// What one HTTP/2 stream may have written ahead of the socket.
const MAX_SEND_BUFFER: usize = 64 * 1024;
/// An HTTP/2 connection that is silent for this long is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Times are [`Activity`]'s, which knows more than hyper about what is awaited.
pub(super) fn builder() -> Builder {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD as usize);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(MAX_STREAMS)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_BROKEN_STREAMS)
        .max_header_list_size(MAX_HEAD)
        .max_send_buf_size(MAX_SEND_BUFFER);
    builder
}

pub(super) async fn serve(stream: TcpStream, peer: SocketAddr, place: Place, shared: Arc<Shared>) {
    // Answers leave at once instead of waiting to be coalesced (Nagle).
    let _ = stream.set_nodelay(true);
    let peer = Peer(peer.ip().to_canonical());
    let ended = match &shared.tls {
        None => drive(stream, peer, &shared).await,
        // Apart: a connection in clear would take its room, too.
        Some(tls) => Box::pin(encrypted(stream, tls, peer, &shared)).await,
    };
    match ended == CUT_OFF {
        true => tracing::warn!(peer = %peer.0, "a request in flight was cut off: {CUT_OFF}"),
        false => tracing::debug!(peer = %peer.0, reason = ended, "connection ended"),
    }
    drop(place);
}

async fn encrypted(stream: TcpStream, tls: &Tls, peer: Peer, shared: &Shared) -> String {
    let handshake = tls.acceptor().accept(stream);
    match tokio::time::timeout(shared.settings.times.now().head_timeout, handshake).await {
        Ok(Ok(stream)) => drive(stream, peer, shared).await,
        Ok(Err(error)) => format!("TLS handshake: {error}"),
        Err(_) => "TLS handshake: not in time".to_owned(),
    }
}

/// Serves requests until the client or the time ends it; answers why.
async fn drive<S>(stream: S, peer: Peer, shared: &Shared) -> String
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let times = *shared.settings.times.now();
    let activity = Arc::new(Activity::new(times));
    let mut mode = shared.places.mode();
    let requests = Requests {
        routes: shared.routes.clone(),
        peer,
        activity: activity.clone(),
        mode: mode.clone(),
    };
    let stream = TokioIo::new(Watched::new(stream, activity.clone()));
    let service = TowerToHyperService::new(requests);
    let mut connection = pin!(shared.builder.serve_connection(stream, service));
    let mut timer = pin!(tokio::time::sleep(times.head_timeout));
    // Once no further request is taken: when it is dropped.
    let mut end: Option<Instant> = None;
    loop {
        let told = *mode.borrow_and_update();
        let next = poll_fn(|cx| {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                return Poll::Ready(Some(result));
            }
            // Deadlines that moved away are found out when the timer rings.
            match activity.due(told, end) {
                Some((at, _)) if at < timer.deadline() => timer.as_mut().reset(at),
                _ => {}
            }
            timer.as_mut().poll(cx).map(|()| None)
        });
        let ended = tokio::select! {
            ended = next => ended,
            _ = mode.changed() => None,
        };
        match ended {
            Some(Ok(())) => return "closed".to_owned(),
            Some(Err(error)) => return error.to_string(),
            None => {}
        }
        let now = Instant::now();
        // Copied: who holds a borrow while another writer waits, and borrows again, waits for ever.
        let told = *mode.borrow();
        match activity.due(told, end) {
            Some((at, Verdict::Drop(reason))) if at <= now => return reason.to_owned(),
            Some((at, Verdict::Finish)) if at <= now => {
                connection.as_mut().graceful_shutdown();
                let stopped = told.stopped.map(|stopped| stopped.end);
                end = Some(stopped.unwrap_or(now + times.write_timeout));
            }
            _ => {}
        }
        let at = activity.due(told, end).map(|(at, _)| at);
        timer.as_mut().reset(at.unwrap_or(now + LONG).max(now));
    }
}
