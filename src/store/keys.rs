//! Gateway keys and their grants.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::sqlite::SqliteRow;

use super::rows::{
    at_most, get, get_hash, get_organization_id, get_scope, get_time, get_time_or_none, take_each,
};
use super::{Store, StoreError, Write};
use crate::domain::bearer_secret::SecretHash;
use crate::domain::organization::OrganizationId;
use crate::domain::page::AfterId;
use crate::domain::principal::{Grant, Scope, ToolFilter};
use crate::domain::tenant::Environment;
use crate::domain::tool::ToolName;

/// A key to be stored.
pub struct NewGatewayKey<'a> {
    pub id: &'a str,
    pub name: &'a str,
    pub hash: SecretHash,
    pub created_at: Timestamp,
    pub created_by: &'a str,
    pub expires_at: Option<Timestamp>,
    /// The key whose place it takes.
    pub replaces: Option<&'a str>,
}

/// A grant to be stored with its key.
pub struct NewGrant<'a> {
    pub organization: OrganizationId,
    pub environments: &'a Scope<Environment>,
    pub tools: &'a Scope<ToolName>,
    pub read_only: bool,
}

/// A stored key with its grants.
pub struct GatewayKeyRow {
    pub id: String,
    pub name: String,
    pub hash: SecretHash,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub revoked_at: Option<Timestamp>,
    pub created_by: String,
    pub replaces: Option<String>,
    /// Raised by every change of it.
    pub revision: i64,
    pub grants: Vec<Grant>,
}

impl GatewayKeyRow {
    /// Whether it is neither revoked nor over.
    pub fn works_at(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }

    /// What of it nobody ended by itself.
    pub fn unrevoked(&self) -> impl Iterator<Item = &Grant> {
        self.grants.iter().filter(|grant| !grant.revoked)
    }

    /// When what it opens in one organization runs out.
    pub fn end_of(&self, grant: &Grant) -> Option<Timestamp> {
        [self.expires_at, grant.ends_at].into_iter().flatten().min()
    }

    /// When the last of what it opens runs out. What was ended by itself counts where that is all.
    pub fn end(&self) -> Option<Timestamp> {
        let is_left = self.unrevoked().next().is_some();
        let left = self.grants.iter().filter(|grant| grant.revoked != is_left);
        let ends = left.map(|grant| self.end_of(grant));
        let last = ends.max_by_key(|end| end.unwrap_or(Timestamp::MAX));
        last.unwrap_or(self.expires_at)
    }
}

impl Store {
    /// All keys, oldest first, revoked ones too.
    pub async fn gateway_keys(&self) -> Result<Vec<GatewayKeyRow>, StoreError> {
        let mut keys = Vec::new();
        self.each_gateway_key(|key| keys.push(key)).await?;
        Ok(keys)
    }

    /// The same, one by one.
    pub async fn each_gateway_key(
        &self,
        mut take: impl FnMut(GatewayKeyRow),
    ) -> Result<(), StoreError> {
        let mut grants: HashMap<String, Vec<Grant>> = HashMap::new();
        let mut kinds = Kinds::default();
        let question = "SELECT * FROM gateway_key_grants ORDER BY key_id, organization_id";
        take_each(&self.readers, question, |row| {
            let grant = kinds.grant(row)?;
            match grants.get_mut(get::<&str>(row, "key_id")?) {
                Some(grants) => grants.push(grant),
                // Most keys have one grant.
                None => drop(grants.insert(get(row, "key_id")?, vec![grant])),
            }
            Ok(())
        })
        .await?;
        let question = "SELECT * FROM gateway_keys ORDER BY created_at, id";
        take_each(&self.readers, question, |row| {
            take(key(row, &mut grants)?);
            Ok(())
        })
        .await
    }

