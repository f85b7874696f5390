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
mod key_write;
mod live_ring;
mod organization_key;
mod sealed;

use uuid::Uuid;

pub use aad::Aad;
pub use chain_key::{ChainKey, PublicKey, Signature};
pub use key_file::{KeyFileError, KeySource, RingOrigin, read_key_ring};
pub use key_ring::{KekId, KeyRing, KeyRingError};
pub use key_write::{draft_of, write_new_key_file};
pub use live_ring::{LiveRing, RingChangeError};
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
const CHECK_TEXT: &[u8] = b"locum key check 2: the audit log has its key";
/// The same, of a database that was made before the audit log's key was made with it.
const EARLY_CHECK_TEXT: &[u8] = b"locum key check 1";

/// What a check row vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyCheck {
    Ring,
    /// Also, that the audit log has a key: if it is not there, somebody removed it.
    RingAndChain,
}

/// The key ring at work for one database.
pub struct Vault {
    ring: LiveRing,
    database: Uuid,
}

impl Vault {
    /// With a ring that stays as it is.
    pub fn new(ring: KeyRing, database: Uuid) -> Self {
        let ring = LiveRing::new(ring, None);
        Self { ring, database }
    }

    /// With the ring of a source, which is read again when a key is asked for that it had not.
    pub fn from_source(
        source: KeySource,
        database: Uuid,
    ) -> Result<(Self, RingOrigin), KeyFileError> {
        let (ring, origin) = read_key_ring(&source)?;
        let ring = LiveRing::new(ring, Some(source));
        Ok((Self { ring, database }, origin))
    }

    pub fn database(&self) -> Uuid {
        self.database
    }

    pub fn ring(&self) -> &LiveRing {
        &self.ring
    }

    /// Seals, under a key, the text that later proves that a key ring belongs to this database,
    /// whose audit log has its key.
    pub fn seal_check(&self, kek: &KekId) -> Result<Vec<u8>, VaultError> {
        let ring = self.ring.with(kek);
        sealed::seal(ring.key(kek)?, &self.check_aad(kek), CHECK_TEXT)
    }

    /// What [`Self::seal_check`] made before the audit log's key came with the database.
    #[cfg(test)]
    pub(crate) fn seal_early_check(&self, kek: &KekId) -> Result<Vec<u8>, VaultError> {
        let ring = self.ring.with(kek);
        sealed::seal(ring.key(kek)?, &self.check_aad(kek), EARLY_CHECK_TEXT)
    }

    /// Opens the check row: fails when the key is missing or is another one of the same name.
    pub fn verify_check(&self, kek: &KekId, check: &[u8]) -> Result<KeyCheck, VaultError> {
        let ring = self.ring.with(kek);
        let text = sealed::open(ring.key(kek)?, &self.check_aad(kek), check)?;
        match text.as_slice() {
            CHECK_TEXT => Ok(KeyCheck::RingAndChain),
            EARLY_CHECK_TEXT => Ok(KeyCheck::Ring),
            _ => Err(VaultError::Refused),
        }
    }

    fn check_aad(&self, kek: &KekId) -> Aad {
        Aad::new("locum/key-check/1")
            .uuid(self.database)
            .text(kek.as_str())
    }

    /// Makes a new organization key and its sealed form under a key.
    pub fn create_organization_key(
        &self,
        place: KeyPlace<'_>,
        kek: &KekId,
    ) -> Result<(OrganizationKey, Vec<u8>), VaultError> {
        let ring = self.ring.with(kek);
        let bytes = sealed::random_bytes()?;
        let aad = organization_key_aad(place, kek);
        let sealed = sealed::seal(ring.key(kek)?, &aad, &*bytes)?;
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
        let ring = self.ring.with(kek);
        let bytes = sealed::open(ring.key(kek)?, &aad, ciphertext)?;
        OrganizationKey::derive(place, &bytes)
    }

    /// The same organization key, sealed under another key.
    pub fn rewrap_organization_key(
        &self,
        place: KeyPlace<'_>,
        (from, to): (&KekId, &KekId),
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let aads = [from, to].map(|kek| organization_key_aad(place, kek));
        self.rewrap((from, to), &aads, ciphertext)
    }

    /// Makes the key of a new audit chain and its sealed form under a key.
    pub fn create_chain_key(&self, kek: &KekId) -> Result<(ChainKey, Vec<u8>), VaultError> {
        let ring = self.ring.with(kek);
        let bytes = sealed::random_bytes()?;
        let sealed = sealed::seal(ring.key(kek)?, &self.chain_aad(kek), &*bytes)?;
        Ok((ChainKey::derive(self.database, &*bytes)?, sealed))
    }

    /// Opens the key of the audit chain, which was sealed under `kek`.
    pub fn open_chain_key(&self, kek: &KekId, ciphertext: &[u8]) -> Result<ChainKey, VaultError> {
        let ring = self.ring.with(kek);
        let bytes = sealed::open(ring.key(kek)?, &self.chain_aad(kek), ciphertext)?;
        ChainKey::derive(self.database, &bytes)
    }

    /// The same key of the audit chain, sealed under another key.
    pub fn rewrap_chain_key(
        &self,
        (from, to): (&KekId, &KekId),
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let aads = [from, to].map(|kek| self.chain_aad(kek));
        self.rewrap((from, to), &aads, ciphertext)
    }

    fn rewrap(
        &self,
        (from, to): (&KekId, &KekId),
        [old, new]: &[Aad; 2],
        ciphertext: &[u8],
    ) -> Result<Vec<u8>, VaultError> {
        let bytes = sealed::open(self.ring.with(from).key(from)?, old, ciphertext)?;
        sealed::seal(self.ring.with(to).key(to)?, new, &bytes)
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
