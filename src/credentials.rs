//! Credentials, sealed and saved, loaded and opened: the only meeting point of store and vault.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::credential::{
    CredentialRef, CredentialSource, CredentialState, CredentialVersionId, OpenFailed,
    OpenedCredential, Opening, ProfileKey, SecretFields,
};
use crate::domain::tenant::Tenant;
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
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error("the credential has no values any more: it was revoked")]
    Gone,
}

/// A version to be sealed.
pub struct NewVersion {
    pub profile: ProfileKey,
    pub flow: Option<String>,
    pub fields: SecretFields,
    pub issued_at: Timestamp,
    pub entered_by: String,
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

    /// Seals a version and makes it the active one; the former active version is revoked in the
    /// same transaction, which the caller commits. Answers the version's id and number.
    pub async fn activate(
        &self,
        write: &mut Write,
        new: &NewVersion,
        now: Timestamp,
    ) -> Result<(CredentialVersionId, i64), CredentialError> {
        let id = CredentialVersionId(Uuid::now_v7());
        let key = self
            .key_for_writing(write, &new.profile.tenant, now)
            .await?;
        let fields = new
            .fields
            .iter()
            .map(|(name, secret)| {
                Ok(SealedField {
                    name,
                    key_id: key.id(),
                    sealed: key.seal_field(&new.profile.provider, id, name, secret)?,
                    fingerprint: key.fingerprint(secret),
                })
            })
            .collect::<Result<Vec<_>, VaultError>>()?;
        for version in write.living_versions(&new.profile).await? {
            if version.state == CredentialState::Active {
                let end = (CredentialState::Active, CredentialState::Revoked);
                let tenant = &new.profile.tenant;
                write
                    .set_version_state(tenant, version.id, end, now, None)
                    .await?;
            }
        }
        let row = NewCredential {
            id,
            profile: &new.profile,
            state: CredentialState::Active,
            flow: new.flow.as_deref(),
            issued_at: new.issued_at,
            entered_at: now,
            entered_by: &new.entered_by,
        };
        let number = write.insert_credential(&row, &fields).await?;
        Ok((id, number))
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
        let (key, sealed) = self.vault.create_organization_key(self.place(tenant, id))?;
        let stored = StoredKey {
            id,
            kek_id: self.vault.active_kek().to_string(),
            sealed,
        };
        write.insert_organization_key(tenant, &stored, now).await?;
        Ok(key)
    }

    fn open_key(&self, tenant: &Tenant, stored: &StoredKey) -> Result<OrganizationKey, VaultError> {
        let kek = KekId::parse(&stored.kek_id).ok_or(VaultError::Refused)?;
        self.vault
            .open_organization_key(self.place(tenant, stored.id), &kek, &stored.sealed)
    }

    fn place<'a>(&self, tenant: &'a Tenant, key_id: Uuid) -> KeyPlace<'a> {
        KeyPlace {
            database: self.vault.database(),
            organization: tenant.organization,
            environment: &tenant.environment,
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
