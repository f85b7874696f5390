//! What is wrong with a log, as far as can be told: a record that does not follow the one before
//! it is looked at together with those after it.

use std::fmt;

use serde::Serialize;

use super::Audit;
use crate::domain::audit::{ChainMac, StoredRecord, canonical};
use crate::store::ChainPlace;

/// So many records from a broken one on are looked at to find out what happened.
pub(super) const LOOKED_AT: usize = 1_000;

/// The first place at which a log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Damage {
    pub seq: i64,
    #[serde(flatten)]
    pub kind: DamageKind,
}

/// What was done there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum DamageKind {
    /// The record says something else than when it was written.
    Changed,
    /// Records from here up to this one are gone.
    Removed { to: i64 },
    /// The record was never written here.
    Inserted,
    /// What was written here stands at another place.
    Reordered { at: i64 },
    /// The row that has the records from here up to this one says something else about them than
    /// they do.
    Mislabelled { to: i64 },
    /// What vouches for the records that retention removed is not what was written.
    Anchor,
    /// A checkpoint knows of another record here.
    Rewritten,
    /// A checkpoint knows of records up to this one, which are gone.
    Cut { to: i64 },
}

impl DamageKind {
    pub(super) fn at(self, seq: i64) -> Damage {
        Damage { seq, kind: self }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seq = self.seq;
        match self.kind {
            DamageKind::Changed => write!(f, "record {seq} was changed"),
            DamageKind::Removed { to } if to == seq => write!(f, "record {seq} was removed"),
            DamageKind::Removed { to } => write!(f, "records {seq} to {to} were removed"),
            DamageKind::Inserted => write!(f, "record {seq} was inserted: it was never written"),
            DamageKind::Reordered { at } => write!(
                f,
                "records were reordered: what was written as {seq} stands at {at}"
            ),
            DamageKind::Mislabelled { to } => write!(
                f,
                "what stands beside the records {seq} to {to} of calls was changed: it says other \
                 numbers, times or organizations than they do, so that readers pass over them"
            ),
            DamageKind::Anchor => write!(
                f,
                "the anchor, which vouches for the records up to {seq} that retention removed, was \
                 changed"
            ),
            DamageKind::Rewritten => write!(
                f,
                "record {seq} is not the one that the checkpoint saw: somebody with the key wrote \
                 the log anew"
            ),
            DamageKind::Cut { to } if to == seq => {
                write!(f, "the end is cut off: the checkpoint saw record {seq}")
            }
            DamageKind::Cut { to } => write!(
                f,
                "the end is cut off: the checkpoint saw records {seq} to {to}"
            ),
        }
    }
}

impl Audit {
    /// The mac of a record that was written at `seq`, after the one with the mac `before`.
    pub(super) fn mac_at(&self, before: &ChainMac, seq: i64, record: &StoredRecord) -> ChainMac {
        self.key.link(before, &canonical::bytes(seq, record))
    }

    /// Whether a record was written at `seq`, after the one with the mac `before`.
    fn fits(&self, before: &[u8], seq: i64, record: &StoredRecord) -> bool {
        let before = ChainMac::try_from(before);
        before.is_ok_and(|before| *record.mac == self.mac_at(&before, seq, record))
    }

    /// What happened after `before`: `rows` begin with a record that does not follow it.
    pub(super) fn damage(&self, before: &ChainPlace, rows: &[StoredRecord]) -> Damage {
        let seq = before.seq.saturating_add(1);
        let kind = match rows.split_first() {
            None => DamageKind::Changed,
            Some((first, _)) if first.seq < seq => DamageKind::Inserted,
            Some((first, rest)) => self.kind(seq, &before.mac, first, rest),
        };
        // One that is before the anchor is where it stands.
        let seq = rows.first().map_or(seq, |first| seq.min(first.seq));
        Damage { seq, kind }
    }

    fn kind(
        &self,
        seq: i64,
        before: &ChainMac,
        first: &StoredRecord,
        rest: &[StoredRecord],
    ) -> DamageKind {
        let rows = || std::iter::once(first).chain(rest);
        if let Some(belongs) = rows().find(|row| self.fits(before, seq, row)) {
            // An inserted record fits nowhere; one that was moved follows its former neighbour.
            let is_neighbour = |row: &StoredRecord| {
                let written_at = if row.seq == belongs.seq { seq } else { row.seq };
                self.fits(&row.mac, written_at.saturating_add(1), first)
            };
            return match first.seq == seq && !rest.iter().any(is_neighbour) {
                true => DamageKind::Inserted,
                false => DamageKind::Reordered { at: belongs.seq },
            };
        }
        match rest.first() {
            _ if first.seq > seq => DamageKind::Removed { to: first.seq - 1 },
            None => DamageKind::Changed,
            Some(second) => self.kind_of_one(seq, before, first, second),
        }
    }

    /// What was written at `seq` is nowhere: it was changed, or it is gone and the rest moved up.
    fn kind_of_one(
        &self,
        seq: i64,
        before: &ChainMac,
        first: &StoredRecord,
        second: &StoredRecord,
    ) -> DamageKind {
        let computed = self.mac_at(before, seq, first);
        if self.fits(&first.mac, second.seq, second) || self.fits(&computed, second.seq, second) {
            return DamageKind::Changed;
        }
        let gone = (1_i64..=LOOKED_AT as i64)
            .find(|gone| self.fits(&first.mac, second.seq.saturating_add(*gone), second));
        gone.map_or(DamageKind::Changed, |gone| DamageKind::Removed {
            to: seq + gone - 1,
        })
    }
}
