//! Everything that is sealed, opened once: whether a database is good for anything with this key ring.

use serde::Serialize;
use uuid::Uuid;

use super::{CredentialError, Credentials};
use crate::store::StoredKeyOf;
use crate::vault::{KekId, VaultError};

/// Organization keys that are read at a time.
const PAGE: i64 = 500;

/// How much opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Survey {
    pub organization_keys: u64,
    /// Values of credential versions.
    pub secrets: u64,
}

impl Credentials {
    /// Opens every organization key and every value, and keeps none; the first that does not open
    /// is the error.
    pub async fn survey(&self) -> Result<Survey, CredentialError> {
        let mut survey = Survey::default();
        let mut after = Uuid::nil();
        loop {
            let page = self.store.organization_keys_after(after, PAGE).await?;
            let Some(last) = page.last() else {
                return Ok(survey);
            };
            after = last.key.id;
            for stored in &page {
                survey.organization_keys += 1;
                survey.secrets += self.open_all_under(stored).await?;
            }
        }
    }

    async fn open_all_under(&self, stored: &StoredKeyOf) -> Result<u64, CredentialError> {
        let unopened = |source| CredentialError::Key {
            organization: stored.organization,
            environment: stored.environment.clone(),
            source,
        };
        let kek = KekId::parse(&stored.key.kek_id).ok_or(VaultError::Refused);
        let place = self.place(stored.organization, &stored.environment, stored.key.id);
        let key = kek.and_then(|kek| {
            let sealed = &stored.key.sealed;
            self.vault.open_organization_key(place, &kek, sealed)
        });
        let key = key.map_err(unopened)?;
        let mut opened = 0;
        for secret in self.store.sealed_under(stored.key.id).await? {
            let id = secret.version;
            key.open_field(&secret.provider, id, &secret.field, &secret.sealed)
                .map_err(|source| CredentialError::Sealed { id, source })?;
            opened += 1;
        }
        Ok(opened)
    }
}