    /// Some of the keys, oldest first, revoked ones too: of those that open anything, or of those
    /// that open one organization.
    pub async fn gateway_keys_after(
        &self,
        after: Option<&AfterId>,
        organization: Option<OrganizationId>,
        limit: usize,
    ) -> Result<Vec<GatewayKeyRow>, StoreError> {
        let question = match organization {
            None => {
                "SELECT * FROM gateway_keys
                 WHERE (created_at, id) > (?1, ?2)
                   AND EXISTS (SELECT 1 FROM gateway_key_grants WHERE key_id = id)
                 ORDER BY created_at, id LIMIT ?3"
            }
            Some(_) => {
                "SELECT * FROM gateway_keys
                 WHERE (created_at, id) > (?1, ?2)
                   AND id IN (SELECT key_id FROM gateway_key_grants WHERE organization_id = ?4)
                 ORDER BY created_at, id LIMIT ?3"
            }
        };
        let (created_at, id) = place(after);
        let mut reader = self.readers.begin().await?;
        let rows = sqlx::query(question)
            .bind(created_at)
            .bind(id)
            .bind(at_most(limit))
            .bind(organization.map(|id| id.0))
            .fetch_all(&mut *reader)
            .await?;
        let ids = rows.iter().map(|row| get::<&str>(row, "id"));
        let ids: serde_json::Value = ids.collect::<Result<_, _>>()?;
        let mut grants: HashMap<String, Vec<Grant>> = HashMap::new();
        let mut kinds = Kinds::default();
        let of_these = "SELECT * FROM gateway_key_grants
             WHERE key_id IN (SELECT value FROM json_each(?)) ORDER BY key_id, organization_id";
        let found = sqlx::query(of_these).bind(ids.to_string());
        for row in found.fetch_all(&mut *reader).await? {
            let of_key = grants.entry(get(&row, "key_id")?).or_default();
            of_key.push(kinds.grant(&row)?);
        }
        rows.iter().map(|row| key(row, &mut grants)).collect()
    }

    /// A key, revoked ones too.
    pub async fn gateway_key(&self, id: &str) -> Result<Option<GatewayKeyRow>, StoreError> {
        let mut reader = self.readers.begin().await?;
        let found = sqlx::query("SELECT * FROM gateway_keys WHERE id = ?").bind(id);
        let Some(row) = found.fetch_optional(&mut *reader).await? else {
            return Ok(None);
        };
        let of_it = sqlx::query("SELECT * FROM gateway_key_grants WHERE key_id = ?").bind(id);
        let found = of_it.fetch_all(&mut *reader).await?;
        let mut kinds = Kinds::default();
        let grants = found.iter().map(|row| kinds.grant(row));
        let grants = grants.collect::<Result<_, _>>()?;
        key(&row, &mut HashMap::from([(id.to_owned(), grants)])).map(Some)
    }
}

