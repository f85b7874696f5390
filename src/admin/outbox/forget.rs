//! Forgets old rows of the outbox.
//!
//! A row is also the memory that keeps a reminder from being sent twice: as long as its subject may
//! be spoken of again, it stays, however old. A credential version that was revoked or cancelled, and a
//! key or token that was revoked are never spoken of again, and none of them comes back.

use jiff::SignedDuration;

use crate::admin::{Admin, AdminError};
use crate::domain::actor::Right;

/// More than a year: what was sent before the last rotation can be looked up.
const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

impl Admin {
    /// Removes old rows of what is over. Answers how many they were.
    pub async fn forget_reminders(&self) -> Result<u64, AdminError> {
        self.require(Right::Own)?;
        let Ok(before) = self.now().checked_sub(KEPT) else {
            return Ok(0);
        };
        let mut write = self.store.write().await?;
        let removed = write.forget_settled_reminders(before).await?;
        write.commit_unnoticed().await?;
        Ok(removed)
    }
}
