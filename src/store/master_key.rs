//! What is sealed under which key of the key ring, and its change from one to another.

use std::path::Path;

use sqlx::sqlite::SqliteRow;
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::installation::open_to_read;
use super::rows::{get, get_name, get_organization_id};
use super::{Store, StoreError, StoredChainKey, StoredKey, Write, schema};
use crate::domain::organization::OrganizationId;
use crate::domain::tenant::Environment;

/// How much is sealed under a key of the key ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredKekUse {
    pub kek_id: String,
    pub organization_keys: i64,
    /// The key of the audit log is.
    pub audit_key: bool,
    /// New keys are: it is the one in use.
    pub in_use: bool,
}

/// The sealed key of a tenant, and whose it is.
pub struct StoredKeyOf {
    pub organization: OrganizationId,
    pub environment: Environment,
    pub key: StoredKey,
}

const USES: &str = "SELECT kek_id, SUM(keys) AS keys, MAX(audit) AS audit, MAX(in_use) AS in_use
     FROM (SELECT kek_id, COUNT(*) AS keys, 0 AS audit, 0 AS in_use
               FROM organization_keys GROUP BY kek_id
           UNION ALL SELECT kek_id, 0, 1, 0 FROM audit_key
           UNION ALL SELECT kek_id, 0, 0, 1 FROM installation)
     GROUP BY kek_id ORDER BY kek_id";

/// Reads through a read-only connection what is sealed under which key, whether there is a key
/// ring that opens it or not.
pub async fn peek_kek_uses(path: &Path) -> Result<Vec<StoredKekUse>, StoreError> {
    let mut connection = open_to_read(path).await?;
    let schema = schema::check(path, &mut connection, &schema::MIGRATIONS).await?;
    if schema.is_new {
        return Err(StoreError::Uninitialized(path.to_owned()));
    }
    if schema.pending.is_some() {
        return Err(StoreError::OldSchema(path.to_owned()));
    }
    let uses = kek_uses(&mut connection).await?;
    connection.close().await?;
    Ok(uses)
}

impl Write {
    pub async fn kek_uses(&mut self) -> Result<Vec<StoredKekUse>, StoreError> {
        kek_uses(&mut self.transaction).await
    }

    /// The key of the key ring that new keys are sealed under.
    pub async fn kek_in_use(&mut self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("SELECT kek_id FROM installation")
            .fetch_one(&mut *self.transaction)
            .await?)
    }

    /// From now on new keys are sealed under that key, which opens the check row.
    pub async fn set_kek_in_use(
        &mut self,
        kek_id: &str,
        key_check: &[u8],
    ) -> Result<(), StoreError> {
        sqlx::query("UPDATE installation SET kek_id = ?, key_check = ?")
            .bind(kek_id)
            .bind(key_check)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Up to `limit` organization keys after one, in order, that are sealed under another key.
    pub async fn organization_keys_not_under(
        &mut self,
        kek_id: &str,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<StoredKeyOf>, StoreError> {
        sqlx::query(
            "SELECT * FROM organization_keys WHERE id > ? AND kek_id != ? ORDER BY id LIMIT ?",
        )
        .bind(after)
        .bind(kek_id)
        .bind(limit)
        .fetch_all(&mut *self.transaction)
        .await?
        .iter()
        .map(key_of)
        .collect()
    }

    /// Puts another sealed form of an organization key in the place of the present one.
    pub async fn rewrap_organization_key(&mut self, key: &StoredKey) -> Result<(), StoreError> {
        sqlx::query("UPDATE organization_keys SET kek_id = ?, sealed = ? WHERE id = ?")
            .bind(&key.kek_id)
            .bind(&key.sealed)
            .bind(key.id)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// The same for the key of the audit log.
    pub async fn rewrap_chain_key(&mut self, key: &StoredChainKey) -> Result<(), StoreError> {
        sqlx::query("UPDATE audit_key SET kek_id = ?, sealed = ?")
            .bind(&key.kek_id)
            .bind(&key.sealed)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }
}

impl Store {
    /// The key of the key ring that new keys are sealed under.
    pub async fn kek_in_use(&self) -> Result<String, StoreError> {
        Ok(sqlx::query_scalar("SELECT kek_id FROM installation")
            .fetch_one(&self.readers)
            .await?)
    }

    /// Up to `limit` organization keys after one, in order.
    pub async fn organization_keys_after(
        &self,
        after: Uuid,
        limit: i64,
    ) -> Result<Vec<StoredKeyOf>, StoreError> {
        sqlx::query("SELECT * FROM organization_keys WHERE id > ? ORDER BY id LIMIT ?")
            .bind(after)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(key_of)
            .collect()
    }
}

async fn kek_uses(connection: &mut SqliteConnection) -> Result<Vec<StoredKekUse>, StoreError> {
    let rows = sqlx::query(USES).fetch_all(connection).await?;
    let read = |row: &SqliteRow| {
        Ok(StoredKekUse {
            kek_id: get(row, "kek_id")?,
            organization_keys: get(row, "keys")?,
            audit_key: get(row, "audit")?,
            in_use: get(row, "in_use")?,
        })
    };
    rows.iter().map(read).collect()
}

fn key_of(row: &SqliteRow) -> Result<StoredKeyOf, StoreError> {
    Ok(StoredKeyOf {
        organization: get_organization_id(row, "organization_id")?,
        environment: get_name(row, "environment")?,
        key: StoredKey {
            id: get(row, "id")?,
            kek_id: get(row, "kek_id")?,
            sealed: get(row, "sealed")?,
        },
    })
}
