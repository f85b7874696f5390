//! The life of credential versions: which are there, and in which state each is.

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::credentials::{StoredCredential, StoredField, select_fields, stored};
use super::rows::take_each;
use super::{Store, StoreError, Write};
use crate::domain::credential::{CredentialState, CredentialVersionId, ProfileKey};
use crate::domain::tenant::Tenant;

/// A version of a profile, and what is beside it.
pub struct StoredRotation {
    pub version: StoredCredential,
    pub fields: Vec<StoredField>,
    /// The versions of the profile that are not over, newest first.
    pub living: Vec<StoredCredential>,
}

impl Store {
    /// The versions of all tenants that calls may use, active and retiring: what a running server
    /// works with.
    pub async fn each_usable_credential(
        &self,
        mut take: impl FnMut(StoredCredential),
    ) -> Result<(), StoreError> {
        // Two questions, so that each has its index.
        let question = "SELECT * FROM credential_versions WHERE state = 'active'
             UNION ALL SELECT * FROM credential_versions WHERE state = 'retiring'";
        take_each(&self.readers, question, |row| {
            take(stored(row)?);
            Ok(())
        })
        .await
    }

    /// The retiring versions of all tenants whose grace is over.
    pub async fn ended_graces(&self, now: Timestamp) -> Result<Vec<StoredCredential>, StoreError> {
        sqlx::query(
            "SELECT * FROM credential_versions WHERE state = 'retiring' AND grace_ends_at <= ?",
        )
        .bind(now.as_millisecond())
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }

    /// The versions of a profile that are not over, newest first.
    pub async fn living_versions(
        &self,
        profile: &ProfileKey,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        select_living(&mut *self.readers.acquire().await?, profile).await
    }

    pub async fn rotation(
        &self,
        profile: &ProfileKey,
        version: CredentialVersionId,
    ) -> Result<Option<StoredRotation>, StoreError> {
        select_rotation(&mut *self.readers.acquire().await?, profile, version).await
    }

    /// All versions of a profile, newest first.
    pub async fn credential_versions(
        &self,
        profile: &ProfileKey,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        sqlx::query(
            "SELECT * FROM credential_versions
             WHERE organization_id = ? AND environment = ? AND provider = ?
             ORDER BY version DESC",
        )
        .bind(profile.tenant.organization.0)
        .bind(profile.tenant.environment.as_str())
        .bind(profile.provider.as_str())
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored)
        .collect()
    }
}

impl Write {
    /// The versions of a profile that are not over, newest first.
    pub async fn living_versions(
        &mut self,
        profile: &ProfileKey,
    ) -> Result<Vec<StoredCredential>, StoreError> {
        select_living(&mut self.transaction, profile).await
    }

    pub async fn rotation(
        &mut self,
        profile: &ProfileKey,
        version: CredentialVersionId,
    ) -> Result<Option<StoredRotation>, StoreError> {
        select_rotation(&mut self.transaction, profile, version).await
    }

    /// Moves a version of that tenant from one state to another; `false` when it is not in the
    /// first. `grace_ends` is for one that is to retire.
    pub async fn set_version_state(
        &mut self,
        tenant: &Tenant,
        version: CredentialVersionId,
        (from, to): (CredentialState, CredentialState),
        now: Timestamp,
        grace_ends: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE credential_versions SET state = ?, state_at = ?, grace_ends_at = ?
             WHERE id = ? AND organization_id = ? AND environment = ? AND state = ?",
        )
        .bind(to.as_str())
        .bind(now.as_millisecond())
        .bind(grace_ends.map(Timestamp::as_millisecond))
        .bind(version.0)
        .bind(tenant.organization.0)
        .bind(tenant.environment.as_str())
        .bind(from.as_str())
        .execute(&mut *self.transaction)
        .await?;
        if to.is_over() && done.rows_affected() == 1 {
            self.forget_fields(version).await?;
        }
        Ok(done.rows_affected() == 1)
    }

    /// Overwrites the sealed bytes of a version; its fingerprints stay.
    async fn forget_fields(&mut self, version: CredentialVersionId) -> Result<(), StoreError> {
        sqlx::query("UPDATE credential_fields SET sealed = NULL WHERE version_id = ?")
            .bind(version.0)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Notes that a login with a version of that tenant succeeded.
    pub async fn set_verified(
        &mut self,
        tenant: &Tenant,
        version: CredentialVersionId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE credential_versions SET verified_at = ?
             WHERE id = ? AND organization_id = ? AND environment = ?",
        )
        .bind(now.as_millisecond())
        .bind(version.0)
        .bind(tenant.organization.0)
        .bind(tenant.environment.as_str())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Notes that the login endpoint refused a version of that tenant, and in which words.
    pub async fn set_refused(
        &mut self,
        tenant: &Tenant,
        version: CredentialVersionId,
        now: Timestamp,
        words: &str,
    ) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE credential_versions SET refused_at = ?, refusal = ?
             WHERE id = ? AND organization_id = ? AND environment = ?",
        )
        .bind(now.as_millisecond())
        .bind(words)
        .bind(version.0)
        .bind(tenant.organization.0)
        .bind(tenant.environment.as_str())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

async fn select_living(
    connection: &mut SqliteConnection,
    profile: &ProfileKey,
) -> Result<Vec<StoredCredential>, StoreError> {
    sqlx::query(
        "SELECT * FROM credential_versions
         WHERE organization_id = ? AND environment = ? AND provider = ?
           AND state NOT IN ('revoked', 'cancelled')
         ORDER BY version DESC",
    )
    .bind(profile.tenant.organization.0)
    .bind(profile.tenant.environment.as_str())
    .bind(profile.provider.as_str())
    .fetch_all(connection)
    .await?
    .iter()
    .map(stored)
    .collect()
}

async fn select_rotation(
    connection: &mut SqliteConnection,
    profile: &ProfileKey,
    version: CredentialVersionId,
) -> Result<Option<StoredRotation>, StoreError> {
    let row = sqlx::query(
        "SELECT * FROM credential_versions
         WHERE id = ? AND organization_id = ? AND environment = ? AND provider = ?",
    )
    .bind(version.0)
    .bind(profile.tenant.organization.0)
    .bind(profile.tenant.environment.as_str())
    .bind(profile.provider.as_str())
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(StoredRotation {
        version: stored(&row)?,
        fields: select_fields(connection, &profile.tenant, version).await?,
        living: select_living(connection, profile).await?,
    }))
}
