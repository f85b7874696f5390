//! Envelope encryption: bytes in, bytes out; knows no database and no network.
//!
//! ```text
//! key ring (outside the database)   kek id → 32 bytes, one active
//!   ├ organization key              random, per organization and environment, sealed under a KEK
//!   │   └ secret field              sealed under the organization key, bound to its place by AAD
//!   └ chain key                     random, one per database, sealed under a KEK: the audit log's
//! ```
//!
//! Every ciphertext names the key that sealed it, so nothing is ever decrypted by trial, and every
//! one is bound to the place it was sealed for: moved elsewhere it does not open. There is one
//! decryption error, [`VaultError::Refused`], and it says no more than that.

mod aad;
mod chain_key;
mod key_file;
mod key_ring;
mod organization_key;
mod sealed;

use uuid::Uuid;

pub use aad::Aad;
pub use chain_key::{ChainKey, PublicKey, Signature};
pub use key_file::{KeyFileError, KeySource, read_key_ring, write_new_key_file};
pub use key_ring::{KekId, KeyRing, KeyRingError};
pub use organization_key::OrganizationKey;
pub use sealed::random_bytes;

use crate::domain::organization::OrganizationId;
use crate::domain::tenant::Environment;

/// Why the vault gave nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    #[error(
        "the key ring has no key `{0}`; add it to the key file, or restore the key file that belongs to this database"
    )]
    MissingKey(KekId),
    #[error("the ciphertext was refused: wrong key, wrong place or damaged bytes")]
    Refused,
    #[error("the operating system gave no random bytes")]
    Random,
}

/// Where an organization key belongs.
#[derive(Debug, Clone, Copy)]
pub struct KeyPlace<'a> {
    pub database: Uuid,
    pub organization: OrganizationId,
    pub environment: &'a Environment,
    pub key_id: Uuid,
}

/// What the check row says when the right key opens it.
const CHECK_TEXT: &[u8] = b"locum key check 1";

/// The key ring at work for one database.
pub struct Vault {
    ring: KeyRing,
    database: Uuid,
}

impl Vault {
    pub fn new(ring: KeyRing, database: Uuid) -> Self {
        Self { ring, database }
    }

    pub fn database(&self) -> Uuid {
        self.database
    }

    /// The key that new organization keys are sealed under.
    pub fn active_kek(&self) -> &KekId {
        self.ring.active_id()
    }

    /// Seals the text that later proves that a key ring belongs to this database.
    pub fn seal_check(&self) -> Result<Vec<u8>, VaultError> {
        let kek = self.ring.active_id();
        sealed::seal(self.ring.key(kek)?, &self.check_aad(kek), CHECK_TEXT)
    }

    /// Opens the check row: fails when the key is missing or is another one of the same name.
    pub fn verify_check(&self, kek: &KekId, check: &[u8]) -> Result<(), VaultError> {
        let text = sealed::open(self.ring.key(kek)?, &self.check_aad(kek), check)?;
        if text.as_slice() == CHECK_TEXT {
            Ok(())
        } else {
            Err(VaultError::Refused)
        }
    }

    fn check_aad(&self, kek: &KekId) -> Aad {
        Aad::new("locum/key-check/1")
            .uuid(self.database)
            .text(kek.as_str())
    }

    /// Makes a new organization key and its sealed form under the active KEK.
    pub fn create_organization_key(
        &self,
        place: KeyPlace<'_>,
    ) -> Result<(OrganizationKey, Vec<u8>), VaultError> {
        let kek = self.ring.active_id();
        let bytes = sealed::random_bytes()?;
        let sealed = sealed::seal(
            self.ring.key(kek)?,
            &organization_key_aad(place, kek),
            &*bytes,
        )?;
        Ok((OrganizationKey::derive(place, &*bytes)?, sealed))
    }

    /// Opens an organization key that was sealed under `kek`.
    pub fn open_organization_key(
        &self,
        place: KeyPlace<'_>,
        kek: &KekId,
        ciphertext: &[u8],
    ) -> Result<OrganizationKey, VaultError> {
        let aad = organization_key_aad(place, kek);
        let bytes = sealed::open(self.ring.key(kek)?, &aad, ciphertext)?;
        OrganizationKey::derive(place, &bytes)
    }

    /// Makes the key of a new audit chain and its sealed form under the active KEK.
    pub fn create_chain_key(&self) -> Result<(ChainKey, Vec<u8>), VaultError> {
        let kek = self.ring.active_id();
        let bytes = sealed::random_bytes()?;
        let sealed = sealed::seal(self.ring.key(kek)?, &self.chain_aad(kek), &*bytes)?;
        Ok((ChainKey::derive(self.database, &*bytes)?, sealed))
    }

    /// Opens the key of the audit chain, which was sealed under `kek`.
    pub fn open_chain_key(&self, kek: &KekId, ciphertext: &[u8]) -> Result<ChainKey, VaultError> {
        let bytes = sealed::open(self.ring.key(kek)?, &self.chain_aad(kek), ciphertext)?;
        ChainKey::derive(self.database, &bytes)
    }

    fn chain_aad(&self, kek: &KekId) -> Aad {
        Aad::new("locum/audit-key/1")
            .uuid(self.database)
            .text(kek.as_str())
    }
}

fn organization_key_aad(place: KeyPlace<'_>, kek: &KekId) -> Aad {
    Aad::new("locum/organization-key/1")
        .uuid(place.database)
        .uuid(place.organization.0)
        .text(place.environment.as_str())
        .uuid(place.key_id)
        .text(kek.as_str())
}

#[cfg(test)]
mod tests;
