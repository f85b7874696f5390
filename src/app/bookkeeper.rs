//! Writes down what tenants used: every five seconds, and when the gateway stops. A crash loses no
//! more than that from the day's count.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::Gateway;

const PERIOD: Duration = Duration::from_secs(5);
/// A lasting failure is logged at its beginning and then once a minute.
const REPEAT: u32 = 12;

/// Writes until `stop` turns true.
pub(super) async fn keep(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let mut failures: u32 = 0;
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        match gateway.save_usage().await {
            Ok(()) => failures = 0,
            Err(error) => {
                if failures.is_multiple_of(REPEAT) {
                    tracing::error!(%error, "usage cannot be written; it is kept in memory");
                }
                failures = failures.wrapping_add(1);
            }
        }
    }
}

/// Writes what is left, when the last call has ended.
pub(super) async fn close(gateway: &Gateway) {
    if let Err(error) = gateway.save_usage().await {
        tracing::error!(%error, "the last usage could not be written; it is lost");
    }
}
