//! Retention: records that are old enough go, the rest stays verifiable. What the first kept record
//! follows is sealed and kept in their place.

use jiff::Timestamp;

use super::Audit;
use crate::domain::audit::AuditEvent;
use crate::store::{Store, StoreError, StoredAnchor};

/// Rows that one transaction removes: others wait for it.
const AT_ONCE: i64 = 1_000;

impl Audit {
    /// Removes some of the oldest records, all written before a time, and records that. Answers
    /// how many they were: none, when there are no more.
    pub async fn forget(
        &self,
        store: &Store,
        before: Timestamp,
        event: AuditEvent,
    ) -> Result<u64, StoreError> {
        let oldest = store.oldest_audit_record().await?;
        if oldest.is_none_or(|oldest| oldest >= before) {
            return Ok(0);
        }
        let mut write = store.write().await?;
        let Some(place) = write.audit_end_of_old(before, AT_ONCE).await? else {
            return Ok(0);
        };
        let seal = self.key.seal_anchor(place.seq, &place.mac).to_vec();
        let event = event.on(format!("up to {}", place.seq));
        // While there still is a record to follow.
        self.append(&mut write, event).await?;
        let anchor = StoredAnchor { place, seal };
        let removed = write.remove_audit_records(&anchor).await?;
        write.commit_unnoticed().await?;
        Ok(removed)
    }
}
