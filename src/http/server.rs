//! Serves routes on a socket until told to stop, and drops no request on the way out.
//!
//! What a stranger may hold without a key is bounded: the number of connections (`places`), and
//! how long each may take for anything (`activity`). When places get scarce, connections that
//! wait for nothing give theirs up sooner.
//!
//! The stop: handshakes that have begun are accepted, later ones are not answered; the backlog is
//! emptied; then the listener closes. A kept HTTP/1 connection is not cut: its next answer says
//! `Connection: close`, and it closes when no request came for a while. HTTP/2 is told with GOAWAY.

mod accept;
mod activity;
mod body;
mod connection;
mod io;
mod places;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::Instant;

use super::router::Routes;
use super::tls::Tls;
use crate::domain::live::Live;
use crate::domain::meter::Gauge;
use crate::domain::network::Networks;
use places::Places;

const A_LITTLE: Duration = Duration::from_secs(1);

/// The address that a connection came from, for the handlers of its requests.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// How connections are served.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// More wait until one of these ends.
    pub max_connections: usize,
    /// For connections that begin from now on.
    pub times: Live<Times>,
    /// If set, others than these and loopback are not answered.
    pub peers: Option<Networks>,
    /// Counts the connections that are open.
    pub open: Gauge,
}

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// For a TLS handshake, and for the head of a request.
    pub head_timeout: Duration,
    /// A connection ends when its client takes nothing of an answer for this long.
    pub write_timeout: Duration,
    /// A connection that has served may be without a request for this long.
    pub idle_timeout: Duration,
    /// Requests in flight have this long to end once the server is told to stop.
    pub grace: Duration,
}

impl ServerSettings {
    /// Loopback is answered always: what it sends crosses no network.
    fn admits(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        let listed = |peers: &Networks| peers.contains(peer);
        peer.is_loopback() || self.peers.as_ref().is_none_or(listed)
    }
}

/// What all connections of a listener share.
struct Shared {
    routes: Routes,
    tls: Option<Arc<Tls>>,
    settings: ServerSettings,
    builder: connection::Builder,
    places: Arc<Places>,
}

/// What connections are told.
#[derive(Debug, Clone, Copy, Default)]
struct Mode {
    stopped: Option<Stop>,
    /// Places are scarce.
    pressed: bool,
}

/// When the server was told to stop, and when requests in flight are cut off.
#[derive(Debug, Clone, Copy)]
struct Stop {
    at: Instant,
    end: Instant,
}

/// Serves until `stop` turns true, and then until the last request has its answer, or the grace
/// period is over.
pub async fn serve(
    listener: TcpListener,
    routes: Routes,
    tls: Option<Arc<Tls>>,
    settings: ServerSettings,
    stop: watch::Receiver<bool>,
) {
    let (mode, _) = watch::channel(Mode::default());
    let mode = Arc::new(mode);
    let shared = Arc::new(Shared {
        routes,
        tls,
        builder: connection::builder(),
        places: Arc::new(Places::new(settings.max_connections, mode.clone())),
        settings,
    });
    accept::until_stopped(&listener, &shared, stop).await;
    let at = Instant::now();
    let end = at + shared.settings.times.now().grace;
    mode.send_modify(|mode| mode.stopped = Some(Stop { at, end }));
    accept::the_rest(listener, &shared).await;
    // Connections end themselves; a little after the end of the grace period all have.
    if tokio::time::timeout_at(end + A_LITTLE, mode.closed())
        .await
        .is_err()
    {
        tracing::warn!("connections were still open after the grace period");
    }
}

#[cfg(test)]
mod tests;
