//! AES-256-GCM with a random nonce: `format (1) | nonce (12) | ciphertext and tag (16)`.

use aws_lc_rs::aead::{AES_256_GCM, Aad as AeadAad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::{hkdf, rand};
use zeroize::Zeroizing;

use super::VaultError;
use super::aad::Aad;

/// A 256-bit key.
pub(super) type KeyBytes = Zeroizing<[u8; 32]>;

const FORMAT: u8 = 1;
const HEADER: usize = 1 + NONCE_LEN;

/// 32 bytes from the operating system's generator.
pub fn random_bytes() -> Result<KeyBytes, VaultError> {
    let mut bytes = Zeroizing::new([0; 32]);
    rand::fill(bytes.as_mut()).map_err(|_| VaultError::Random)?;
    Ok(bytes)
}

/// A key for one purpose out of a key's random bytes (HKDF-SHA-256, RFC 5869).
pub(super) fn expand(bytes: &[u8], purpose: &[u8]) -> Result<KeyBytes, VaultError> {
    let mut key = Zeroizing::new([0; 32]);
    hkdf::Salt::new(hkdf::HKDF_SHA256, &[])
        .extract(bytes)
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(key.as_mut()))
        .map_err(|_| VaultError::Refused)?;
    Ok(key)
}

pub(super) fn seal(key: &KeyBytes, aad: &Aad, plaintext: &[u8]) -> Result<Vec<u8>, VaultError> {
    let mut buffer = Zeroizing::new(Vec::with_capacity(plaintext.len() + AES_256_GCM.tag_len()));
    buffer.extend_from_slice(plaintext);
    let nonce = cipher(key)?
        .seal_in_place_append_tag(AeadAad::from(aad.as_slice()), &mut *buffer)
        .map_err(|_| VaultError::Random)?;
    let mut sealed = Vec::with_capacity(HEADER + buffer.len());
    sealed.push(FORMAT);
    sealed.extend_from_slice(nonce.as_ref());
    sealed.extend_from_slice(&buffer);
    Ok(sealed)
}

pub(super) fn open(
    key: &KeyBytes,
    aad: &Aad,
    sealed: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (header, ciphertext) = sealed.split_at_checked(HEADER).ok_or(VaultError::Refused)?;
    let (format, nonce) = header.split_first().ok_or(VaultError::Refused)?;
    if *format != FORMAT {
        return Err(VaultError::Refused);
    }
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Refused)?;
    let mut buffer = Zeroizing::new(ciphertext.to_vec());
    let length = cipher(key)?
        .open_in_place(nonce, AeadAad::from(aad.as_slice()), &mut buffer)
        .map_err(|_| VaultError::Refused)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

fn cipher(key: &KeyBytes) -> Result<RandomizedNonceKey, VaultError> {
    RandomizedNonceKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| VaultError::Refused)
}
