//! Writes down what tenants used and how their credentials do: every five seconds, where that takes
//! long less often, and when the gateway stops. A crash loses no more than that from the day's count.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::complaint::Complaint;
use crate::gateway::Gateway;
use crate::store::StoreError;

const PERIOD: Duration = Duration::from_secs(5);
/// Of thousands of tenants writing takes long: it has a hundredth of the time.
const SHARE: u32 = 100;
const LONGEST_PERIOD: Duration = Duration::from_secs(30);
/// Between two signs that the server runs.
const BEAT: Duration = Duration::from_secs(30);

/// Writes until `stop` turns true.
pub(super) async fn keep(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    if let Err(error) = gateway.begin_health().await {
        tracing::error!(%error, "`locum status` cannot be told that the server runs");
    }
    let mut beaten = Instant::now();
    let (mut period, mut complaint) = (PERIOD, Complaint::default());
    loop {
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let begun = Instant::now();
        // After a failure there has to be something to write, or nobody knows when it works again.
        let beat = gateway.is_unwritable() || beaten.elapsed() >= BEAT;
        let saved = save(&gateway, beat).await;
        gateway.note_writes(saved.is_ok());
        match saved {
            Ok(()) => {
                complaint.end();
                period = (begun.elapsed() * SHARE).clamp(PERIOD, LONGEST_PERIOD);
                beaten = if beat { begun } else { beaten };
            }
            Err(error) => {
                period = PERIOD;
                if complaint.is_due(begun) {
                    tracing::error!(%error, "usage cannot be written; it is kept in memory");
                }
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

/// What was used since it was last written, for the last time.
pub(super) async fn save_usage(gateway: &Gateway) {
    if let Err(error) = gateway.save_usage().await {
        tracing::error!(%error, "the last usage could not be written; it is lost");
    }
}

/// Writes what is left, when the last call has ended.
pub(super) async fn close(gateway: &Gateway) {
    save_usage(gateway).await;
    let health = async {
        gateway.save_health().await?;
        gateway.end_health().await
    };
    if let Err(error) = health.await {
        tracing::warn!(%error, "`locum status` could not be told that the server stopped");
    }
}
