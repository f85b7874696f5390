//! Checkpoints: the end of the chain at a moment, signed. Kept elsewhere, one shows later that the
//! log was not cut before it. Whoever has the public key can check it, without this program.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Audit, AuditError, BEGINNING};
use crate::domain::audit::mac_text;
use crate::store::Store;
use crate::vault::ChainKey;

const FORMAT: &str = "locum audit checkpoint 1";

/// The end of the log at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkpoint {
    pub format: String,
    pub database: Uuid,
    /// The last record; 0 in an empty log.
    pub seq: i64,
    /// Its mac, in hexadecimal digits.
    pub mac: String,
    pub at: Timestamp,
    /// Ed25519 (RFC 8032), in Base64 (RFC 4648, section 4).
    pub public_key: String,
    /// Over [`Self::message`], in Base64.
    pub signature: String,
}

/// Why a checkpoint says nothing about this log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    #[error("this is no checkpoint of a format that is known here (`{FORMAT}`)")]
    Format,
    #[error("the checkpoint is of another database, {0}; this one is {1}")]
    OtherDatabase(Uuid, Uuid),
    #[error(
        "the checkpoint was signed by another key than this log's: it was made elsewhere, or somebody made it up"
    )]
    OtherKey,
    #[error("the signature of the checkpoint is not right: it was changed since it was made")]
    Signature,
}

impl Checkpoint {
    /// The bytes that are signed: five lines.
    pub fn message(&self) -> String {
        let Self {
            format,
            database,
            seq,
            mac,
            at,
            ..
        } = self;
        format!("{format}\ndatabase {database}\nseq {seq}\nmac {mac}\nat {at}\n")
    }

    /// Whether the holder of its public key signed it.
    fn is_signed(&self) -> Result<bool, CheckpointError> {
        let key = bytes(&self.public_key)?;
        let signature: [u8; 64] = bytes(&self.signature)?;
        let message = self.message();
        Ok(ChainKey::is_signed(&key, message.as_bytes(), &signature))
    }
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], CheckpointError> {
    let bytes = STANDARD.decode(text).ok();
    let bytes = bytes.and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or(CheckpointError::Format)
}

impl Audit {
    /// Signs the end of the log as it is now.
    pub async fn checkpoint(
        &self,
        store: &Store,
        now: Timestamp,
    ) -> Result<Checkpoint, AuditError> {
        let mut reader = store.audit_reader().await?;
        let anchor = reader.anchor().await?.map(|anchor| anchor.place);
        let end = reader.last().await?.or(anchor).unwrap_or(BEGINNING);
        let mut checkpoint = Checkpoint {
            format: FORMAT.to_owned(),
            database: self.database,
            seq: end.seq,
            mac: mac_text(&end.mac),
            at: now,
            public_key: STANDARD.encode(self.key.public_key()),
            signature: String::new(),
        };
        let signature = self.key.sign(checkpoint.message().as_bytes());
        checkpoint.signature = STANDARD.encode(signature);
        Ok(checkpoint)
    }

    /// Refuses a checkpoint that was not made by this log.
    pub(super) fn accept(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        if checkpoint.format != FORMAT {
            return Err(CheckpointError::Format);
        }
        if checkpoint.database != self.database {
            let (other, own) = (checkpoint.database, self.database);
            return Err(CheckpointError::OtherDatabase(other, own));
        }
        if checkpoint.public_key != STANDARD.encode(self.key.public_key()) {
            return Err(CheckpointError::OtherKey);
        }
        match checkpoint.is_signed()? {
            true => Ok(()),
            false => Err(CheckpointError::Signature),
        }
    }
}
