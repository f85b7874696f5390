//! The audit log: an append-only chain of records, each bound to the one before it.
//!
//! ```text
//! event ─ append, in the transaction of the change it speaks of ─→ record = seq, event, mac
//!         mac = HMAC(chain key, database | mac before | seq | event)
//! ```
//!
//! Who changes or removes a record in the database breaks the chain at that record, unless they
//! have the master key too. Records arrive in the transaction of the change that they speak of:
//! no record, no change.

mod beginning;
mod checkpoint;
mod damage;
mod follow;
mod retention;
mod verify;

use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

pub use checkpoint::{Checkpoint, CheckpointError};
pub use damage::{Damage, DamageKind};
pub use retention::Old;
pub use verify::{CheckpointVerdict, Verification};

use crate::domain::audit::canonical::{self, Fields};
use crate::domain::audit::{AuditEvent, AuditRecord, GENESIS};
use crate::store::{CallBatch, ChainPlace, Store, StoreError, StoredChainKey, Write};
use crate::vault::{ChainKey, KekId, Vault, VaultError};

/// Why the log gave or took nothing.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the key of the audit log does not open: {0}")]
    Key(#[from] VaultError),
    #[error(
        "the key of the audit log is gone from the database, although the log had one: somebody removed it, and without it no record can be verified or added; find out who can write the database, and restore a backup"
    )]
    KeyGone,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error(
        "the audit log is not as it was written, and stays as it is: {0} (`locum audit verify`)"
    )]
    Damaged(Damage),
    #[error(
        "the oldest record is of {oldest}, and so much is not old at once by the course of time: did the clock jump, was the server off for long, or audit.retention shortened? Nothing was removed; `locum audit retain --before DAY` does it"
    )]
    MuchIsOld { oldest: Timestamp },
}

/// The audit log of one installation.
#[derive(Clone)]
pub struct Audit {
    key: Arc<ChainKey>,
    database: Uuid,
}

impl Audit {
    /// Opens the chain's key.
    pub async fn open(store: &Store, vault: &Vault) -> Result<Self, AuditError> {
        let stored = store.chain_key().await?.ok_or(AuditError::KeyGone)?;
        let kek = KekId::parse(&stored.kek_id).ok_or(VaultError::Refused)?;
        let key = Arc::new(vault.open_chain_key(&kek, &stored.sealed)?);
        let database = vault.database();
        Ok(Self { key, database })
    }

    /// Seals the chain's key under another key of the key ring, where it is not already.
    pub async fn rewrap(
        &self,
        write: &mut Write,
        vault: &Vault,
        to: &KekId,
    ) -> Result<(), AuditError> {
        let Some(stored) = write.chain_key().await? else {
            return Ok(());
        };
        let from = KekId::parse(&stored.kek_id).ok_or(VaultError::Refused)?;
        if from == *to {
            return Ok(());
        }
        let sealed = vault.rewrap_chain_key((&from, to), &stored.sealed)?;
        let kek_id = to.to_string();
        Ok(write
            .rewrap_chain_key(&StoredChainKey { kek_id, sealed })
            .await?)
    }

    /// Adds a record to the end of the chain. It is there when the change is committed.
    pub async fn append(&self, write: &mut Write, event: AuditEvent) -> Result<(), StoreError> {
        self.append_all(write, [event]).await.map(drop)
    }

    /// A hash that tells requests apart, and nothing else about them.
    pub fn fingerprint_request(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.key.fingerprint_request(parts)
    }

    /// Adds records in this order; answers the number of the last one.
    pub async fn append_all(
        &self,
        write: &mut Write,
        events: impl IntoIterator<Item = AuditEvent>,
    ) -> Result<i64, StoreError> {
        let mut head = write.audit_head().await?.unwrap_or(BEGINNING);
        let records = events.into_iter().map(|event| {
            let seq = next(head.seq)?;
            let mac = self.key.link(&head.mac, &canonical::bytes(seq, &event));
            head = ChainPlace { seq, mac };
            Ok(AuditRecord { seq, event, mac })
        });
        let records = records.collect::<Result<_, StoreError>>()?;
        write.insert_audit_records(records).await?;
        Ok(head.seq)
    }

    /// The end of the log, for records of calls.
    pub async fn calls(&self, write: &mut Write) -> Result<Calls<'_>, StoreError> {
        Ok(Calls {
            key: &self.key,
            head: write.audit_head().await?.unwrap_or(BEGINNING),
            batch: CallBatch::default(),
        })
    }
}

/// Records of calls that are about to be written, many in a row.
pub struct Calls<'a> {
    key: &'a ChainKey,
    head: ChainPlace,
    batch: CallBatch,
}

impl Calls<'_> {
    /// Adds a record to the end.
    pub fn append<'f>(&mut self, record: impl Into<Fields<'f>>) -> Result<(), StoreError> {
        let ChainPlace { seq, mac } = &mut self.head;
        *seq = next(*seq)?;
        self.batch.push(*seq, record.into(), |bytes| {
            *mac = self.key.link(mac, bytes);
            *mac
        });
        Ok(())
    }

    /// Nothing may have been added to the log in between.
    pub async fn write(self, write: &mut Write) -> Result<(), StoreError> {
        write.insert_call_batch(self.batch).await
    }
}

/// Before the first record.
const BEGINNING: ChainPlace = ChainPlace {
    seq: 0,
    mac: GENESIS,
};

/// The number behind another.
fn next(seq: i64) -> Result<i64, StoreError> {
    seq.checked_add(1).ok_or(StoreError::AuditFull)
}
