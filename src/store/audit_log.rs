//! Reading the audit log: as it stands, whatever somebody has made of it. Records of calls stand in
//! batches (`audit_calls`), all others are rows; a reader sees one sequence.
//!
//! Nothing is parsed on the way: a record whose columns make no sense any more is what a reader of
//! this log may be looking for.

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::sync::LazyLock;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, Sqlite, SqliteConnection, Transaction};
use uuid::Uuid;

use super::audit::{ChainPlace, StoredAnchor, select_anchor, select_last};
use super::audit_calls;
use super::rows::get;
use super::{Store, StoreError};
use crate::domain::audit::{CALL, StoredRecord};
use crate::domain::organization::{OrganizationId, OrganizationSlug};

/// A page looks at no more records than this for those that are asked for.
pub const WINDOW: i64 = 10_000;

pub(super) const COLUMNS: &str = "seq, at, actor, organization_id, organization, environment, provider, \
     action, target, version_id, outcome, duration_us, request_id, mac";

/// Which records are asked for; `None` asks for nothing in particular.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub organization: Option<OrganizationId>,
    pub environment: Option<String>,
    pub provider: Option<String>,
    pub actor: Option<String>,
    /// All that begins with it, where it ends with `*`.
    pub action: Option<String>,
    pub outcome: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// Where a page begins, and which way it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageStart {
    /// Records after this one, oldest first.
    After(i64),
    /// Records before this one, newest first.
    Before(i64),
}

/// Records that were found, and the last one that was looked at, unless it is the last there is.
pub struct StoredPage {
    pub records: Vec<StoredRecord>,
    pub next: Option<i64>,
}

/// Records out of one kind of rows, in the order of the page.
#[derive(Default)]
pub(super) struct Found {
    pub records: Vec<StoredRecord>,
    /// The last record that was looked at, unless it is the last there is.
    pub horizon: Option<i64>,
}

/// The log at one moment, whatever is written meanwhile.
pub struct AuditReader {
    pub(super) transaction: Transaction<'static, Sqlite>,
}

impl Store {
    pub async fn audit_reader(&self) -> Result<AuditReader, StoreError> {
        Ok(AuditReader {
            transaction: self.readers.begin().await?,
        })
    }

    /// A page of the records that any of these ask for; no two may ask for the same one. It may be
    /// empty although there are more: then `next` says where to go on.
    pub async fn audit_page(
        &self,
        asked: &[AuditQuery],
        start: PageStart,
        limit: usize,
    ) -> Result<StoredPage, StoreError> {
        let mut reader = self.readers.begin().await?;
        let mut parts = Vec::new();
        for asked in asked {
            parts.push(select_rows(&mut reader, asked, start, limit).await?);
            parts.push(audit_calls::select(&mut reader, asked, start, limit).await?);
        }
        Ok(StoredPage::of(parts, start, limit))
    }

