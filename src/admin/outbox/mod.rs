//! The outbox of reminders: planned, sent at least once, listed, tried again, forgotten.
//!
//! ```text
//! plan    findings → subjects → rows (domain::reminder), one transaction
//! send    pending rows, by channel and batch → one message a batch → sent, or later, or dead
//! list    what was and will be sent; a dead one is tried again
//! forget  old rows of what is over
//! ```

mod forget;
mod list;
mod plan;
mod send;

use super::due::Found;
use super::{Admin, AdminError};
use crate::domain::reminder::ReminderPolicy;
use crate::notify::Notifier;

pub use list::{OutboxCounts, ReminderSummary};
pub use plan::{Planned, Seen};
pub use send::{ChannelTest, Sending, Sendings};

/// When reminders are due, and by which channels they go.
#[derive(Default)]
pub struct Reminders {
    pub policy: ReminderPolicy,
    pub notifier: Notifier,
}

impl Admin {
    /// What somebody is reminded of: in organizations that are served.
    async fn reminded(&self) -> Result<Vec<Found>, AdminError> {
        let mut found = self.findings().await?;
        found.retain(|found| found.served && found.schedule.is_some());
        Ok(found)
    }
}

/// `BATCH.NUMBER` without the number.
fn batch(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}
