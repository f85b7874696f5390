//! Removes what is old: audit records after `audit.retention`, and the outbox's rows of what is over;
//! when the server starts, and every hour. What a deletion left in the database's log goes within a
//! minute of the last one who reads it.

use std::time::Duration;

use tokio::sync::watch;

use crate::admin::Admin;

const PERIOD: Duration = Duration::from_secs(60);
/// Periods between two looks for what is old: an hour.
const LOOK: u32 = 60;

/// Looks for what is old until `stop` turns true.
pub(super) async fn keep(admin: Admin, retention: Duration, mut stop: watch::Receiver<bool>) {
    let mut periods: u32 = 0;
    loop {
        let round = async {
            admin.empty_log().await;
            if periods.is_multiple_of(LOOK) {
                look(&admin, retention).await;
            }
        };
        tokio::select! {
            () = round => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        periods = periods.wrapping_add(1);
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
