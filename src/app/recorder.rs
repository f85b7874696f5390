//! Writes the records of calls to the audit log: a batch a second, sooner when many wait or when a
//! call waits for its record, and when the gateway stops. A crash loses one batch at most.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::complaint::Complaint;
use crate::gateway::Gateway;

const PERIOD: Duration = Duration::from_secs(1);
/// After a failure calls that wait for their records may ask again so soon.
const PAUSE: Duration = Duration::from_millis(100);

/// Writes until `stop` turns true.
pub(super) async fn keep(gateway: Arc<Gateway>, mut stop: watch::Receiver<bool>) {
    let mut complaint = Complaint::default();
    loop {
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            () = gateway.records_due() => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        let Err(error) = gateway.save_records().await else {
            complaint.end();
            continue;
        };
        if complaint.is_due(Instant::now()) {
            tracing::error!(
                %error,
                "calls cannot be recorded in the audit log; up to 10,000 are kept in memory"
            );
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Writes what is left, when the last call has ended.
pub(super) async fn close(gateway: &Gateway) {
    if let Err(error) = gateway.save_records().await {
        let lost = gateway.unsaved_records().await;
        tracing::error!(%error, lost, "the last calls could not be recorded in the audit log");
    }
}
