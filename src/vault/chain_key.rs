//! The key of the audit chain: links records, seals the anchor, signs checkpoints; and knows a
//! repeated request again.
//!
//! Each use has a key of its own, derived with HKDF-SHA-256 (RFC 5869) from the chain key's random
//! bytes. Checkpoints are signed with Ed25519 (RFC 8032), so that an auditor checks one without
//! being able to make one.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use uuid::Uuid;

use super::VaultError;
use super::aad::Aad;
use super::sealed::expand;
use crate::domain::audit::ChainMac;

/// An Ed25519 public key.
pub type PublicKey = [u8; 32];
/// An Ed25519 signature.
pub type Signature = [u8; 64];

/// Opened while the process runs. No `Debug`: it holds secrets.
pub struct ChainKey {
    database: Uuid,
    link: hmac::Key,
    anchor: hmac::Key,
    request: hmac::Key,
    signing: Ed25519KeyPair,
}

impl ChainKey {
    pub(super) fn derive(database: Uuid, bytes: &[u8]) -> Result<Self, VaultError> {
        let hmac_key = |info: &[u8]| {
            let key = expand(bytes, info)?;
            Ok::<_, VaultError>(hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()))
        };
        let seed = expand(bytes, b"locum/audit-checkpoint/1")?;
        Ok(Self {
            database,
            link: hmac_key(b"locum/audit-link/1")?,
            anchor: hmac_key(b"locum/audit-anchor/1")?,
            request: hmac_key(b"locum/request/1")?,
            signing: Ed25519KeyPair::from_seed_unchecked(seed.as_ref())
                .map_err(|_| VaultError::Refused)?,
        })
    }

    /// The mac of a record that follows the one with the mac `previous`.
    pub fn link(&self, previous: &ChainMac, record: &[u8]) -> ChainMac {
        let mut context = hmac::Context::with_key(&self.link);
        context.update(self.database.as_bytes());
        context.update(previous);
        context.update(record);
        bytes_of(&context.sign())
    }

    /// Vouches for the record that the first kept one follows.
    pub fn seal_anchor(&self, seq: i64, mac: &ChainMac) -> [u8; 32] {
        bytes_of(&hmac::sign(
            &self.anchor,
            self.anchor_aad(seq, mac).as_slice(),
        ))
    }

    /// Whether [`Self::seal_anchor`] made this; takes the same time whatever the answer.
    pub fn is_anchor(&self, seq: i64, mac: &ChainMac, seal: &[u8]) -> bool {
        hmac::verify(&self.anchor, self.anchor_aad(seq, mac).as_slice(), seal).is_ok()
    }

    /// Tells requests apart without keeping them: they may hold secrets.
    pub fn fingerprint_request(&self, parts: &[&[u8]]) -> [u8; 32] {
        let aad = parts
            .iter()
            .fold(Aad::new("locum/request/1"), |aad, part| aad.bytes(part));
        bytes_of(&hmac::sign(&self.request, aad.as_slice()))
    }

    fn anchor_aad(&self, seq: i64, mac: &ChainMac) -> Aad {
        Aad::new("locum/audit-anchor/1")
            .uuid(self.database)
            .bytes(&seq.to_be_bytes())
            .bytes(mac)
    }

    pub fn public_key(&self) -> PublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.signing.public_key().as_ref());
        key
    }

    pub fn sign(&self, message: &[u8]) -> Signature {
        let mut signature = [0; 64];
        signature.copy_from_slice(self.signing.sign(message).as_ref());
        signature
    }

    /// Whether the holder of `key` signed this.
    pub fn is_signed(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, key)
            .verify(message, signature)
            .is_ok()
    }
}

fn bytes_of(tag: &hmac::Tag) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(tag.as_ref());
    bytes
}