impl Write {
    pub async fn insert_gateway_key(&mut self, new: &NewGatewayKey<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO gateway_keys
                 (id, name, hash, created_at, created_by, expires_at, replaces)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(new.id)
        .bind(new.name)
        .bind(new.hash.as_slice())
        .bind(new.created_at.as_millisecond())
        .bind(new.created_by)
        .bind(new.expires_at.map(|time| time.as_millisecond()))
        .bind(new.replaces)
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "a key of this id"))?;
        Ok(())
    }

    pub async fn insert_grant(&mut self, key: &str, new: &NewGrant<'_>) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO gateway_key_grants
                 (key_id, organization_id, environments, tools, read_only)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(key)
        .bind(new.organization.0)
        .bind(scope_text(new.environments)?)
        .bind(scope_text(new.tools)?)
        .bind(new.read_only)
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "a grant for this organization"))?;
        Ok(())
    }

    /// Lets what a key opens in some organizations end at `end`, if it does not sooner.
    pub async fn end_grants(
        &mut self,
        key: &str,
        organizations: impl IntoIterator<Item = OrganizationId>,
        end: Timestamp,
    ) -> Result<(), StoreError> {
        for organization in organizations {
            sqlx::query(
                "UPDATE gateway_key_grants SET ends_at = MIN(COALESCE(ends_at, ?1), ?1)
                 WHERE key_id = ?2 AND organization_id = ?3 AND NOT revoked",
            )
            .bind(end.as_millisecond())
            .bind(key)
            .bind(organization.0)
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }

    /// Revokes what a key opens in some organizations.
    pub async fn revoke_grants(
        &mut self,
        key: &str,
        organizations: impl IntoIterator<Item = OrganizationId>,
    ) -> Result<(), StoreError> {
        for organization in organizations {
            sqlx::query(
                "UPDATE gateway_key_grants SET revoked = 1
                 WHERE key_id = ? AND organization_id = ? AND NOT revoked",
            )
            .bind(key)
            .bind(organization.0)
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }

    pub async fn gateway_key_revision(&mut self, id: &str) -> Result<Option<i64>, StoreError> {
        Ok(
            sqlx::query_scalar("SELECT revision FROM gateway_keys WHERE id = ?")
                .bind(id)
                .fetch_optional(&mut *self.transaction)
                .await?,
        )
    }

    /// Lets a key end at `end`.
    pub async fn end_gateway_key(&mut self, id: &str, end: Timestamp) -> Result<(), StoreError> {
        sqlx::query("UPDATE gateway_keys SET expires_at = ? WHERE id = ? AND revoked_at IS NULL")
            .bind(end.as_millisecond())
            .bind(id)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Revokes a key; `false` when there is none that still works.
    pub async fn revoke_gateway_key(
        &mut self,
        id: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE gateway_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
        )
        .bind(now.as_millisecond())
        .bind(id)
        .execute(&mut *self.transaction)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

/// What a list by age is bound to.
pub(super) fn place(after: Option<&AfterId>) -> (i64, &str) {
    after.map_or((i64::MIN, ""), |after| {
        (after.created_at.as_millisecond(), &after.id)
    })
}

/// A key with its grants, which are taken out of those of all.
fn key(
    row: &SqliteRow,
    grants: &mut HashMap<String, Vec<Grant>>,
) -> Result<GatewayKeyRow, StoreError> {
    let id: String = get(row, "id")?;
    Ok(GatewayKeyRow {
        grants: grants.remove(&id).unwrap_or_default(),
        name: get(row, "name")?,
        hash: get_hash(row, "hash")?,
        created_at: get_time(row, "created_at")?,
        expires_at: get_time_or_none(row, "expires_at")?,
        revoked_at: get_time_or_none(row, "revoked_at")?,
        created_by: get(row, "created_by")?,
        replaces: get(row, "replaces")?,
        revision: get(row, "revision")?,
        id,
    })
}

/// What was read of grants: most of them open the same, and each kind is kept once.
#[derive(Default)]
struct Kinds {
    environments: HashMap<Option<String>, Arc<Scope<Environment>>>,
    filters: HashMap<(Option<String>, bool), Arc<ToolFilter>>,
}

impl Kinds {
    fn grant(&mut self, row: &SqliteRow) -> Result<Grant, StoreError> {
        Ok(Grant {
            organization: get_organization_id(row, "organization_id")?,
            environments: self.environments(row)?,
            filter: self.filter(row)?,
            ends_at: get_time_or_none(row, "ends_at")?,
            revoked: get(row, "revoked")?,
        })
    }

    fn environments(&mut self, row: &SqliteRow) -> Result<Arc<Scope<Environment>>, StoreError> {
        let text = get(row, "environments")?;
        if let Some(known) = self.environments.get(&text) {
            return Ok(known.clone());
        }
        let scope = Arc::new(get_scope(row, "environments")?);
        self.environments.insert(text, scope.clone());
        Ok(scope)
    }

    fn filter(&mut self, row: &SqliteRow) -> Result<Arc<ToolFilter>, StoreError> {
        let kind = (get(row, "tools")?, get(row, "read_only")?);
        if let Some(known) = self.filters.get(&kind) {
            return Ok(known.clone());
        }
        let filter = Arc::new(ToolFilter {
            tools: get_scope(row, "tools")?,
            read_only: kind.1,
        });
        self.filters.insert(kind, filter.clone());
        Ok(filter)
    }
}

fn scope_text<T: Ord + Serialize>(scope: &Scope<T>) -> Result<Option<String>, StoreError> {
    match scope {
        Scope::All => Ok(None),
        Scope::Only(items) => serde_json::to_string(items)
            .map(Some)
            .map_err(|_| StoreError::Content("a list that is no JSON")),
    }
}
