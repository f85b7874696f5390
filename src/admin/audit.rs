//! The audit log: read it in pages, verify it, sign its end, let old records go.
//!
//! Who administers one organization sees that organization's records and no others. A record is
//! shown as it stands, also when somebody has changed it: `audit_verify` says so.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::{Admin, AdminError};
use crate::audit::{Checkpoint, Old, Verification};
use crate::domain::actor::Right;
use crate::domain::audit::{StoredRecord, mac_text};
use crate::store::{AuditQuery, PageStart, Store};

/// A longer page is cut to this.
pub const MAX_AUDIT_PAGE: u32 = 1_000;

/// Records that became old within such a time are removed without being asked for.
const STEP: SignedDuration = SignedDuration::from_hours(31 * 24);

/// Which records are asked for.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Id or UUID of an organization; one that was deleted has its records still.
    pub organization: Option<String>,
    pub environment: Option<String>,
    pub provider: Option<String>,
    /// As it stands in the log: `local:…`, `token:…`, `key:…`.
    pub actor: Option<String>,
    /// `credential.set`; with `*` at its end, all that begins with it.
    pub action: Option<String>,
    pub outcome: Option<String>,
    pub since: Option<Timestamp>,
    /// Not included.
    pub until: Option<Timestamp>,
}

/// Where a page begins, and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditOrder {
    /// After this record; 0 begins with the first.
    OldestFirst(i64),
    /// Before this record; `None` begins with the last.
    NewestFirst(Option<i64>),
}

/// A record, as it may be shown.
#[derive(Debug, Clone, Serialize)]
pub struct AuditEntry {
    pub seq: i64,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub outcome: String,
    /// As it was called at the time.
    pub organization: Option<String>,
    pub organization_uuid: Option<Uuid>,
    pub environment: Option<String>,
    pub provider: Option<String>,
    pub target: Option<String>,
    /// The credential version that was used or acted on.
    pub version: Option<Uuid>,
    pub duration_us: Option<i64>,
    pub request_id: Option<String>,
    /// What a checkpoint of this record has.
    pub mac: String,
}

/// Records, and where the next page begins: a page may be short, or empty, although there are more.
#[derive(Debug, Serialize)]
pub struct AuditPage {
    pub items: Vec<AuditEntry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<i64>,
}

/// What a filter asks for, of what the actor may see. What it names is there, or was.
pub struct AuditSearch {
    pub(super) store: Store,
    /// One for each organization, where the filter names any.
    pub(super) queries: Vec<AuditQuery>,
}

impl AuditSearch {
    pub async fn page(&self, order: AuditOrder, limit: u32) -> Result<AuditPage, AdminError> {
        let start = match order {
            AuditOrder::OldestFirst(seq) => PageStart::After(seq),
            AuditOrder::NewestFirst(seq) => PageStart::Before(seq.unwrap_or(i64::MAX)),
        };
        let limit = limit.clamp(1, MAX_AUDIT_PAGE) as usize;
        let page = self.store.audit_page(&self.queries, start, limit).await?;
        Ok(AuditPage {
            items: page.records.into_iter().map(entry).collect(),
            next: page.next,
        })
    }
}

impl Admin {
    /// One page, in a time that does not grow with the log.
    pub async fn audit_page(
        &self,
        filter: &AuditFilter,
        order: AuditOrder,
        limit: u32,
    ) -> Result<AuditPage, AdminError> {
        let search = self.search_within(filter, 1).await?;
        search.page(order, limit).await
    }

    /// Follows the whole log from record to record. A checkpoint of another database is refused.
    pub async fn audit_verify(
        &self,
        checkpoint: Option<&Checkpoint>,
    ) -> Result<Verification, AdminError> {
        self.require(Right::Read)?;
        Ok(self.audit.verify(&self.store, checkpoint).await?)
    }

    /// Signs the end of the log: to be kept elsewhere.
    pub async fn audit_checkpoint(&self) -> Result<Checkpoint, AdminError> {
        self.require(Right::Read)?;
        Ok(self.audit.checkpoint(&self.store, self.now()).await?)
    }

    /// Removes records that are older than this, as time goes by: much that is old at once is the
    /// clock's doing, or wants a word. Answers how many they were.
    pub async fn audit_retain(&self, retention: Duration) -> Result<u64, AdminError> {
        let span = Some(STEP);
        match self.end_of_retention(retention) {
            Some(before) => self.forget_records(Old { before, span }).await,
            None => Ok(0),
        }
    }

    /// Removes all records from before a time that `retention` does not cover. Answers how many they
    /// were.
    pub async fn audit_retain_before(
        &self,
        before: Timestamp,
        retention: Duration,
    ) -> Result<u64, AdminError> {
        let end = self.end_of_retention(retention);
        if end.is_none_or(|end| before > end) {
            let message = "later records are to be kept, as audit.retention says";
            return Err(AdminError::unfit("before", message));
        }
        self.forget_records(Old { before, span: None }).await
    }

    /// Until when records are old.
    fn end_of_retention(&self, retention: Duration) -> Option<Timestamp> {
        let age = SignedDuration::try_from(retention).ok()?;
        self.now().checked_sub(age).ok()
    }

    async fn forget_records(&self, old: Old) -> Result<u64, AdminError> {
        self.require(Right::Own)?;
        let mut all = 0;
        loop {
            let event = self.event("audit.retention");
            match self.audit.forget(&self.store, old, event).await? {
                0 => return Ok(all),
                removed => all += removed,
            }
        }
    }
}

fn entry(record: StoredRecord) -> AuditEntry {
    let uuid = |bytes: Option<Vec<u8>>| Uuid::from_slice(&bytes?).ok();
    AuditEntry {
        seq: record.seq,
        at: Timestamp::from_millisecond(record.at).unwrap_or(Timestamp::MIN),
        actor: record.actor,
        action: record.action,
        outcome: record.outcome,
        organization: record.organization,
        organization_uuid: uuid(record.organization_id),
        environment: record.environment,
        provider: record.provider,
        target: record.target,
        version: uuid(record.version_id),
        duration_us: record.duration_us,
        request_id: record.request_id,
        mac: mac_text(&record.mac),
    }
}
