//! Notices what a command changed in the database: polls the revision counter, twice a second.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::Gateway;

const PERIOD: Duration = Duration::from_millis(500);
/// A lasting failure is logged at its beginning and then once a minute.
const REPEAT: u32 = 120;

/// Keeps the gateway's directory up to date until `stop` turns true.
pub(super) async fn watch(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let mut failures: u32 = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match gateway.refresh().await {
            Ok(()) => failures = 0,
            Err(error) => {
                if failures.is_multiple_of(REPEAT) {
                    tracing::error!(%error, "the database cannot be read; the last state is served");
                }
                failures = failures.wrapping_add(1);
            }
        }
    }
}
