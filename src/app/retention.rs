//! Removes what is old: audit records after `audit.retention`, and the outbox's rows of what is over;
//! when the server starts, and every hour. What a deletion left in the database's log goes within a
//! minute of the last one who reads it. An audit log that is broken, or of which much is old at once,
//! stays as it is, and a meter says so.

use std::time::Duration;

use tokio::sync::watch;

use crate::admin::Admin;
use crate::domain::meter::{Gauge, Meters};

const PERIOD: Duration = Duration::from_secs(60);
/// Periods between two looks for what is old: an hour.
const LOOK: u32 = 60;

/// Whether old records were kept, the last time that they were to go.
pub(super) fn gauge(meters: &Meters) -> Gauge {
    let help = "1 while audit records that are old stay, because the log is broken, much is old at \
                once, or the database takes no change";
    meters.gauge("locum_audit_retention_failed", help, &[])
}

/// Looks for what is old until `stop` turns true.
pub(super) async fn keep(
    (admin, failed): (Admin, Gauge),
    retention: Duration,
    mut stop: watch::Receiver<bool>,
) {
    let mut periods: u32 = 0;
    loop {
        let round = async {
            admin.empty_log().await;
            if periods.is_multiple_of(LOOK) {
                look(&admin, &failed, retention).await;
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

async fn look(admin: &Admin, failed: &Gauge, retention: Duration) {
    let removed = admin.audit_retain(retention).await;
    failed.set(i64::from(removed.is_err()));
    match removed {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "old audit records removed"),
        Err(error) => tracing::error!(
            alert = "audit_retention_failed",
            %error,
            "old audit records could not be removed"
        ),
    }
    match admin.forget_reminders().await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "old reminders removed"),
        Err(error) => tracing::error!(%error, "old reminders could not be removed"),
    }
}
