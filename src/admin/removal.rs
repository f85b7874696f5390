//! The end of an organization: its keys first of all, without which nothing of it opens, wherever a
//! copy may be; and a receipt of it.

use jiff::Timestamp;
use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::actor::Right;
use crate::domain::organization::{OrganizationId, OrganizationSlug};
use crate::store::Removed;

/// How often it is tried to empty the log, and how to wait in between.
pub struct Patience<P> {
    pub attempts: u32,
    pub pause: P,
}

/// What was deleted, by whom, and where the proof of it is.
#[derive(Debug, Serialize)]
pub struct Receipt {
    /// The id, which another organization may have from now on.
    pub organization: OrganizationSlug,
    pub uuid: OrganizationId,
    pub name: String,
    pub deleted_at: Timestamp,
    /// As the audit log has it.
    pub deleted_by: String,
    /// The record in the audit log, which stays.
    pub audit_seq: i64,
    pub removed: RemovedCounts,
    /// Gateway keys that opened nothing else.
    pub revoked_keys: Vec<String>,
    /// Admin tokens that were for this organization.
    pub revoked_tokens: Vec<String>,
    /// Whether the database's write-ahead log was emptied: if not, it still has bytes of what was
    /// removed, until a running server has emptied it or the last one stopped.
    pub log_emptied: bool,
    pub note: &'static str,
}

/// How much of each kind was removed.
#[derive(Debug, Serialize)]
pub struct RemovedCounts {
    /// Without which no sealed value opens.
    pub organization_keys: u64,
    pub credential_versions: u64,
    pub sealed_fields: u64,
    pub grants: u64,
    pub limits: u64,
    pub settings: u64,
    pub days_of_usage: u64,
    pub reminders: u64,
}

const NOTE: &str = "Backups made before this still hold the organization's wrapped keys, which the \
     master key opens: they end with the last of those backups. Its credentials are still good at \
     the providers: revoke them there.";

impl Admin {
    /// Deletes an organization for good. The audit log stays. Waits for those who read in the
    /// database's write-ahead log as long as the patience lasts.
    pub async fn delete_organization<W: Future<Output = ()>>(
        &self,
        slug: &OrganizationSlug,
        patience: Patience<impl Fn() -> W>,
    ) -> Result<Receipt, AdminError> {
        let organization = self.organization(slug).await?;
        self.require(Right::Own)?;
        let now = self.now();
        let mut write = self.begin(&organization).await?;
        let removed = write.delete_organization(organization.id, now).await?;
        let revoked = |action, ids: &[String]| {
            let event = |id: &String| self.event(action).on(id.as_str());
            ids.iter().map(event).collect::<Vec<_>>()
        };
        let mut events = revoked("key.revoke", &removed.revoked_keys);
        events.extend(revoked("admin_token.revoke", &removed.revoked_tokens));
        events.push(self.event("org.delete"));
        let events = events
            .into_iter()
            .map(|event| event.of_organization(&organization));
        let audit_seq = self.audit.append_all(&mut write, events).await?;
        write.commit().await?;
        Ok(Receipt {
            deleted_at: now,
            deleted_by: self.actor.to_string(),
            audit_seq,
            removed: RemovedCounts::from(&removed),
            revoked_keys: removed.revoked_keys,
            revoked_tokens: removed.revoked_tokens,
            log_emptied: self.empty_log_within(patience).await,
            note: NOTE,
            organization: organization.slug,
            uuid: organization.id,
            name: organization.name,
        })
    }

    async fn empty_log_within<W: Future<Output = ()>>(
        &self,
        patience: Patience<impl Fn() -> W>,
    ) -> bool {
        for _ in 1..patience.attempts {
            if self.empty_log().await {
                return true;
            }
            (patience.pause)().await;
        }
        self.empty_log().await
    }

    /// Tries to leave nothing of what was deleted in the database's write-ahead log; `false` while
    /// somebody is reading in it. What is deleted is deleted, however this ends: a running server
    /// tries again.
    pub async fn empty_log(&self) -> bool {
        let emptied = self.store.empty_log().await;
        emptied.unwrap_or_else(|error| {
            tracing::warn!(%error, "the write-ahead log was not emptied");
            false
        })
    }
}

impl From<&Removed> for RemovedCounts {
    fn from(removed: &Removed) -> Self {
        Self {
            organization_keys: removed.organization_keys,
            credential_versions: removed.versions,
            sealed_fields: removed.fields,
            grants: removed.grants,
            limits: removed.limits,
            settings: removed.settings,
            days_of_usage: removed.usage,
            reminders: removed.reminders,
        }
    }
}
