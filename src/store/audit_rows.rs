//! The audit log row by row, each of them once: what following the chain reads, and never what the
//! columns beside a batch of calls say of it.

use std::collections::{BTreeSet, VecDeque};
use std::sync::LazyLock;

use futures_util::TryStreamExt;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::StoreError;
use super::audit_calls::records_of;
use super::audit_log::{AuditReader, COLUMNS, record};
use super::rows::at_most;
use crate::domain::audit::StoredRecord;

/// Rows of single records that are read together.
const PAGE: usize = 2_000;
/// Batches of calls that are read together have so many bytes, and the last one's rest.
const BYTES: usize = 1 << 20;

/// A row of the log.
pub enum LogRow {
    Record(Box<StoredRecord>),
    Batch(StoredBatch),
}

/// A batch of records of calls.
pub struct StoredBatch {
    records: Vec<StoredRecord>,
    /// What the row says of them.
    said: Summary,
}

/// What stands beside the records of a batch, so that readers pass over the others.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Summary {
    first: i64,
    last: i64,
    earliest: i64,
    latest: i64,
    organizations: Vec<u8>,
}

/// How far the rows were read. Both kinds of them go by their own keys, so none is met twice or
/// passed over, whatever somebody planted.
pub struct LogCursor {
    records: VecDeque<StoredRecord>,
    batches: VecDeque<StoredBatch>,
    /// Where the next page begins; `None` behind the last one.
    next_record: Option<i64>,
    next_batch: Option<i64>,
}

impl Default for LogCursor {
    fn default() -> Self {
        Self {
            records: VecDeque::new(),
            batches: VecDeque::new(),
            next_record: Some(i64::MIN),
            next_batch: Some(i64::MIN),
        }
    }
}

impl LogRow {
    /// Its records, in the order in which they stand there.
    pub fn records(&self) -> &[StoredRecord] {
        match self {
            Self::Record(record) => std::slice::from_ref(record),
            Self::Batch(batch) => &batch.records,
        }
    }

    /// The numbers of the first and the last record of a batch about which the row says something
    /// else than they do.
    pub fn misdescribed(&self) -> Option<(i64, i64)> {
        let Self::Batch(StoredBatch { records, said }) = self else {
            return None;
        };
        match Summary::of(records) {
            None => Some((said.first, said.first)),
            Some(found) if found != *said => Some((found.first, found.last)),
            Some(_) => None,
        }
    }
}

impl Summary {
    fn of(records: &[StoredRecord]) -> Option<Self> {
        let times = || records.iter().map(|record| record.at);
        let organizations = records
            .iter()
            .filter_map(|record| record.organization_id.as_deref());
        let organizations: BTreeSet<&[u8]> = organizations.collect();
        Some(Self {
            first: records.first()?.seq,
            last: records.last()?.seq,
            earliest: times().min()?,
            latest: times().max()?,
            organizations: organizations.into_iter().flatten().copied().collect(),
        })
    }
}

impl AuditReader {
    /// The row behind those that the cursor has met.
    pub async fn next_row(&mut self, cursor: &mut LogCursor) -> Result<Option<LogRow>, StoreError> {
        cursor.fill(&mut self.transaction).await?;
        Ok(cursor.take())
    }
}

impl LogCursor {
    async fn fill(&mut self, connection: &mut SqliteConnection) -> Result<(), StoreError> {
        if let Some(from) = self.next_record.filter(|_| self.records.is_empty()) {
            self.records = select_records(connection, from).await?.into();
            let last = self.records.back().filter(|_| self.records.len() >= PAGE);
            self.next_record = last.and_then(|last| last.seq.checked_add(1));
        }
        if let Some(from) = self.next_batch.filter(|_| self.batches.is_empty()) {
            (self.batches, self.next_batch) = select_batches(connection, from).await?;
        }
        Ok(())
    }

    /// The row with the lower key.
    fn take(&mut self) -> Option<LogRow> {
        let record = self.records.front().map(|record| record.seq);
        let batch = self.batches.front().map(|batch| batch.said.first);
        let is_record = match (record, batch) {
            (Some(record), Some(batch)) => record < batch,
            (record, _) => record.is_some(),
        };
        match is_record {
            true => self
                .records
                .pop_front()
                .map(|record| LogRow::Record(Box::new(record))),
            false => self.batches.pop_front().map(LogRow::Batch),
        }
    }
}

static FROM: LazyLock<String> = LazyLock::new(|| {
    format!("SELECT {COLUMNS} FROM audit_records WHERE seq >= ? ORDER BY seq LIMIT ?")
});

async fn select_records(
    connection: &mut SqliteConnection,
    from: i64,
) -> Result<Vec<StoredRecord>, StoreError> {
    let rows = sqlx::query(AssertSqlSafe(FROM.as_str()))
        .bind(from)
        .bind(at_most(PAGE))
        .fetch_all(connection)
        .await?;
    rows.iter().map(record).collect()
}

/// Some batches, and where the next ones begin.
async fn select_batches(
    connection: &mut SqliteConnection,
    from: i64,
) -> Result<(VecDeque<StoredBatch>, Option<i64>), StoreError> {
    let mut rows = sqlx::query(
        "SELECT first, last, mac, earliest, latest, organizations, records
         FROM audit_calls WHERE first >= ? ORDER BY first",
    )
    .bind(from)
    .fetch(connection);
    let (mut batches, mut bytes) = (VecDeque::new(), 0);
    while let Some(row) = rows.try_next().await? {
        let records: &[u8] = row.try_get(6)?;
        bytes += records.len();
        let batch = batch(&row, records)?;
        let next = batch.said.first.checked_add(1);
        batches.push_back(batch);
        if bytes >= BYTES || batches.len() >= PAGE {
            return Ok((batches, next));
        }
    }
    Ok((batches, None))
}

fn batch(row: &SqliteRow, records: &[u8]) -> Result<StoredBatch, StoreError> {
    let first = row.try_get(0)?;
    Ok(StoredBatch {
        records: records_of(records, row.try_get(2)?, first),
        said: Summary {
            first,
            last: row.try_get(1)?,
            earliest: row.try_get(3)?,
            latest: row.try_get(4)?,
            organizations: row.try_get(5)?,
        },
    })
}
