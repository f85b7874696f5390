//! Credentials, sealed and saved, loaded and opened: the only meeting point of store and vault.
//! [`Lives`] moves versions from state to state.

mod lives;
mod rewrap;
mod survey;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
pub use lives::Lives;
pub use rewrap::{Batch, Unopened};
pub use survey::Survey;
use uuid::Uuid;

use crate::domain::credential::{
    CredentialRef, CredentialSource, CredentialState, CredentialVersionId, OpenFailed,
    OpenedCredential, Opening, ProfileKey, SecretFields,
};
use crate::domain::organization::OrganizationId;
use crate::domain::tenant::{Environment, Tenant};
use crate::store::{NewCredential, SealedField, Store, StoreError, StoredKey, Write};
use crate::vault::{KekId, KeyPlace, OrganizationKey, Vault, VaultError};

/// Why a credential could not be sealed or opened.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("credential {id}: {source}")]
    Sealed {
        id: CredentialVersionId,
        source: VaultError,
    },
    #[error(
        "the key of organization {} in {environment} does not open: {source}", organization.0
    )]
    Key {
        organization: OrganizationId,
        environment: Environment,
        source: VaultError,
    },
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the credential has no values any more: it was revoked")]
    Gone,
}

/// A version to be sealed. No `Debug`: it holds secrets.
pub struct NewVersion {
    /// As it will be opened for logins.
    pub credential: OpenedCredential,
    pub issued_at: Timestamp,
    pub entered_by: String,
}

impl NewVersion {
    pub fn new(
        key: ProfileKey,
        flow: Option<String>,
        fields: SecretFields,
        issued_at: Timestamp,
        entered_by: String,
    ) -> Self {
        let id = CredentialVersionId(Uuid::now_v7());
        Self {
            credential: OpenedCredential {
                id,
                key: Arc::new(key),
                flow,
                fields,
            },
            issued_at,
            entered_by,
        }
    }
}

/// Seals and opens.
#[derive(Clone)]
pub struct Credentials {
    store: Store,
    vault: Arc<Vault>,
}

impl Credentials {
    pub fn new(store: Store, vault: Arc<Vault>) -> Self {
        Self { store, vault }
    }

    pub fn vault(&self) -> &Arc<Vault> {
        &self.vault
    }

    /// Seals a version and stores it in its first state, staged or active. Answers its number.
    pub async fn seal(
        &self,
        write: &mut Write,
        new: &NewVersion,
        state: CredentialState,
        now: Timestamp,
    ) -> Result<i64, CredentialError> {
        let OpenedCredential {
            id,
            key: profile,
            flow,
            fields,
        } = &new.credential;
        let key = self.key_for_writing(write, &profile.tenant, now).await?;
        let sealed = fields.iter().map(|(name, secret)| {
            Ok(SealedField {
                name,
                key_id: key.id(),
                sealed: key.seal_field(&profile.provider, *id, name, secret)?,
                fingerprint: key.fingerprint(secret),
            })
        });
        let sealed = sealed.collect::<Result<Vec<_>, VaultError>>()?;
        let row = NewCredential {
            id: *id,
            profile,
            state,
            flow: flow.as_deref(),
            issued_at: new.issued_at,
            entered_at: now,
            entered_by: &new.entered_by,
        };
        Ok(write.insert_credential(&row, &sealed).await?)
    }

    /// Opens the values of a version, for the length of a login.
    pub async fn open(
        &self,
        credential: &CredentialRef,
    ) -> Result<OpenedCredential, CredentialError> {
        let CredentialRef {
            id: version,
            key,
            flow,
        } = credential;
        let version = *version;
        let sealed = |source| CredentialError::Sealed {
            id: version,
            source,
        };
        let stored = self
            .store
            .organization_key(&key.tenant)
            .await?
            .ok_or(CredentialError::Gone)?;
        let organization_key = self.open_key(&key.tenant, &stored).map_err(sealed)?;
        let mut fields = BTreeMap::new();
        for field in self.store.credential_fields(&key.tenant, version).await? {
            let ciphertext = field.sealed.ok_or(CredentialError::Gone)?;
            let secret = organization_key
                .open_field(&key.provider, version, &field.name, &ciphertext)
                .map_err(sealed)?;
            fields.insert(field.name, secret);
        }
        if fields.is_empty() {
            return Err(CredentialError::Gone);
        }
        Ok(OpenedCredential {
            id: version,
            key: key.clone(),
            flow: flow.clone(),
            fields,
        })
    }

    async fn key_for_writing(
        &self,
        write: &mut Write,
        tenant: &Tenant,
        now: Timestamp,
    ) -> Result<OrganizationKey, CredentialError> {
        if let Some(stored) = write.organization_key(tenant).await? {
            return Ok(self.open_key(tenant, &stored)?);
        }
        let id = Uuid::now_v7();
        // Which one is in use is said by the database: a server's key ring may be an older one.
        let kek_id = write.kek_in_use().await?;
        let kek = KekId::parse(&kek_id).ok_or(VaultError::Refused)?;
        let place = self.place(tenant.organization, &tenant.environment, id);
        let (key, sealed) = self.vault.create_organization_key(place, &kek)?;
        let stored = StoredKey { id, kek_id, sealed };
        write.insert_organization_key(tenant, &stored, now).await?;
        Ok(key)
    }

    fn open_key(&self, tenant: &Tenant, stored: &StoredKey) -> Result<OrganizationKey, VaultError> {
        let kek = KekId::parse(&stored.kek_id).ok_or(VaultError::Refused)?;
        let place = self.place(tenant.organization, &tenant.environment, stored.id);
        self.vault
            .open_organization_key(place, &kek, &stored.sealed)
    }

    fn place<'a>(
        &self,
        organization: OrganizationId,
        environment: &'a Environment,
        key_id: Uuid,
    ) -> KeyPlace<'a> {
        KeyPlace {
            database: self.vault.database(),
            organization,
            environment,
            key_id,
        }
    }
}

impl CredentialSource for Credentials {
    fn open<'a>(&'a self, credential: &'a CredentialRef) -> Opening<'a> {
        Box::pin(async {
            Credentials::open(self, credential)
                .await
                .map_err(|error| match error {
                    CredentialError::Gone => OpenFailed::Revoked,
                    CredentialError::Store(error) => OpenFailed::Unreadable(error.to_string()),
                    error => OpenFailed::Sealed(error.to_string()),
                })
        })
    }
}