    /// Whether there is a record that is asked for: looks through so many pages of the log, newest
    /// first. What lies beyond them may hold one.
    pub async fn may_have_audit_record(
        &self,
        asked: &AuditQuery,
        pages: usize,
    ) -> Result<bool, StoreError> {
        let asked = std::slice::from_ref(asked);
        let mut place = i64::MAX;
        for _ in 0..pages {
            let page = self.audit_page(asked, PageStart::Before(place), 1).await?;
            match page.next {
                _ if !page.records.is_empty() => return Ok(true),
                Some(next) => place = next,
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether an organization that was deleted is in the log.
    pub async fn was_deleted(&self, id: OrganizationId) -> Result<bool, StoreError> {
        // As long as there is any record of it, there is that of its end.
        let found = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM audit_records WHERE organization_id = ?)",
        );
        Ok(found.bind(id.0).fetch_one(&self.readers).await?)
    }

    /// The organizations that were deleted and had this id.
    pub async fn deleted_organizations(
        &self,
        slug: &OrganizationSlug,
    ) -> Result<Vec<OrganizationId>, StoreError> {
        // The last record of each: as long as there is any, there is this one.
        let found = sqlx::query_scalar(
            "SELECT DISTINCT organization_id FROM audit_records
             WHERE action = 'org.delete' AND organization = ?",
        );
        let found: Vec<Option<Vec<u8>>> =
            found.bind(slug.as_str()).fetch_all(&self.readers).await?;
        let ids = found.into_iter().flatten();
        let ids = ids.filter_map(|bytes| Uuid::from_slice(&bytes).ok());
        Ok(ids.map(OrganizationId).collect())
    }
}

async fn select_rows(
    reader: &mut SqliteConnection,
    asked: &AuditQuery,
    start: PageStart,
    limit: usize,
) -> Result<Found, StoreError> {
    let id = asked.organization.map(|id| id.0);
    let (texts, from) = match (start, id) {
        (PageStart::After(seq), Some(_)) => (&OF_ONE_UP, seq),
        (PageStart::After(seq), None) => (&OF_ALL_UP, seq),
        (PageStart::Before(seq), Some(_)) => (&OF_ONE_DOWN, seq),
        (PageStart::Before(seq), None) => (&OF_ALL_DOWN, seq),
    };
    let Texts { page, reach } = &**texts;
    let (action, beginning) = asked.action();
    let records = sqlx::query(AssertSqlSafe(page.as_str()))
        .bind(from)
        .bind(id)
        .bind(WINDOW)
        .bind(&asked.environment)
        .bind(&asked.provider)
        .bind(&asked.actor)
        .bind(action)
        .bind(beginning)
        .bind(&asked.outcome)
        .bind(asked.since.map(Timestamp::as_millisecond))
        .bind(asked.until.map(Timestamp::as_millisecond))
        .bind(i64::try_from(limit).unwrap_or(WINDOW))
        .fetch_all(&mut *reader)
        .await?;
    let records: Vec<_> = records.iter().map(record).collect::<Result<_, _>>()?;
    let horizon = match records.last().filter(|_| records.len() >= limit) {
        Some(last) => Some(last.seq),
        None => {
            let row = sqlx::query(AssertSqlSafe(reach.as_str()))
                .bind(from)
                .bind(id)
                .bind(WINDOW)
                .fetch_one(reader)
                .await?;
            let looked_at: i64 = get(&row, "looked_at")?;
            let last = get(&row, "last")?;
            (looked_at >= WINDOW).then_some(last).flatten()
        }
    };
    Ok(Found { records, horizon })
}

impl AuditQuery {
    /// The whole action that is asked for, or its beginning.
    fn action(&self) -> (Option<&str>, Option<&str>) {
        let Some(action) = self.action.as_deref() else {
            return (None, None);
        };
        match action.strip_suffix('*') {
            Some(beginning) => (None, Some(beginning)),
            None => (Some(action), None),
        }
    }

    /// Whether records of calls can be among those that are asked for: their actions begin alike.
    pub(super) fn is_of_calls(&self) -> bool {
        let (action, beginning) = self.action();
        action.is_none_or(|action| action.starts_with(CALL))
            && beginning
                .is_none_or(|beginning| beginning.starts_with(CALL) || CALL.starts_with(beginning))
    }

    /// Whether a record is asked for.
    pub(super) fn matches(&self, record: &StoredRecord) -> bool {
        let is = |asked: &Option<String>, found: Option<&str>| {
            asked.as_deref().is_none_or(|asked| found == Some(asked))
        };
        let of_organization = self
            .organization
            .is_none_or(|id| record.organization_id.as_deref() == Some(id.0.as_bytes()));
        let (action, beginning) = self.action();
        of_organization
            && is(&self.environment, record.environment.as_deref())
            && is(&self.provider, record.provider.as_deref())
            && is(&self.actor, Some(&record.actor))
            && is(&self.outcome, Some(&record.outcome))
            && action.is_none_or(|action| record.action == action)
            && beginning.is_none_or(|beginning| record.action.starts_with(beginning))
            && self
                .since
                .is_none_or(|since| record.at >= since.as_millisecond())
            && self
                .until
                .is_none_or(|until| record.at < until.as_millisecond())
    }
}

impl PageStart {
    /// Whether a record belongs to pages that begin here.
    pub(super) fn admits(self, seq: i64) -> bool {
        match self {
            Self::After(start) => seq > start,
            Self::Before(start) => seq < start,
        }
    }

