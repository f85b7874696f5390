//! Reading the audit log: as it stands, whatever somebody has made of it.
//!
//! Nothing is parsed on the way: a record whose columns make no sense any more is what a reader of
//! this log may be looking for.

use std::sync::LazyLock;

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, Sqlite, Transaction};

use super::audit::{ChainPlace, StoredAnchor, place, select_anchor};
use super::rows::{get, time};
use super::{Store, StoreError};
use crate::domain::organization::OrganizationId;

/// A page looks at no more records than this for those that are asked for.
pub const WINDOW: i64 = 50_000;

const COLUMNS: &str = "seq, at, actor, organization_id, organization, environment, provider, \
     action, target, version_id, outcome, duration_us, request_id, mac";

/// A record as it stands in the table.
pub struct StoredRecord {
    pub seq: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub actor: String,
    pub organization_id: Option<Vec<u8>>,
    pub organization: Option<String>,
    pub environment: Option<String>,
    pub provider: Option<String>,
    pub action: String,
    pub target: Option<String>,
    pub version_id: Option<Vec<u8>>,
    pub outcome: String,
    pub duration_us: Option<i64>,
    pub request_id: Option<String>,
    pub mac: Vec<u8>,
}

/// Which records are asked for; `None` asks for nothing in particular.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    pub organization: Option<QueriedOrganization>,
    pub environment: Option<String>,
    pub provider: Option<String>,
    pub actor: Option<String>,
    /// All that begins with it, where it ends with `*`.
    pub action: Option<String>,
    pub outcome: Option<String>,
    pub since: Option<Timestamp>,
    pub until: Option<Timestamp>,
}

/// An organization that records are about.
#[derive(Debug, Clone)]
pub enum QueriedOrganization {
    Id(OrganizationId),
    /// One that is not there any more, as it was called.
    Named(String),
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

/// The log at one moment, whatever is written meanwhile.
pub struct AuditReader {
    transaction: Transaction<'static, Sqlite>,
}

impl Store {
    pub async fn audit_reader(&self) -> Result<AuditReader, StoreError> {
        Ok(AuditReader {
            transaction: self.readers.begin().await?,
        })
    }

    /// When the first of the records was written.
    pub async fn oldest_audit_record(&self) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> =
            sqlx::query_scalar("SELECT at FROM audit_records ORDER BY seq LIMIT 1")
                .fetch_optional(&self.readers)
                .await?;
        at.map(time).transpose()
    }

    /// A page of the records that are asked for. It may be empty although there are more: then
    /// `next` says where to go on.
    pub async fn audit_page(
        &self,
        asked: &AuditQuery,
        start: PageStart,
        limit: i64,
    ) -> Result<StoredPage, StoreError> {
        let mut reader = self.readers.begin().await?;
        let (texts, of, from) = match (start, &asked.organization) {
            (PageStart::After(seq), Some(QueriedOrganization::Id(_))) => (&OF_ONE_UP, true, seq),
            (PageStart::After(seq), _) => (&OF_ALL_UP, false, seq),
            (PageStart::Before(seq), Some(QueriedOrganization::Id(_))) => (&OF_ONE_DOWN, true, seq),
            (PageStart::Before(seq), _) => (&OF_ALL_DOWN, false, seq),
        };
        let Texts { page, reach } = &**texts;
        let (id, name) = match &asked.organization {
            Some(QueriedOrganization::Id(id)) => (Some(id.0), None),
            Some(QueriedOrganization::Named(name)) => (None, Some(name)),
            None => (None, None),
        };
        let (action, beginning) = match asked.action.as_deref() {
            Some(action) => match action.strip_suffix('*') {
                Some(beginning) => (None, Some(beginning)),
                None => (Some(action), None),
            },
            None => (None, None),
        };
        let records = sqlx::query(AssertSqlSafe(page.as_str()))
            .bind(from)
            .bind(id)
            .bind(WINDOW)
            .bind(name)
            .bind(&asked.environment)
            .bind(&asked.provider)
            .bind(&asked.actor)
            .bind(action)
            .bind(beginning)
            .bind(&asked.outcome)
            .bind(asked.since.map(Timestamp::as_millisecond))
            .bind(asked.until.map(Timestamp::as_millisecond))
            .bind(limit)
            .fetch_all(&mut *reader)
            .await?;
        let records: Vec<_> = records.iter().map(record).collect::<Result<_, _>>()?;
        let full = i64::try_from(records.len()).is_ok_and(|found| found >= limit);
        let next = match records.last().filter(|_| full) {
            Some(last) => Some(last.seq),
            None => {
                let row = sqlx::query(AssertSqlSafe(reach.as_str()))
                    .bind(from)
                    .bind(of.then_some(id).flatten())
                    .bind(WINDOW)
                    .fetch_one(&mut *reader)
                    .await?;
                let looked_at: i64 = get(&row, "looked_at")?;
                let last = get(&row, "last")?;
                (looked_at >= WINDOW).then_some(last).flatten()
            }
        };
        Ok(StoredPage { records, next })
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
         WHERE (?4 IS NULL OR organization = ?4) AND (?5 IS NULL OR environment = ?5)
           AND (?6 IS NULL OR provider = ?6) AND (?7 IS NULL OR actor = ?7)
           AND (?8 IS NULL OR action = ?8) AND (?9 IS NULL OR substr(action, 1, length(?9)) = ?9)
           AND (?10 IS NULL OR outcome = ?10) AND (?11 IS NULL OR at >= ?11)
           AND (?12 IS NULL OR at < ?12)
         ORDER BY seq {order} LIMIT ?13",
        window(COLUMNS)
    );
    let reach = format!(
        "SELECT COUNT(*) AS looked_at, {}(seq) AS last FROM ({})",
        if order == "ASC" { "MAX" } else { "MIN" },
        window("seq")
    );
    Texts { page, reach }
}

impl AuditReader {
    pub async fn anchor(&mut self) -> Result<Option<StoredAnchor>, StoreError> {
        select_anchor(&mut self.transaction).await
    }

    /// The last record's place.
    pub async fn last(&mut self) -> Result<Option<ChainPlace>, StoreError> {
        sqlx::query("SELECT seq, mac FROM audit_records ORDER BY seq DESC LIMIT 1")
            .fetch_optional(&mut *self.transaction)
            .await?
            .as_ref()
            .map(place)
            .transpose()
    }

    /// Up to `limit` records after one, in order.
    pub async fn after(&mut self, seq: i64, limit: i64) -> Result<Vec<StoredRecord>, StoreError> {
        sqlx::query(
            "SELECT seq, at, actor, organization_id, organization, environment, provider, action,
                    target, version_id, outcome, duration_us, request_id, mac
             FROM audit_records WHERE seq > ? ORDER BY seq LIMIT ?",
        )
        .bind(seq)
        .bind(limit)
        .fetch_all(&mut *self.transaction)
        .await?
        .iter()
        .map(record)
        .collect()
    }
}

/// By position: a million of them are read when the chain is verified.
fn record(row: &SqliteRow) -> Result<StoredRecord, StoreError> {
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
