//! Removes audit records that are older than `audit.retention`: when the server starts, and every
//! hour.

use std::time::Duration;

use tokio::sync::watch;

use crate::admin::Admin;

const PERIOD: Duration = Duration::from_secs(3600);

/// Looks for old records until `stop` turns true.
pub(super) async fn keep(admin: Admin, retention: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            removed = admin.audit_retain(retention) => match removed {
                Ok(0) => {}
                Ok(removed) => tracing::info!(removed, "old audit records removed"),
                Err(error) => tracing::error!(%error, "old audit records could not be removed"),
            },
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}
