//! The rows of the audit log, and the sealed key of its chain. Macs are made elsewhere.

use std::sync::LazyLock;

use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Sqlite, SqliteConnection, query::Query};

use super::rows::{get, get_hash};
use super::{Store, StoreError, Write};
use crate::domain::audit::{AuditRecord, ChainMac};

/// Records that one statement takes: fewer would be dearer for each, more would not be cheaper.
const ROWS: usize = 50;
static INSERT_ONE: LazyLock<String> = LazyLock::new(|| insert(1));
static INSERT_ROWS: LazyLock<String> = LazyLock::new(|| insert(ROWS));

/// The sealed key of the audit chain.
pub struct StoredChainKey {
    pub kek_id: String,
    pub sealed: Vec<u8>,
}

/// A place in the chain: the record that the next one follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainPlace {
    pub seq: i64,
    pub mac: ChainMac,
}

/// The last removed record, and what vouches for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAnchor {
    pub place: ChainPlace,
    pub seal: Vec<u8>,
}

impl Store {
    pub async fn chain_key(&self) -> Result<Option<StoredChainKey>, StoreError> {
        select_key(&mut *self.readers.acquire().await?).await
    }
}

impl Write {
    pub async fn chain_key(&mut self) -> Result<Option<StoredChainKey>, StoreError> {
        select_key(&mut self.transaction).await
    }

    pub async fn insert_chain_key(&mut self, key: &StoredChainKey) -> Result<(), StoreError> {
        sqlx::query("INSERT INTO audit_key (id, kek_id, sealed) VALUES (1, ?, ?)")
            .bind(&key.kek_id)
            .bind(&key.sealed)
            .execute(&mut *self.transaction)
            .await
            .map_err(|error| StoreError::unique(error, "the key of the audit log"))?;
        Ok(())
    }

    /// What nobody but somebody else does.
    #[cfg(test)]
    pub(crate) async fn remove_chain_key(&mut self) -> Result<(), StoreError> {
        let remove = sqlx::query("DELETE FROM audit_key");
        remove.execute(&mut *self.transaction).await?;
        Ok(())
    }

    /// The record that the next one follows: the last one, or else the anchor.
    pub async fn audit_head(&mut self) -> Result<Option<ChainPlace>, StoreError> {
        match select_last(&mut self.transaction).await? {
            Some(last) => Ok(Some(last)),
            None => {
                let anchor = select_anchor(&mut self.transaction).await?;
                Ok(anchor.map(|anchor| anchor.place))
            }
        }
    }

    pub async fn audit_anchor(&mut self) -> Result<Option<StoredAnchor>, StoreError> {
        select_anchor(&mut self.transaction).await
    }

    /// Removes the rows up to the anchor's record, which is the last one of a row, and puts the
    /// anchor in their place.
    pub async fn remove_audit_records(&mut self, anchor: &StoredAnchor) -> Result<(), StoreError> {
        for statement in [
            "DELETE FROM audit_records WHERE seq <= ?",
            "DELETE FROM audit_calls WHERE first <= ?",
        ] {
            let removed = sqlx::query(statement).bind(anchor.place.seq);
            removed.execute(&mut *self.transaction).await?;
        }
        sqlx::query("INSERT OR REPLACE INTO audit_anchor (id, seq, mac, seal) VALUES (1, ?, ?, ?)")
            .bind(anchor.place.seq)
            .bind(anchor.place.mac.as_slice())
            .bind(&anchor.seal)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Adds records to the end of the log.
    pub async fn insert_audit_records(
        &mut self,
        records: Vec<AuditRecord>,
    ) -> Result<(), StoreError> {
        let mut records = records.into_iter();
        while records.len() >= ROWS {
            self.insert_records(&INSERT_ROWS, records.by_ref().take(ROWS))
                .await?;
        }
        for record in records {
            self.insert_records(&INSERT_ONE, std::iter::once(record))
                .await?;
        }
        Ok(())
    }

    async fn insert_records(
        &mut self,
        statement: &'static str,
        records: impl Iterator<Item = AuditRecord>,
    ) -> Result<(), StoreError> {
        records
            .fold(sqlx::query(AssertSqlSafe(statement)), bind)
            .execute(&mut *self.transaction)
            .await
            .map_err(|error| StoreError::unique(error, "an audit record of this number"))?;
        Ok(())
    }
}

/// The statement that inserts this many records.
fn insert(rows: usize) -> String {
    let row = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    format!(
        "INSERT INTO audit_records
             (seq, at, actor, organization_id, organization, environment, provider, action,
              target, version_id, outcome, duration_us, request_id, mac)
         VALUES {}",
        vec![row; rows].join(", ")
    )
}

fn bind(
    query: Query<'static, Sqlite, SqliteArguments>,
    record: AuditRecord,
) -> Query<'static, Sqlite, SqliteArguments> {
    let AuditRecord { seq, event, mac } = record;
    let organization = event.organization;
    query
        .bind(seq)
        .bind(event.at.as_millisecond())
        .bind(event.actor)
        .bind(
            organization
                .as_ref()
                .map(|organization| organization.uuid.0),
        )
        .bind(organization.map(|organization| organization.id.to_string()))
        .bind(event.environment.map(|name| name.to_string()))
        .bind(event.provider.map(|name| name.to_string()))
        .bind(event.action)
        .bind(event.target)
        .bind(event.version.map(|version| version.0))
        .bind(event.outcome)
        .bind(event.duration_us)
        .bind(event.request_id)
        .bind(mac.to_vec())
}

async fn select_key(
    connection: &mut SqliteConnection,
) -> Result<Option<StoredChainKey>, StoreError> {
    let row = sqlx::query("SELECT kek_id, sealed FROM audit_key")
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(StoredChainKey {
            kek_id: get(&row, "kek_id")?,
            sealed: get(&row, "sealed")?,
        })
    })
    .transpose()
}

/// The last record, which the next one follows.
pub(super) async fn select_last(
    connection: &mut SqliteConnection,
) -> Result<Option<ChainPlace>, StoreError> {
    sqlx::query(
        "SELECT * FROM (SELECT seq, mac FROM audit_records ORDER BY seq DESC LIMIT 1)
         UNION ALL SELECT * FROM
             (SELECT last, mac FROM audit_calls ORDER BY first DESC LIMIT 1)
         ORDER BY seq DESC LIMIT 1",
    )
    .fetch_optional(connection)
    .await?
    .as_ref()
    .map(place)
    .transpose()
}

pub(super) async fn select_anchor(
    connection: &mut SqliteConnection,
) -> Result<Option<StoredAnchor>, StoreError> {
    let row = sqlx::query("SELECT seq, mac, seal FROM audit_anchor")
        .fetch_optional(connection)
        .await?;
    row.map(|row| {
        Ok(StoredAnchor {
            place: place(&row)?,
            seal: get(&row, "seal")?,
        })
    })
    .transpose()
}

fn place(row: &SqliteRow) -> Result<ChainPlace, StoreError> {
    Ok(ChainPlace {
        seq: get(row, "seq")?,
        mac: get_hash(row, "mac")?,
    })
}
