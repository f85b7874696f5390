//! Verifying the log: every record against the one before it, from the anchor to the end, and
//! against what a checkpoint saw. Reads one moment of the log, a page at a time.

use serde::Serialize;

use super::{Audit, AuditError, BEGINNING, Checkpoint, Damage, DamageKind};
use crate::domain::audit::mac_text;
use crate::store::{AuditReader, ChainPlace, LogCursor, Store, StoreError};

/// What verifying came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verification {
    pub ok: bool,
    /// Records that follow one another as they were written, from the first on.
    pub records: u64,
    pub first: Option<i64>,
    pub last: Option<i64>,
    /// The last record that retention removed.
    pub removed_to: Option<i64>,
    /// The first place that is not as it was written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damage: Option<Damage>,
    /// The same in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<CheckpointVerdict>,
}

/// What a checkpoint says of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckpointVerdict {
    /// Up to the record that it saw, what there is was so then.
    Agrees,
    /// Retention removed what it saw, up to the very record; the anchor is over that one. What the
    /// removed records said, nobody can tell any more.
    Anchor,
    Disagrees,
    /// Retention removed what it saw: it says nothing any more.
    Older,
    /// The log is broken before the place that it saw.
    Unreached,
}

/// A walk along the chain.
struct Walk<'a> {
    place: ChainPlace,
    first: Option<i64>,
    records: u64,
    checkpoint: Option<&'a Checkpoint>,
    verdict: Option<CheckpointVerdict>,
}

impl Audit {
    /// Follows the chain to its end, or to the first record that does not follow. A checkpoint that
    /// is not this log's is refused.
    pub async fn verify(
        &self,
        store: &Store,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Verification, AuditError> {
        checkpoint.map_or(Ok(()), |found| self.accept(found))?;
        let mut reader = store.audit_reader().await?;
        let anchor = reader.anchor().await?;
        let start = anchor.as_ref().map_or(BEGINNING, |anchor| anchor.place);
        let mut walk = Walk::begin(start, checkpoint);
        let damage = self.damage_of_anchor(anchor.as_ref());
        let damage = match damage.or_else(|| walk.meet_anchor(anchor.is_some())) {
            None => self.walk(&mut reader, &mut walk).await?,
            damage => damage,
        };
        Ok(walk.end(start.seq, damage))
    }

    async fn walk(
        &self,
        reader: &mut AuditReader,
        walk: &mut Walk<'_>,
    ) -> Result<Option<Damage>, StoreError> {
        // From the very first row: one before the anchor is one too many.
        let (mut place, mut cursor) = (walk.place, LogCursor::default());
        while let Some(row) = reader.next_row(&mut cursor).await? {
            let told = |place| {
                walk.step(place);
                walk.meet(place)
            };
            let damage = self.follow_row(reader, &mut place, &row, told).await?;
            if damage.is_some() {
                return Ok(damage);
            }
        }
        Ok(None)
    }
}

impl<'a> Walk<'a> {
    fn begin(start: ChainPlace, checkpoint: Option<&'a Checkpoint>) -> Self {
        Self {
            place: start,
            first: None,
            records: 0,
            checkpoint,
            verdict: checkpoint.map(|checkpoint| match checkpoint.seq < start.seq {
                true => CheckpointVerdict::Older,
                false => CheckpointVerdict::Unreached,
            }),
        }
    }

    fn step(&mut self, place: ChainPlace) {
        self.place = place;
        self.first = self.first.or(Some(place.seq));
        self.records += 1;
    }

    /// The same for the place at which the walk begins.
    fn meet_anchor(&mut self, is_there: bool) -> Option<Damage> {
        let damage = self.meet(self.place);
        if is_there && self.verdict == Some(CheckpointVerdict::Agrees) {
            self.verdict = Some(CheckpointVerdict::Anchor);
        }
        damage
    }

    /// Compares a place with the one that the checkpoint saw.
    fn meet(&mut self, place: ChainPlace) -> Option<Damage> {
        let seen = self.checkpoint.filter(|seen| seen.seq == place.seq)?;
        if seen.mac == mac_text(&place.mac) {
            self.verdict = Some(CheckpointVerdict::Agrees);
            return None;
        }
        self.verdict = Some(CheckpointVerdict::Disagrees);
        Some(DamageKind::Rewritten.at(place.seq))
    }

    fn end(mut self, removed_to: i64, damage: Option<Damage>) -> Verification {
        let last = self.place.seq;
        let cut = self.checkpoint.filter(|seen| seen.seq > last);
        let damage = damage.or_else(|| {
            let to = cut?.seq;
            self.verdict = Some(CheckpointVerdict::Disagrees);
            Some(DamageKind::Cut { to }.at(last.saturating_add(1)))
        });
        Verification {
            ok: damage.is_none(),
            records: self.records,
            first: self.first,
            last: self.first.map(|_| last),
            removed_to: (removed_to > 0).then_some(removed_to),
            message: damage.as_ref().map(ToString::to_string),
            damage,
            checkpoint: self.verdict,
        }
    }
}