    /// The order of such a page.
    fn order(self, one: i64, other: i64) -> Ordering {
        match self {
            Self::After(_) => one.cmp(&other),
            Self::Before(_) => other.cmp(&one),
        }
    }
}

impl StoredPage {
    /// What is certain of these: nobody has looked beyond the nearest horizon.
    fn of(parts: Vec<Found>, start: PageStart, limit: usize) -> Self {
        let horizons = parts.iter().filter_map(|part| part.horizon);
        let horizon = horizons.min_by(|one, other| start.order(*one, *other));
        let mut records: Vec<_> = parts.into_iter().flat_map(|part| part.records).collect();
        records.sort_by(|one, other| start.order(one.seq, other.seq));
        if let Some(horizon) = horizon {
            records.retain(|record| start.order(record.seq, horizon).is_le());
        }
        let more = records.len() >= limit;
        records.truncate(limit);
        let last = records.last().map(|last| last.seq);
        let next = if more { last } else { horizon };
        Self { records, next }
    }
}

/// The statements of one way of reading.
struct Texts {
    page: String,
    reach: String,
}

static OF_ALL_UP: LazyLock<Texts> = LazyLock::new(|| texts("seq > ?1", "ASC"));
static OF_ALL_DOWN: LazyLock<Texts> = LazyLock::new(|| texts("seq < ?1", "DESC"));
static OF_ONE_UP: LazyLock<Texts> =
    LazyLock::new(|| texts("organization_id = ?2 AND seq > ?1", "ASC"));
static OF_ONE_DOWN: LazyLock<Texts> =
    LazyLock::new(|| texts("organization_id = ?2 AND seq < ?1", "DESC"));

/// Looks through a window of records, and only then at what they say: however rare what is asked
/// for is, a page takes no longer.
fn texts(place: &str, order: &str) -> Texts {
    let window = |columns| {
        format!("SELECT {columns} FROM audit_records WHERE {place} ORDER BY seq {order} LIMIT ?3")
    };
    let page = format!(
        "SELECT * FROM ({})
         WHERE (?4 IS NULL OR environment = ?4)
           AND (?5 IS NULL OR provider = ?5) AND (?6 IS NULL OR actor = ?6)
           AND (?7 IS NULL OR action = ?7) AND (?8 IS NULL OR substr(action, 1, length(?8)) = ?8)
           AND (?9 IS NULL OR outcome = ?9) AND (?10 IS NULL OR at >= ?10)
           AND (?11 IS NULL OR at < ?11)
         ORDER BY seq {order} LIMIT ?12",
        window(COLUMNS)
    );
    let reach = format!(
        "SELECT COUNT(*) AS looked_at, {}(seq) AS last FROM ({})",
        if order == "ASC" { "MAX" } else { "MIN" },
        window("seq")
    );
    Texts { page, reach }
}

static AFTER: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {COLUMNS} FROM audit_records WHERE seq > ? ORDER BY seq LIMIT ?")
});

impl AuditReader {
    pub async fn anchor(&mut self) -> Result<Option<StoredAnchor>, StoreError> {
        select_anchor(&mut self.transaction).await
    }

    /// The last record's place.
    pub async fn last(&mut self) -> Result<Option<ChainPlace>, StoreError> {
        select_last(&mut self.transaction).await
    }

    /// Up to `limit` records after one, in order.
    pub async fn after(&mut self, seq: i64, limit: usize) -> Result<Vec<StoredRecord>, StoreError> {
        let records = sqlx::query(AssertSqlSafe(AFTER.as_str()))
            .bind(seq)
            .bind(i64::try_from(limit).unwrap_or(WINDOW))
            .fetch_all(&mut *self.transaction)
            .await?;
        let records: Vec<_> = records.iter().map(record).collect::<Result<_, _>>()?;
        let full = records.last().filter(|_| records.len() >= limit);
        let rows = Found {
            horizon: full.map(|last| last.seq),
            records,
        };
        let (all, start) = (AuditQuery::default(), PageStart::After(seq));
        let calls = audit_calls::select(&mut self.transaction, &all, start, limit).await?;
        Ok(StoredPage::of(vec![rows, calls], start, limit).records)
    }
}

/// By position: a million of them are read when the chain is verified.
pub(super) fn record(row: &SqliteRow) -> Result<StoredRecord, StoreError> {
    Ok(StoredRecord {
        seq: row.try_get(0)?,
        at: row.try_get(1)?,
        actor: row.try_get(2)?,
        organization_id: row.try_get(3)?,
        organization: row.try_get(4)?,
        environment: row.try_get(5)?,
        provider: row.try_get(6)?,
        action: row.try_get(7)?,
        target: row.try_get(8)?,
        version_id: row.try_get(9)?,
        outcome: row.try_get(10)?,
        duration_us: row.try_get(11)?,
        request_id: row.try_get(12)?,
        mac: row.try_get(13)?,
    })
}
