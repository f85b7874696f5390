//! Verifying the log: every record against the one before it, from the anchor to the end, and
//! against what a checkpoint saw. Reads one moment of the log, a page at a time.

use serde::Serialize;

use super::damage::LOOKED_AT;
use super::{Audit, AuditError, BEGINNING, Checkpoint, Damage, DamageKind};
use crate::domain::audit::{StoredRecord, mac_text};
use crate::store::{AuditReader, ChainPlace, Store, StoreError, StoredAnchor};

const PAGE: usize = 2_000;

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
    /// The log was as it is now.
    Agrees,
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
        let damage = match anchor.filter(|anchor| !self.vouches(anchor)) {
            Some(_) => Some(DamageKind::Anchor.at(start.seq)),
            None => match walk.meet(start) {
                None => self.walk(&mut reader, &mut walk).await?,
                damage => damage,
            },
        };
        Ok(walk.end(start.seq, damage))
    }

    fn vouches(&self, anchor: &StoredAnchor) -> bool {
        let ChainPlace { seq, mac } = &anchor.place;
        self.key.is_anchor(*seq, mac, &anchor.seal)
    }

    async fn walk(
        &self,
        reader: &mut AuditReader,
        walk: &mut Walk<'_>,
    ) -> Result<Option<Damage>, StoreError> {
        // From the very first row: one before the anchor is one too many.
        let mut page = reader.after(i64::MIN, PAGE).await?;
        while !page.is_empty() {
            for record in &page {
                let Some(place) = self.follow(&walk.place, record) else {
                    let rows = reader.after(record.seq - 1, LOOKED_AT).await?;
                    return Ok(Some(self.damage(&walk.place, &rows)));
                };
                walk.step(place);
                if let Some(damage) = walk.meet(place) {
                    return Ok(Some(damage));
                }
            }
            page = reader.after(walk.place.seq, PAGE).await?;
        }
        Ok(None)
    }

    /// The place of a record that follows another's.
    fn follow(&self, before: &ChainPlace, record: &StoredRecord) -> Option<ChainPlace> {
        let seq = before.seq + 1;
        let mac = self.mac_at(&before.mac, seq, record);
        (record.seq == seq && *record.mac == mac).then_some(ChainPlace { seq, mac })
    }
}

impl DamageKind {
    fn at(self, seq: i64) -> Damage {
        Damage { seq, kind: self }
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
            Some(DamageKind::Cut { to }.at(last + 1))
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
