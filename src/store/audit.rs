//! The rows of the audit log, and the sealed key of its chain. Macs are made elsewhere.

use sqlx::SqliteConnection;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::rows::{get, get_hash, get_name_or_none, get_time};
use super::{Store, StoreError, Write};
use crate::domain::audit::{AuditEvent, AuditRecord, AuditedOrganization, ChainMac};
use crate::domain::credential::CredentialVersionId;
use crate::domain::organization::OrganizationId;

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
pub struct StoredAnchor {
    pub place: ChainPlace,
    pub seal: Vec<u8>,
}

impl Store {
    pub async fn chain_key(&self) -> Result<Option<StoredChainKey>, StoreError> {
        select_key(&mut *self.readers.acquire().await?).await
    }

    pub async fn audit_anchor(&self) -> Result<Option<StoredAnchor>, StoreError> {
        select_anchor(&mut *self.readers.acquire().await?).await
    }

    /// Up to `limit` records from `first` on, in order.
    pub async fn audit_from(&self, first: i64, limit: i64) -> Result<Vec<AuditRecord>, StoreError> {
        sqlx::query("SELECT * FROM audit_records WHERE seq >= ? ORDER BY seq LIMIT ?")
            .bind(first)
            .bind(limit)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(record)
            .collect()
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

    /// The record that the next one follows: the last one, or else the anchor.
    pub async fn audit_head(&mut self) -> Result<Option<ChainPlace>, StoreError> {
        let last = sqlx::query("SELECT seq, mac FROM audit_records ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut *self.transaction)
            .await?;
        match last {
            Some(row) => Ok(Some(place(&row)?)),
            None => {
                let anchor = select_anchor(&mut self.transaction).await?;
                Ok(anchor.map(|anchor| anchor.place))
            }
        }
    }

    pub async fn insert_audit_record(&mut self, record: &AuditRecord) -> Result<(), StoreError> {
        let AuditRecord { seq, event, mac } = record;
        let organization = event.organization.as_ref();
        sqlx::query(
            "INSERT INTO audit_records
                 (seq, at, actor, organization_id, organization, environment, provider, action,
                  target, version_id, outcome, duration_us, request_id, mac)
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(seq)
        .bind(event.at.as_millisecond())
        .bind(&event.actor)
        .bind(organization.map(|organization| organization.uuid.0))
        .bind(organization.map(|organization| organization.id.as_str()))
        .bind(event.environment.as_ref().map(|name| name.as_str()))
        .bind(event.provider.as_ref().map(|name| name.as_str()))
        .bind(&event.action)
        .bind(&event.target)
        .bind(event.version.map(|version| version.0))
        .bind(&event.outcome)
        .bind(event.duration_us)
        .bind(&event.request_id)
        .bind(mac.as_slice())
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "an audit record of this number"))?;
        Ok(())
    }
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

async fn select_anchor(
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

fn record(row: &SqliteRow) -> Result<AuditRecord, StoreError> {
    let uuid: Option<Uuid> = get(row, "organization_id")?;
    let organization = match (uuid, get_name_or_none(row, "organization")?) {
        (Some(uuid), Some(id)) => Some(AuditedOrganization {
            uuid: OrganizationId(uuid),
            id,
        }),
        (None, None) => None,
        _ => return Err(StoreError::Content("half an organization")),
    };
    Ok(AuditRecord {
        seq: get(row, "seq")?,
        event: AuditEvent {
            at: get_time(row, "at")?,
            actor: get(row, "actor")?,
            organization,
            environment: get_name_or_none(row, "environment")?,
            provider: get_name_or_none(row, "provider")?,
            action: get(row, "action")?,
            target: get(row, "target")?,
            version: get::<Option<Uuid>>(row, "version_id")?.map(CredentialVersionId),
            outcome: get(row, "outcome")?,
            duration_us: get(row, "duration_us")?,
            request_id: get(row, "request_id")?,
        },
        mac: get_hash(row, "mac")?,
    })
}
