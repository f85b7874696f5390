//! Records of calls in the audit log: a row holds many of them, as their bytes.
//!
//! ```text
//! records = { bytes of a record (domain::audit::canonical), mac }…
//! ```
//!
//! Which organizations a row is about stands beside it, so that the others are passed over; and the
//! mac of its last record, which the next one follows. A row is opened whole: it is short, so that a
//! page of the log reads little beyond its own records.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row, SqliteConnection};

use super::audit_log::{AuditQuery, Found, PageStart, WINDOW};
use super::rows::at_most;
use super::{StoreError, Write};
use crate::domain::audit::canonical::{self, Fields};
use crate::domain::audit::{ChainMac, StoredRecord};

const MAC: usize = size_of::<ChainMac>();

/// Records in a row at most. In shorter rows more of the file would be empty.
const ROW: usize = 100;
/// Bytes that a record usually takes, with its mac.
const USUAL: usize = 400;
/// Rows that are read together at most; earlier versions have put up to 2,000 records into one.
const ROWS_AT_ONCE: usize = 16;
/// What passing over a row is taken for, in records looked at.
const PASSING: i64 = 10;

/// Records of calls that are written together.
#[derive(Default)]
pub struct CallBatch {
    rows: Vec<NewRow>,
}

/// Some of them, as many as a row takes.
#[derive(Default)]
struct NewRow {
    length: usize,
    first: i64,
    last: i64,
    mac: ChainMac,
    earliest: i64,
    latest: i64,
    organizations: BTreeSet<[u8; 16]>,
    records: Vec<u8>,
}

impl CallBatch {
    /// Adds the record that follows those that are there; `link` makes its mac out of its bytes.
    pub fn push(&mut self, seq: i64, record: Fields<'_>, link: impl FnOnce(&[u8]) -> ChainMac) {
        match self.rows.last_mut().filter(|row| row.length < ROW) {
            Some(row) => row.push(seq, record, link),
            None => {
                let mut row = NewRow {
                    records: Vec::with_capacity(ROW * USUAL),
                    ..NewRow::default()
                };
                row.push(seq, record, link);
                self.rows.push(row);
            }
        }
    }
}

impl NewRow {
    fn push(&mut self, seq: i64, record: Fields<'_>, link: impl FnOnce(&[u8]) -> ChainMac) {
        let at = record.at;
        if self.length == 0 {
            (self.first, self.earliest, self.latest) = (seq, at, at);
        }
        self.length += 1;
        self.last = seq;
        self.earliest = self.earliest.min(at);
        self.latest = self.latest.max(at);
        let organization = record.organization_id;
        self.organizations
            .extend(organization.and_then(|id| <[u8; 16]>::try_from(id).ok()));
        let begin = self.records.len();
        canonical::write(&mut self.records, seq, record);
        self.mac = link(&self.records[begin..]);
        self.records.extend_from_slice(&self.mac);
    }
}

impl Write {
    /// Adds a batch to the end of the log.
    pub async fn insert_call_batch(&mut self, batch: CallBatch) -> Result<(), StoreError> {
        for row in batch.rows {
            self.insert_call_row(row).await?;
        }
        Ok(())
    }

    async fn insert_call_row(&mut self, row: NewRow) -> Result<(), StoreError> {
        let organizations: Vec<u8> = row.organizations.into_iter().flatten().collect();
        sqlx::query(
            "INSERT INTO audit_calls (first, last, mac, earliest, latest, organizations, records)
             VALUES (?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(row.first)
        .bind(row.last)
        .bind(row.mac.as_slice())
        .bind(row.earliest)
        .bind(row.latest)
        .bind(organizations)
        .bind(row.records)
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "an audit record of this number"))?;
        Ok(())
    }
}

/// From the batch that has the record on; after a batch; before a record or a batch.
const FROM: &str = "first >= COALESCE((SELECT MAX(first) FROM audit_calls WHERE first <= ?1), ?1)
     ORDER BY first";
const AFTER: &str = "first > ?1 ORDER BY first";
const BEFORE: &str = "first < ?1 ORDER BY first DESC";

/// The records of calls that are asked for, from a place on: looks through a window of them.
pub(super) async fn select(
    connection: &mut SqliteConnection,
    asked: &AuditQuery,
    start: PageStart,
    limit: usize,
) -> Result<Found, StoreError> {
    let mut search = Search::new(asked, start, limit);
    if !asked.is_of_calls() {
        return Ok(search.found);
    }
    let (mut from, mut place, next) = match start {
        PageStart::After(seq) => (seq, FROM, AFTER),
        PageStart::Before(seq) => (seq, BEFORE, BEFORE),
    };
    // No stream: the driver would read on, ahead of what is taken.
    let mut most = limit.div_ceil(ROW).min(ROWS_AT_ONCE);
    loop {
        let rows = rows(connection, asked, (place, from), most).await?;
        for row in &rows {
            from = row.try_get(0)?;
            if search.row(from, row)?.is_break() {
                return Ok(search.found);
            }
        }
        if rows.len() < most {
            return Ok(search.found);
        }
        (place, most) = (next, (most * 2).min(ROWS_AT_ONCE));
    }
}

