//! Notices what a command changed in the database: polls the revision counter, twice a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::Gateway;

const PERIOD: Duration = Duration::from_millis(500);

/// Keeps the gateway's directory up to date until `stop` turns true.
pub(super) async fn watch(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let mut failing = false;
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match gateway.refresh().await {
            Ok(()) => failing = false,
            Err(error) if !failing => {
                failing = true;
                tracing::error!(%error, "the database cannot be read; the last state is served");
            }
            Err(_) => {}
        }
    }
}
