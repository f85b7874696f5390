//! Revokes retiring credential versions when their grace is over: at the start, then every second.

use std::time::Duration;

use tokio::sync::watch;

use crate::admin::{Admin, AdminError};

const PERIOD: Duration = Duration::from_secs(1);
/// A lasting failure is logged at its beginning and then once a minute.
const REPEAT: u32 = 60;

/// Revokes until `stop` turns true.
pub(super) async fn end(admin: Admin, mut stop: watch::Receiver<bool>) {
    let mut failures: u32 = 0;
    loop {
        match admin.end_graces().await {
            Ok(()) => failures = 0,
            Err(error) => {
                if failures.is_multiple_of(REPEAT) {
                    say(&error);
                }
                failures = failures.wrapping_add(1);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

fn say(error: &AdminError) {
    tracing::error!(%error, "a credential whose grace is over could not be revoked; it works still");
}