/// Some rows from a place on; without the records where none of them can be asked for.
async fn rows(
    connection: &mut SqliteConnection,
    asked: &AuditQuery,
    (place, from): (&str, i64),
    most: usize,
) -> Result<Vec<SqliteRow>, StoreError> {
    let organization = asked.organization.map(|id| id.0.as_bytes().to_vec());
    let rows = sqlx::query(AssertSqlSafe(statement(place)))
        .bind(from)
        .bind(organization)
        .bind(asked.since.map(jiff::Timestamp::as_millisecond))
        .bind(asked.until.map(jiff::Timestamp::as_millisecond))
        .bind(at_most(most));
    Ok(rows.fetch_all(connection).await?)
}

fn statement(place: &str) -> String {
    format!(
        "SELECT first, last, mac, CASE WHEN (?2 IS NULL OR instr(organizations, ?2))
             AND (?3 IS NULL OR latest >= ?3) AND (?4 IS NULL OR earliest < ?4) THEN records END
         FROM audit_calls WHERE {place} LIMIT ?5"
    )
}

/// All statements that read for pages.
#[cfg(test)]
pub(super) fn statements() -> [String; 3] {
    [FROM, AFTER, BEFORE].map(statement)
}

/// What of the batches that come along is asked for.
struct Search<'a> {
    asked: &'a AuditQuery,
    start: PageStart,
    limit: usize,
    found: Found,
    looked_at: i64,
}

impl<'a> Search<'a> {
    fn new(asked: &'a AuditQuery, start: PageStart, limit: usize) -> Self {
        Self {
            asked,
            start,
            limit,
            found: Found::default(),
            looked_at: 0,
        }
    }

    /// Looks through a row, unless it is passed over.
    fn row(&mut self, first: i64, row: &SqliteRow) -> Result<ControlFlow<()>, StoreError> {
        let (mac, records): (&[u8], Option<&[u8]>) = (row.try_get(2)?, row.try_get(3)?);
        let records = records.map_or_else(Vec::new, |records| split(records, mac));
        Ok(self.batch(first, row.try_get(1)?, records))
    }

    fn batch(&mut self, first: i64, last: i64, records: Vec<&[u8]>) -> ControlFlow<()> {
        let length = i64::try_from(records.len()).unwrap_or(WINDOW);
        self.looked_at += length.max(PASSING);
        let end = match self.start {
            PageStart::After(_) => {
                self.take(first, records.into_iter());
                last
            }
            PageStart::Before(_) => {
                self.take(last, records.into_iter().rev());
                first
            }
        };
        if self.found.records.len() < self.limit && self.looked_at < WINDOW {
            return ControlFlow::Continue(());
        }
        // Those of the batch that were left out are beyond a full page.
        let full = self.found.records.last();
        let full = full.filter(|_| self.found.records.len() >= self.limit);
        self.found.horizon = Some(full.map_or(end, |last| last.seq));
        ControlFlow::Break(())
    }

    /// Reads records of a batch, whose first one has the number `seq`, until there are enough.
    fn take<'b>(&mut self, seq: i64, records: impl Iterator<Item = &'b [u8]>) {
        let mut expected = seq;
        for record in records {
            if self.found.records.len() >= self.limit {
                return;
            }
            let record = read(record, expected);
            expected = match self.start {
                PageStart::After(_) => record.seq.saturating_add(1),
                PageStart::Before(_) => record.seq.saturating_sub(1),
            };
            if self.start.admits(record.seq) && self.asked.matches(&record) {
                self.found.records.push(record);
            }
        }
    }
}

/// The records of a batch, each with its mac. What nobody wrote so is one that cannot be read, and
/// fits nowhere; nor does a last record whose mac is not the one that the next record follows.
fn split<'a>(mut bytes: &'a [u8], mac: &[u8]) -> Vec<&'a [u8]> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let mut rest = bytes;
        let whole = canonical::skip(&mut rest).and_then(|()| rest.get(MAC..));
        let length = whole.map_or(bytes.len(), |rest| bytes.len() - rest.len());
        let (record, rest) = bytes.split_at(length);
        records.push(record);
        bytes = rest;
    }
    if let Some(last) = records.last_mut()
        && last.last_chunk::<MAC>().is_none_or(|own| own != mac)
    {
        *last = &[];
    }
    records
}

/// All records of a batch.
pub(super) fn records_of(bytes: &[u8], mac: &[u8], first: i64) -> Vec<StoredRecord> {
    let mut expected = first;
    let records = split(bytes, mac).into_iter().map(|bytes| {
        let record = read(bytes, expected);
        expected = record.seq.saturating_add(1);
        record
    });
    records.collect()
}

/// A record with its mac. One that cannot be read says nothing, and has the number that is expected.
fn read(mut bytes: &[u8], expected: i64) -> StoredRecord {
    let record = canonical::read(&mut bytes).filter(|_| bytes.len() == MAC);
    match record {
        Some(record) => StoredRecord {
            mac: bytes.to_vec(),
            ..record
        },
        None => StoredRecord {
            seq: expected,
            ..StoredRecord::default()
        },
    }
}
