//! Retention: records that are old enough go, the rest stays verifiable. What the first kept record
//! follows is sealed and kept in their place.
//!
//! The anchor vouches for what is gone, so it is sealed over nothing that was not followed to, link by
//! link; and how old a record is, it says itself.

use jiff::{SignedDuration, Timestamp};

use super::{Audit, AuditError, BEGINNING};
use crate::domain::audit::AuditEvent;
use crate::store::{ChainPlace, LogCursor, LogRow, Store, StoredAnchor};

/// Records that are followed before some are removed: a change of the anchor is short, and memory
/// small.
const AT_ONCE: u64 = 10_000;

/// Which records are old.
#[derive(Debug, Clone, Copy)]
pub struct Old {
    /// Those written before this.
    pub before: Timestamp,
    /// How much older than that the first of them may be; `None`: any.
    pub span: Option<SignedDuration>,
}

/// The oldest records.
struct Oldest {
    anchor: Option<StoredAnchor>,
    end: ChainPlace,
    records: u64,
}

impl Audit {
    /// Removes some of the oldest records, all written before a time, and records that. Answers
    /// how many they were: none, when there are no more.
    pub async fn forget(
        &self,
        store: &Store,
        old: Old,
        event: AuditEvent,
    ) -> Result<u64, AuditError> {
        let oldest = self.oldest(store, old).await?;
        if oldest.records == 0 {
            return Ok(0);
        }
        let mut write = store.write().await?;
        if write.audit_anchor().await? != oldest.anchor {
            // Another process removes them.
            return Ok(0);
        }
        let place = oldest.end;
        let seal = self.key.seal_anchor(place.seq, &place.mac).to_vec();
        let event = event.on(format!("up to {}", place.seq));
        // While there still is a record to follow.
        self.append(&mut write, event).await?;
        let anchor = StoredAnchor { place, seal };
        write.remove_audit_records(&anchor).await?;
        write.commit_unnoticed().await?;
        Ok(oldest.records)
    }

    /// Follows the chain along the records that are old.
    async fn oldest(&self, store: &Store, old: Old) -> Result<Oldest, AuditError> {
        let mut reader = store.audit_reader().await?;
        let anchor = reader.anchor().await?;
        if let Some(damage) = self.damage_of_anchor(anchor.as_ref()) {
            return Err(AuditError::Damaged(damage));
        }
        let mut place = anchor.as_ref().map_or(BEGINNING, |anchor| anchor.place);
        let (mut end, mut records, mut cursor) = (place, 0, LogCursor::default());
        while let Some(row) = reader.next_row(&mut cursor).await? {
            let damage = self.follow_row(&mut reader, &mut place, &row, |_| None);
            if let Some(damage) = damage.await? {
                return Err(AuditError::Damaged(damage));
            }
            if records == 0 {
                old.allows(&row)?;
            }
            if !old.is(&row) || records >= AT_ONCE {
                break;
            }
            end = place;
            records += row.records().len() as u64;
        }
        Ok(Oldest {
            anchor,
            end,
            records,
        })
    }
}

impl Old {
    fn is(&self, row: &LogRow) -> bool {
        let before = self.before.as_millisecond();
        row.records().iter().all(|record| record.at < before)
    }

    /// Refuses to remove the first row there is, where it is too old to be so by the course of time.
    fn allows(&self, first: &LogRow) -> Result<(), AuditError> {
        let oldest = first.records().iter().map(|record| record.at).min();
        let oldest = oldest.and_then(|at| Timestamp::from_millisecond(at).ok());
        let (Some(oldest), Some(span)) = (oldest, self.span) else {
            return Ok(());
        };
        match self.before.duration_since(oldest) > span {
            true => Err(AuditError::MuchIsOld { oldest }),
            false => Ok(()),
        }
    }
}
