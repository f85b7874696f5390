//! The key of one organization in one environment: seals its secret fields and fingerprints them.
//!
//! Both uses have a key of their own, derived with HKDF-SHA-256 (RFC 5869) from the organization
//! key's random bytes: one key, one purpose.

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::aad::Aad;
use super::sealed::{self, KeyBytes, expand};
use super::{KeyPlace, VaultError};
use crate::domain::credential::CredentialVersionId;
use crate::domain::organization::OrganizationId;
use crate::domain::provider::ProviderName;
use crate::domain::tenant::Environment;

/// Bytes of a fingerprint: enough to tell secrets apart, too few to say anything about one.
const FINGERPRINT_BYTES: usize = 8;

/// Opened for the length of a login or a change. No `Debug`: it holds secrets.
pub struct OrganizationKey {
    id: Uuid,
    database: Uuid,
    organization: OrganizationId,
    environment: Environment,
    seal: KeyBytes,
    fingerprint: KeyBytes,
}

impl OrganizationKey {
    pub(super) fn derive(place: KeyPlace<'_>, bytes: &[u8]) -> Result<Self, VaultError> {
        Ok(Self {
            id: place.key_id,
            database: place.database,
            organization: place.organization,
            environment: place.environment.clone(),
            seal: expand(bytes, b"locum/secret-field/1")?,
            fingerprint: expand(bytes, b"locum/fingerprint/1")?,
        })
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Seals one field of a credential version for its place.
    pub fn seal_field(
        &self,
        provider: &ProviderName,
        version: CredentialVersionId,
        field: &str,
        secret: &SecretString,
    ) -> Result<Vec<u8>, VaultError> {
        let aad = self.field_aad(provider, version, field);
        sealed::seal(&self.seal, &aad, secret.expose_secret().as_bytes())
    }

    /// Opens one field of a credential version.
    pub fn open_field(
        &self,
        provider: &ProviderName,
        version: CredentialVersionId,
        field: &str,
        ciphertext: &[u8],
    ) -> Result<SecretString, VaultError> {
        let bytes = sealed::open(
            &self.seal,
            &self.field_aad(provider, version, field),
            ciphertext,
        )?;
        let text = std::str::from_utf8(&bytes).map_err(|_| VaultError::Refused)?;
        Ok(SecretString::from(text))
    }

    /// Eight bytes that people compare to tell whether two secrets are the same.
    pub fn fingerprint(&self, secret: &SecretString) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.fingerprint.as_ref());
        let tag = hmac::sign(&key, secret.expose_secret().as_bytes());
        tag.as_ref()
            .iter()
            .take(FINGERPRINT_BYTES)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    fn field_aad(&self, provider: &ProviderName, version: CredentialVersionId, field: &str) -> Aad {
        Aad::new("locum/secret-field/1")
            .uuid(self.database)
            .uuid(self.organization.0)
            .text(self.environment.as_str())
            .text(provider.as_str())
            .text(field)
            .uuid(version.0)
            .uuid(self.id)
    }
}
