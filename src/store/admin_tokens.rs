//! Admin tokens, as hashes.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::keys::place;
use super::rows::{at_most, get, get_hash, get_time, get_time_or_none};
use super::{Store, StoreError, Write};
use crate::domain::actor::Role;
use crate::domain::bearer_secret::SecretHash;
use crate::domain::organization::OrganizationId;
use crate::domain::page::AfterId;

/// A token to be stored.
pub struct NewAdminToken<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub role: Role,
    pub organization: Option<OrganizationId>,
    pub hash: SecretHash,
    pub created_at: Timestamp,
    pub created_by: &'a str,
    pub expires_at: Option<Timestamp>,
}

/// A stored token.
pub struct AdminTokenRow {
    pub id: String,
    pub name: String,
    pub role: Role,
    /// The one that it is for; `None` stands for all.
    pub organization: Option<OrganizationId>,
    pub hash: SecretHash,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    /// Raised by every change of it.
    pub revision: i64,
}

impl Store {
    /// Some of the tokens, oldest first, revoked ones too.
    pub async fn admin_tokens_after(
        &self,
        after: Option<&AfterId>,
        limit: usize,
    ) -> Result<Vec<AdminTokenRow>, StoreError> {
        let (created_at, id) = place(after);
        sqlx::query(
            "SELECT * FROM admin_tokens WHERE (created_at, id) > (?, ?)
             ORDER BY created_at, id LIMIT ?",
        )
        .bind(created_at)
        .bind(id)
        .bind(at_most(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(token)
        .collect()
    }

    pub async fn admin_token(&self, id: &str) -> Result<Option<AdminTokenRow>, StoreError> {
        sqlx::query("SELECT * FROM admin_tokens WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?
            .as_ref()
            .map(token)
            .transpose()
    }
}

impl Write {
    pub async fn insert_admin_token(&mut self, new: &NewAdminToken<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO admin_tokens
                 (id, name, role, organization_id, hash, created_at, created_by, expires_at)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.id)
        .bind(new.name)
        .bind(new.role.as_str())
        .bind(new.organization.map(|organization| organization.0))
        .bind(new.hash.as_slice())
        .bind(new.created_at.as_millisecond())
        .bind(new.created_by)
        .bind(new.expires_at.map(Timestamp::as_millisecond))
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "an admin token of this id"))?;
        Ok(())
    }

    pub async fn admin_token_revision(&mut self, id: &str) -> Result<Option<i64>, StoreError> {
        Ok(
            sqlx::query_scalar("SELECT revision FROM admin_tokens WHERE id = ?")
                .bind(id)
                .fetch_optional(&mut *self.transaction)
                .await?,
        )
    }

    /// Whether there is an owner token that works.
    pub async fn has_owner_token(&mut self, now: Timestamp) -> Result<bool, StoreError> {
        let any: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM admin_tokens
             WHERE role = 'owner' AND revoked_at IS NULL AND COALESCE(expires_at, ?1 + 1) > ?1)",
        )
        .bind(now.as_millisecond())
        .fetch_one(&mut *self.transaction)
        .await?;
        Ok(any)
    }

    /// Revokes a token; `false` when there is none that still works.
    pub async fn revoke_admin_token(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE admin_tokens SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
        )
        .bind(now.as_millisecond())
        .bind(id)
        .execute(&mut *self.transaction)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn token(row: &SqliteRow) -> Result<AdminTokenRow, StoreError> {
    let label: String = get(row, "role")?;
    Ok(AdminTokenRow {
        id: get(row, "id")?,
        name: get(row, "name")?,
        role: Role::from_label(&label).ok_or(StoreError::Content("an unknown role"))?,
        organization: get::<Option<Uuid>>(row, "organization_id")?.map(OrganizationId),
        hash: get_hash(row, "hash")?,
        created_at: get_time(row, "created_at")?,
        created_by: get(row, "created_by")?,
        expires_at: get_time_or_none(row, "expires_at")?,
        revoked_at: get_time_or_none(row, "revoked_at")?,
        revision: get(row, "revision")?,
    })
}
