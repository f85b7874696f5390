//! Writes down what tenants used and how their credentials do: every five seconds, and when the
//! gateway stops. A crash loses no more than that from the day's count.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::gateway::Gateway;
use crate::store::StoreError;

const PERIOD: Duration = Duration::from_secs(5);
/// A lasting failure is logged at its beginning and then once a minute.
const REPEAT: u32 = 12;
/// Periods between two signs that the server runs: 30 seconds.
const BEAT: u32 = 6;

/// Writes until `stop` turns true.
pub(super) async fn keep(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    if let Err(error) = gateway.begin_health().await {
        tracing::error!(%error, "`locum status` cannot be told that the server runs");
    }
    let (mut failures, mut periods): (u32, u32) = (0, 0);
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        periods = periods.wrapping_add(1);
        match save(&gateway, periods.is_multiple_of(BEAT)).await {
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

async fn save(gateway: &Gateway, beat: bool) -> Result<(), StoreError> {
    gateway.save_usage().await?;
    gateway.save_health().await?;
    if beat {
        gateway.beat().await?;
    }
    Ok(())
}

/// Writes what is left, when the last call has ended.
pub(super) async fn close(gateway: &Gateway) {
    if let Err(error) = gateway.save_usage().await {
        tracing::error!(%error, "the last usage could not be written; it is lost");
    }
    let health = async {
        gateway.save_health().await?;
        gateway.end_health().await
    };
    if let Err(error) = health.await {
        tracing::warn!(%error, "`locum status` could not be told that the server stopped");
    }
}
