//! Columns to domain types: a value that does not parse is an error, never a default.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, SqliteConnection, SqlitePool};
use uuid::Uuid;

use super::StoreError;
use crate::domain::organization::{
    Organization, OrganizationId, OrganizationSlug, OrganizationState,
};
use crate::domain::principal::Scope;

/// Reads all rows of a question, one by one: the driver's own form of thousands of them takes many
/// times the memory of what they become, and little of it comes back.
pub(super) async fn read_each<T>(
    pool: &SqlitePool,
    question: &'static str,
    mut read: impl FnMut(&SqliteRow) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut all = Vec::new();
    take_each(pool, question, |row| {
        all.push(read(row)?);
        Ok(())
    })
    .await?;
    Ok(all)
}

/// The same, where each is taken in at once.
pub(super) async fn take_each(
    pool: &SqlitePool,
    question: &'static str,
    mut take: impl FnMut(&SqliteRow) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut rows = sqlx::query(question).fetch(pool);
    while let Some(row) = rows.try_next().await? {
        take(&row)?;
    }
    Ok(())
}

/// Rows that one statement takes.
const AT_ONCE: usize = 500;

/// Writes rows by a statement that reads them out of one JSON list (`json_each(?)`): a statement for
/// each would cost several times as much.
pub(super) async fn put_many<T>(
    connection: &mut SqliteConnection,
    question: &'static str,
    rows: &[T],
    row: impl Fn(&T) -> serde_json::Value,
) -> Result<(), StoreError> {
    for rows in rows.chunks(AT_ONCE) {
        let list: serde_json::Value = rows.iter().map(&row).collect();
        sqlx::query(question)
            .bind(list.to_string())
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What a `LIMIT` is bound to.
pub(super) fn at_most(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Ids for a statement that reads them out of one JSON list (`unhex(value) FROM json_each(?)`).
pub(super) fn hex_list(ids: impl IntoIterator<Item = OrganizationId>) -> String {
    let ids: BTreeSet<Uuid> = ids.into_iter().map(|id| id.0).collect();
    let list: serde_json::Value = ids.iter().map(|id| id.simple().to_string()).collect();
    list.to_string()
}

pub(super) fn get<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T, StoreError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    Ok(row.try_get(column)?)
}

/// A time that has no name any more is the last, or the first, that has one: one row with it must
/// not keep the others from being read.
pub(super) fn time(milliseconds: i64) -> Timestamp {
    let beyond = match milliseconds < 0 {
        true => Timestamp::MIN,
        false => Timestamp::MAX,
    };
    Timestamp::from_millisecond(milliseconds).unwrap_or(beyond)
}

pub(super) fn get_time(row: &SqliteRow, column: &str) -> Result<Timestamp, StoreError> {
    Ok(time(get(row, column)?))
}

pub(super) fn get_time_or_none(
    row: &SqliteRow,
    column: &str,
) -> Result<Option<Timestamp>, StoreError> {
    Ok(get::<Option<i64>>(row, column)?.map(time))
}

/// Reads a slug or another name that parses from text.
pub(super) fn get_name<T: std::str::FromStr>(
    row: &SqliteRow,
    column: &str,
) -> Result<T, StoreError> {
    get::<String>(row, column)?
        .parse()
        .map_err(|_| StoreError::Content("a malformed name"))
}

pub(super) fn get_organization_id(
    row: &SqliteRow,
    column: &str,
) -> Result<OrganizationId, StoreError> {
    Ok(OrganizationId(get::<Uuid>(row, column)?))
}

pub(super) fn get_hash(row: &SqliteRow, column: &str) -> Result<[u8; 32], StoreError> {
    let bytes: Vec<u8> = get(row, column)?;
    bytes
        .try_into()
        .map_err(|_| StoreError::Content("a malformed hash"))
}

/// Reads a JSON list of names; NULL stands for all.
pub(super) fn get_scope<T>(row: &SqliteRow, column: &str) -> Result<Scope<T>, StoreError>
where
    T: Ord + DeserializeOwned,
{
    match get::<Option<String>>(row, column)? {
        None => Ok(Scope::All),
        Some(text) => serde_json::from_str(&text)
            .map(Scope::Only)
            .map_err(|_| StoreError::Content("a malformed list")),
    }
}

pub(super) fn organization(row: &SqliteRow) -> Result<Organization, StoreError> {
    let label: String = get(row, "state")?;
    Ok(Organization {
        id: get_organization_id(row, "id")?,
        slug: get_name::<OrganizationSlug>(row, "slug")?,
        name: get(row, "name")?,
        state: OrganizationState::from_label(&label)
            .ok_or(StoreError::Content("an unknown organization state"))?,
        created_at: get_time(row, "created_at")?,
        revision: get(row, "revision")?,
    })
}
