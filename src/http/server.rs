//! Serves a router on a socket until told to stop, then lets requests in flight finish.

use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// Requests in flight have this long to finish once the server is told to stop.
const GRACE: Duration = Duration::from_secs(30);

/// Serves until `stop` turns true.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let mut signal = stop.clone();
    let server = axum::serve(ListenerExt::with_nodelay(listener), router)
        .with_graceful_shutdown(async move {
            let _ = signal.wait_for(|stop| *stop).await;
        })
        .into_future();
    let deadline = async move {
        let _ = stop.wait_for(|stop| *stop).await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        result = server => result,
        () = deadline => {
            tracing::warn!("requests were still in flight after the grace period");
            Ok(())
        }
    }
}

/// Answers leave at once instead of waiting to be coalesced (Nagle).
struct ListenerExt;

impl ListenerExt {
    fn with_nodelay(
        listener: TcpListener,
    ) -> impl axum::serve::Listener<Io = tokio::net::TcpStream, Addr = std::net::SocketAddr> {
        axum::serve::ListenerExt::tap_io(listener, |stream| {
            let _ = stream.set_nodelay(true);
        })
    }
}
