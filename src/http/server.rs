//! Serves a router on a socket until told to stop, then lets requests in flight finish.
//!
//! What a stranger may hold without a key is bounded: the number of connections, and the time that
//! a request's head may take, which is also the time that a connection may be idle.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::domain::meter::Gauge;

/// Requests in flight have this long to finish once the server is told to stop.
const GRACE: Duration = Duration::from_secs(30);
/// The head of a request has to arrive within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);
/// An HTTP/2 connection that is silent for this long is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);
const MAX_STREAMS: u32 = 100;
/// After a failed accept (no file descriptor left, say) the next one waits this long.
const ACCEPT_PAUSE: Duration = Duration::from_millis(500);

/// Serves until `stop` turns true, on at most `max_connections` at a time; `open` counts them.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    max_connections: usize,
    open: Gauge,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(max_connections));
    let builder = builder();
    let graceful = GracefulShutdown::new();
    loop {
        let (stream, place) = tokio::select! {
            connection = next(&listener, &places) => connection,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        let connection = graceful.watch(connection.into_owned());
        let held = open.hold();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "connection ended");
            }
            drop((place, held));
        });
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("connections were still open after the grace period");
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_EVERY)
        .max_concurrent_streams(MAX_STREAMS);
    builder
}

/// The next connection, once there is a place for it.
async fn next(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    if places.available_permits() == 0 {
        tracing::warn!("all connections are in use; new ones wait until one ends");
    }
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            // INVARIANT: the semaphore is never closed.
            std::future::pending().await
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                // Answers leave at once instead of waiting to be coalesced (Nagle).
                let _ = stream.set_nodelay(true);
                return (stream, place);
            }
            Err(error) => {
                tracing::warn!(%error, "no connection could be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
