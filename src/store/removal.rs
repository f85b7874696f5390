//! The end of an organization: every row that is its own, in one transaction, and the bytes that
//! the write-ahead log still has of them. `secure_delete` overwrites them in the file.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row, SqliteConnection};

use super::{Store, StoreError, Write};
use crate::domain::organization::OrganizationId;

/// An attempt to empty the log makes changes wait no longer than this.
const EMPTYING: Duration = Duration::from_millis(200);

/// What was removed with an organization.
#[derive(Debug, Default)]
pub struct Removed {
    pub organization_keys: u64,
    pub versions: u64,
    pub fields: u64,
    pub limits: u64,
    pub settings: u64,
    pub usage: u64,
    pub reminders: u64,
    pub health: u64,
    pub grants: u64,
    /// Gateway keys of which nothing is left.
    pub revoked_keys: Vec<String>,
    /// Tokens that were for this organization.
    pub revoked_tokens: Vec<String>,
}

impl Write {
    /// Deletes an organization and everything that is its own. The audit log stays.
    pub async fn delete_organization(
        &mut self,
        id: OrganizationId,
        now: Timestamp,
    ) -> Result<Removed, StoreError> {
        let removed = Removed {
            revoked_tokens: self.revoke_tokens_of(id, now).await?,
            revoked_keys: self.revoke_keys_of(id, now).await?,
            reminders: self
                .delete_of(
                    id,
                    "DELETE FROM reminders WHERE organization_id = ?1 OR subject IN
                         (SELECT key_id FROM gateway_key_grants WHERE organization_id = ?1
                          EXCEPT SELECT key_id FROM gateway_key_grants
                          WHERE organization_id != ?1)",
                )
                .await?,
            grants: self
                .delete_of(
                    id,
                    "DELETE FROM gateway_key_grants WHERE organization_id = ?",
                )
                .await?,
            fields: self
                .delete_of(
                    id,
                    "DELETE FROM credential_fields WHERE version_id IN
                         (SELECT id FROM credential_versions WHERE organization_id = ?)",
                )
                .await?,
            versions: self
                .delete_of(
                    id,
                    "DELETE FROM credential_versions WHERE organization_id = ?",
                )
                .await?,
            organization_keys: self
                .delete_of(
                    id,
                    "DELETE FROM organization_keys WHERE organization_id = ?",
                )
                .await?,
            limits: self
                .delete_of(id, "DELETE FROM tenant_limits WHERE organization_id = ?")
                .await?,
            settings: self
                .delete_of(id, "DELETE FROM tenant_settings WHERE organization_id = ?")
                .await?,
            usage: self
                .delete_of(id, "DELETE FROM tenant_usage WHERE organization_id = ?")
                .await?,
            health: self
                .delete_of(id, "DELETE FROM profile_health WHERE organization_id = ?")
                .await?,
        };
        self.forget_answers_about(id).await?;
        self.delete_of(id, "DELETE FROM organizations WHERE id = ?")
            .await?;
        self.note_unemptied_log().await?;
        Ok(removed)
    }

    /// What was deleted stands in the log until that is emptied, whoever does it.
    async fn note_unemptied_log(&mut self) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT OR REPLACE INTO unemptied_log (id, since) SELECT 1, value FROM revision",
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Forgets the answers to requests with an `Idempotency-Key` that name the organization.
    async fn forget_answers_about(&mut self, id: OrganizationId) -> Result<(), StoreError> {
        // Its own answer has it as `id`, all others as `organization`.
        self.delete_of(
            id,
            "DELETE FROM idempotency_keys WHERE EXISTS
                 (SELECT 1 FROM json_tree(iif(json_valid(answer), answer, 'null')) named
                  WHERE named.key IN ('id', 'organization')
                    AND named.atom = (SELECT slug FROM organizations WHERE id = ?))",
        )
        .await?;
        Ok(())
    }

    async fn delete_of(
        &mut self,
        id: OrganizationId,
        statement: &'static str,
    ) -> Result<u64, StoreError> {
        let done = sqlx::query(statement).bind(id.0);
        let done = done.execute(&mut *self.transaction).await?;
        Ok(done.rows_affected())
    }

    async fn revoke_tokens_of(
        &mut self,
        id: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "UPDATE admin_tokens SET revoked_at = ? WHERE organization_id = ?
                 AND revoked_at IS NULL RETURNING id",
        )
        .bind(now.as_millisecond())
        .bind(id.0)
        .fetch_all(&mut *self.transaction)
        .await?)
    }

    async fn revoke_keys_of(
        &mut self,
        id: OrganizationId,
        now: Timestamp,
    ) -> Result<Vec<String>, StoreError> {
        Ok(sqlx::query_scalar(
            "UPDATE gateway_keys SET revoked_at = ?2 WHERE revoked_at IS NULL AND id IN
                 (SELECT key_id FROM gateway_key_grants WHERE organization_id = ?1
                  EXCEPT SELECT key_id FROM gateway_key_grants WHERE organization_id != ?1
                      AND NOT revoked)
             RETURNING id",
        )
        .bind(id.0)
        .bind(now.as_millisecond())
        .fetch_all(&mut *self.transaction)
        .await?)
    }
}

impl Store {
    /// Brings all of the write-ahead log into the file and leaves the log empty, if something was
    /// deleted since the last time; `false` when somebody is reading what is in it. Others' changes
    /// wait meanwhile, so an attempt is short.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        let since: Option<i64> = sqlx::query_scalar("SELECT since FROM unemptied_log")
            .fetch_optional(&self.readers)
            .await?;
        let Some(since) = since else {
            return Ok(true);
        };
        let options = SqliteConnectOptions::new()
            .filename(&*self.path)
            .pragma("secure_delete", "ON")
            .busy_timeout(EMPTYING);
        let mut connection = options.connect().await?;
        let emptied = truncate_log(&mut connection).await;
        connection.close().await?;
        if !emptied? {
            return Ok(false);
        }
        // Not what was deleted meanwhile.
        let mut write = self.write().await?;
        sqlx::query("DELETE FROM unemptied_log WHERE since = ?")
            .bind(since)
            .execute(&mut *write.transaction)
            .await?;
        write.commit_unnoticed().await?;
        Ok(true)
    }
}

/// Whether the log is empty now (sqlite.org/pragma.html, `wal_checkpoint`).
pub(super) async fn truncate_log(connection: &mut SqliteConnection) -> Result<bool, StoreError> {
    let row = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)")
        .fetch_one(connection)
        .await?;
    let busy: i64 = row.try_get(0)?;
    Ok(busy == 0)
}
