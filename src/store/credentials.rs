//! Organization keys and credential versions, sealed.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::rows::{
    at_most, get, get_name, get_organization_id, get_time, get_time_or_none, hex_list,
};
use super::{Store, StoreError, Write};
use crate::domain::credential::{CredentialState, CredentialVersionId, ProfileKey, Refusal};
use crate::domain::organization::OrganizationId;
use crate::domain::page::{AfterProfile, AfterVersion};
use crate::domain::provider::ProviderName;
use crate::domain::tenant::{Environment, Tenant};

/// The sealed key of a tenant.
pub struct StoredKey {
    pub id: Uuid,
    pub kek_id: String,
    pub sealed: Vec<u8>,
}

/// A version to be stored.
pub struct NewCredential<'a> {
    pub id: CredentialVersionId,
    pub profile: &'a ProfileKey,
    /// `staged` or `active`.
    pub state: CredentialState,
    pub flow: Option<&'a str>,
    pub issued_at: Timestamp,
    pub entered_at: Timestamp,
    pub entered_by: &'a str,
}

/// A sealed field to be stored with its version.
pub struct SealedField<'a> {
    pub name: &'a str,
    pub key_id: Uuid,
    pub sealed: Vec<u8>,
    pub fingerprint: String,
}

/// A stored version without its values.
pub struct StoredCredential {
    pub id: CredentialVersionId,
    pub organization: OrganizationId,
    pub environment: Environment,
    pub provider: ProviderName,
    pub version: i64,
    pub state: CredentialState,
    pub state_at: Timestamp,
    pub grace_ends_at: Option<Timestamp>,
    pub flow: Option<String>,
    pub issued_at: Timestamp,
    pub entered_at: Timestamp,
    pub entered_by: String,
    pub verified_at: Option<Timestamp>,
    pub refused: Option<Refusal>,
}

/// A stored field; `sealed` is gone once the version is revoked.
pub struct StoredField {
    pub name: String,
    pub sealed: Option<Vec<u8>>,
    pub fingerprint: String,
}

/// A sealed value, and where it belongs.
pub struct StoredSecret {
    pub provider: ProviderName,
    pub version: CredentialVersionId,
    pub field: String,
    pub sealed: Vec<u8>,
}

