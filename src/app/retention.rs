//! Removes what is old: audit records after `audit.retention`, and the outbox's rows of what is over.
//! When the server starts, and every hour.

use std::time::Duration;

use tokio::sync::watch;

use crate::admin::Admin;

const PERIOD: Duration = Duration::from_secs(3600);

/// Looks for what is old until `stop` turns true.
pub(super) async fn keep(admin: Admin, retention: Duration, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = look(&admin, retention) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

async fn look(admin: &Admin, retention: Duration) {
    match admin.audit_retain(retention).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "old audit records removed"),
        Err(error) => tracing::error!(%error, "old audit records could not be removed"),
    }
    match admin.forget_reminders().await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "old reminders removed"),
        Err(error) => tracing::error!(%error, "old reminders could not be removed"),
    }
}
