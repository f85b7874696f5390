//! Following the chain: each record from the one before it, row by row.

use super::damage::LOOKED_AT;
use super::{Audit, Damage, DamageKind};
use crate::domain::audit::StoredRecord;
use crate::store::{AuditReader, ChainPlace, LogRow, StoreError, StoredAnchor};

impl Audit {
    /// What is wrong with the anchor, if anything is.
    pub(super) fn damage_of_anchor(&self, anchor: Option<&StoredAnchor>) -> Option<Damage> {
        let StoredAnchor { place, seal } = anchor?;
        let vouches = self.key.is_anchor(place.seq, &place.mac, seal);
        (!vouches).then(|| DamageKind::Anchor.at(place.seq))
    }

    /// Follows a row from a place to its last record; or says what is wrong with it. Every place on
    /// the way is told, and whoever hears of it may find that it is not the right one.
    pub(super) async fn follow_row(
        &self,
        reader: &mut AuditReader,
        place: &mut ChainPlace,
        row: &LogRow,
        mut told: impl FnMut(ChainPlace) -> Option<Damage> + Send,
    ) -> Result<Option<Damage>, StoreError> {
        for record in row.records() {
            let Some(next) = self.follow(place, record) else {
                return Ok(Some(self.damage_at(reader, place, record).await?));
            };
            *place = next;
            if let Some(damage) = told(next) {
                return Ok(Some(damage));
            }
        }
        let misdescribed = row.misdescribed();
        Ok(misdescribed.map(|(seq, to)| DamageKind::Mislabelled { to }.at(seq)))
    }

    /// The place of a record that follows another's.
    fn follow(&self, before: &ChainPlace, record: &StoredRecord) -> Option<ChainPlace> {
        let seq = before.seq.checked_add(1)?;
        let mac = self.mac_at(&before.mac, seq, record);
        (record.seq == seq && *record.mac == mac).then_some(ChainPlace { seq, mac })
    }

    async fn damage_at(
        &self,
        reader: &mut AuditReader,
        before: &ChainPlace,
        record: &StoredRecord,
    ) -> Result<Damage, StoreError> {
        let mut rows = reader
            .after(record.seq.saturating_sub(1), LOOKED_AT)
            .await?;
        if rows.first().is_none_or(|first| first.seq != record.seq) {
            rows.insert(0, record.clone());
        }
        Ok(self.damage(before, &rows))
    }
}