impl Store {
    /// Everything that is sealed under one organization key.
    pub async fn sealed_under(&self, key: Uuid) -> Result<Vec<StoredSecret>, StoreError> {
        sqlx::query(
            "SELECT provider, version_id, field, sealed FROM credential_fields f
             JOIN credential_versions v ON v.id = f.version_id
             WHERE key_id = ? AND sealed IS NOT NULL",
        )
        .bind(key)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| {
            Ok(StoredSecret {
                provider: get_name(row, "provider")?,
                version: CredentialVersionId(get(row, "version_id")?),
                field: get(row, "field")?,
                sealed: get(row, "sealed")?,
            })
        })
        .collect()
    }

    pub async fn organization_key(&self, tenant: &Tenant) -> Result<Option<StoredKey>, StoreError> {
        let mut connection = self.readers.acquire().await?;
        select_key(&mut connection, tenant).await
    }

    /// The versions of all tenants that are not over, by profile, newest first.
    pub async fn living_credentials(&self) -> Result<Vec<StoredCredential>, StoreError> {
        sqlx::query(
            "SELECT * FROM credential_versions WHERE state NOT IN ('revoked', 'cancelled')
             ORDER BY organization_id, environment, provider, version DESC",
        )
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }

    /// The same of some organizations.
    pub async fn living_credentials_of(
        &self,
        organizations: impl IntoIterator<Item = OrganizationId>,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        sqlx::query(
            "SELECT * FROM credential_versions
             WHERE organization_id IN (SELECT unhex(value) FROM json_each(?))
               AND state NOT IN ('revoked', 'cancelled')
             ORDER BY organization_id, environment, provider, version DESC",
        )
        .bind(hex_list(organizations))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }

    /// Some of the versions of one organization, newest first within each profile; with `over`,
    /// revoked and cancelled ones too.
    pub async fn credentials_after(
        &self,
        organization: OrganizationId,
        over: bool,
        after: Option<&AfterVersion>,
        limit: usize,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        sqlx::query(
            "SELECT * FROM credential_versions
             WHERE organization_id = ?1 AND (environment, provider) >= (?2, ?3)
               AND NOT (environment = ?2 AND provider = ?3 AND version >= ?4)
               AND (?5 OR state NOT IN ('revoked', 'cancelled'))
             ORDER BY environment, provider, version DESC LIMIT ?6",
        )
        .bind(organization.0)
        .bind(after.map_or("", |after| after.environment.as_str()))
        .bind(after.map_or("", |after| after.provider.as_str()))
        .bind(after.map(|after| after.version))
        .bind(over)
        .bind(at_most(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }

    /// Some of the active versions, by slug of their organization, environment and provider: of
    /// all organizations, or of one.
    pub async fn active_credentials_after(
        &self,
        after: Option<&AfterProfile>,
        only: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        // CROSS keeps the order of the tables, which is the one that is asked for.
        sqlx::query(
            "SELECT v.* FROM organizations o CROSS JOIN credential_versions v
             WHERE o.slug >= ?1 AND (?4 IS NULL OR o.id = ?4)
               AND v.organization_id = o.id AND v.state = 'active'
               AND (o.slug, v.environment, v.provider) > (?1, ?2, ?3)
             ORDER BY o.slug, v.environment, v.provider LIMIT ?5",
        )
        .bind(after.map_or("", |after| after.organization.as_str()))
        .bind(after.map_or("", |after| after.environment.as_str()))
        .bind(after.map_or("", |after| after.provider.as_str()))
        .bind(only.map(|id| id.0))
        .bind(at_most(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }

    /// The fields of one version of that tenant.
    pub async fn credential_fields(
        &self,
        tenant: &Tenant,
        version: CredentialVersionId,
    ) -> Result<Vec<StoredField>, StoreError> {
        select_fields(&mut *self.readers.acquire().await?, tenant, version).await
    }
}

impl Write {
    pub async fn organization_key(
        &mut self,
        tenant: &Tenant,
    ) -> Result<Option<StoredKey>, StoreError> {
        select_key(&mut self.transaction, tenant).await
    }

    pub async fn insert_organization_key(
        &mut self,
        tenant: &Tenant,
        key: &StoredKey,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO organization_keys
                 (id, organization_id, environment, kek_id, sealed, created_at)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(key.id)
        .bind(tenant.organization.0)
        .bind(tenant.environment.as_str())
        .bind(&key.kek_id)
        .bind(&key.sealed)
        .bind(now.as_millisecond())
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "the key of this organization"))?;
        Ok(())
    }

    /// Stores a version and answers its number within the profile.
    pub async fn insert_credential(
        &mut self,
        new: &NewCredential<'_>,
        fields: &[SealedField<'_>],
    ) -> Result<i64, StoreError> {
        let tenant = &new.profile.tenant;
        let number: i64 = sqlx::query_scalar(
            "INSERT INTO credential_versions
                 (id, organization_id, environment, provider, version, state, state_at,
                  flow, issued_at, entered_at, entered_by)
             VALUES (?1, ?2, ?3, ?4,
                 (SELECT COALESCE(MAX(version), 0) + 1 FROM credential_versions
                  WHERE organization_id = ?2 AND environment = ?3 AND provider = ?4),
                 ?5, ?6, ?7, ?8, ?6, ?9)
             RETURNING version",
        )
        .bind(new.id.0)
        .bind(tenant.organization.0)
        .bind(tenant.environment.as_str())
        .bind(new.profile.provider.as_str())
        .bind(new.state.as_str())
        .bind(new.entered_at.as_millisecond())
        .bind(new.flow)
        .bind(new.issued_at.as_millisecond())
        .bind(new.entered_by)
        .fetch_one(&mut *self.transaction)
        .await
        .map_err(|error| {
            StoreError::unique(error, "another version of this credential in that state")
        })?;
        for field in fields {
            self.insert_field(new.id, field).await?;
        }
        Ok(number)
    }

    async fn insert_field(
        &mut self,
        version: CredentialVersionId,
        field: &SealedField<'_>,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO credential_fields (version_id, field, key_id, sealed, fingerprint)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(version.0)
        .bind(field.name)
        .bind(field.key_id)
        .bind(&field.sealed)
        .bind(&field.fingerprint)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

pub(super) async fn select_fields(
    connection: &mut sqlx::SqliteConnection,
    tenant: &Tenant,
    version: CredentialVersionId,
) -> Result<Vec<StoredField>, StoreError> {
    sqlx::query(
        "SELECT f.* FROM credential_fields f
         JOIN credential_versions v ON v.id = f.version_id
         WHERE v.id = ? AND v.organization_id = ? AND v.environment = ?
         ORDER BY f.field",
    )
    .bind(version.0)
    .bind(tenant.organization.0)
    .bind(tenant.environment.as_str())
    .fetch_all(connection)
    .await?
    .iter()
    .map(|row| {
        Ok(StoredField {
            name: get(row, "field")?,
            sealed: get(row, "sealed")?,
            fingerprint: get(row, "fingerprint")?,
        })
    })
    .collect()
}

fn refusal(row: &SqliteRow) -> Result<Option<Refusal>, StoreError> {
    let at = get_time_or_none(row, "refused_at")?;
    let message: Option<String> = get(row, "refusal")?;
    Ok(at.map(|at| Refusal {
        at,
        message: message.unwrap_or_default(),
    }))
}

async fn select_key(
    connection: &mut sqlx::SqliteConnection,
    tenant: &Tenant,
) -> Result<Option<StoredKey>, StoreError> {
    let row = sqlx::query(
        "SELECT id, kek_id, sealed FROM organization_keys
         WHERE organization_id = ? AND environment = ?",
    )
    .bind(tenant.organization.0)
    .bind(tenant.environment.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(|row| {
        Ok(StoredKey {
            id: get(&row, "id")?,
            kek_id: get(&row, "kek_id")?,
            sealed: get(&row, "sealed")?,
        })
    })
    .transpose()
}

pub(super) fn stored(row: &SqliteRow) -> Result<StoredCredential, StoreError> {
    let label: String = get(row, "state")?;
    Ok(StoredCredential {
        id: CredentialVersionId(get(row, "id")?),
        organization: get_organization_id(row, "organization_id")?,
        environment: get_name(row, "environment")?,
        provider: get_name(row, "provider")?,
        version: get(row, "version")?,
        state: CredentialState::from_label(&label)
            .ok_or(StoreError::Content("an unknown credential state"))?,
        state_at: get_time(row, "state_at")?,
        grace_ends_at: get_time_or_none(row, "grace_ends_at")?,
        flow: get(row, "flow")?,
        issued_at: get_time(row, "issued_at")?,
        entered_at: get_time(row, "entered_at")?,
        entered_by: get(row, "entered_by")?,
        verified_at: get_time_or_none(row, "verified_at")?,
        refused: refusal(row)?,
    })
}
