//! Columns to domain types: a value that does not parse is an error, never a default.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::query_builder::Separated;
use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool};
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
const AT_ONCE: usize = 64;

/// A row of values that a statement takes.
pub(super) type Values<'a> = Separated<'a, Sqlite, &'static str>;

/// Writes rows by statements that have many of them as a `VALUES` list between their two halves: a
/// statement for each would cost several times as much. `order` is that of the table's key, in which
/// neighbours lie on one page.
pub(super) async fn put_many<T, K: Ord>(
    connection: &mut SqliteConnection,
    (before, after): (&str, &str),
    rows: &[T],
    order: impl Fn(&T) -> K,
    bind: impl Fn(&T, &mut Values<'_>),
) -> Result<(), StoreError> {
    let mut rows: Vec<&T> = rows.iter().collect();
    rows.sort_by_cached_key(|row| order(row));
    for rows in rows.chunks(AT_ONCE) {
        let mut statement = QueryBuilder::new(before);
        statement
            .push_values(rows, |mut values, row| bind(row, &mut values))
            .push(after);
        statement
            .build()
            // The last few are of a number that seldom comes again.
            .persistent(rows.len() == AT_ONCE)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::domain::usage::{Day, Usage};
    use crate::store::{Store, StoredUsage};

    #[tokio::test]
    async fn however_many_rows_there_are_each_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("locum.db"), true)
            .await
            .unwrap();
        let used = |organization, calls| StoredUsage {
            organization,
            environment: "prod".parse().unwrap(),
            usage: Usage {
                day: Day(20_000),
                calls,
                requests: 2 * calls,
            },
        };
        let mut sum = BTreeMap::new();
        let sizes = [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE + 7];
        for (round, size) in sizes.into_iter().enumerate() {
            let mut write = store.write().await.unwrap();
            // The first ones again, and new ones.
            while sum.len() < size {
                let id = OrganizationId(Uuid::new_v4());
                write.insert_organization(&named(id)).await.unwrap();
                sum.insert(id, 0);
            }
            let mut rows = Vec::new();
            for (calls, (id, sum)) in (1 + round as u64..).zip(sum.iter_mut().take(size)) {
                *sum += calls;
                rows.push(used(*id, calls));
            }
            // Of what was deleted meanwhile, nothing.
            rows.push(used(OrganizationId(Uuid::new_v4()), 1));
            rows.reverse();
            write.add_usage(&rows).await.unwrap();
            write.commit_unnoticed().await.unwrap();
        }
        let written = store.usage_on(Day(20_000)).await.unwrap().into_iter();
        let written: BTreeMap<_, _> = written
            .map(|row| (row.organization, (row.usage.calls, row.usage.requests)))
            .collect();
        let sum = sum.into_iter().map(|(id, calls)| (id, (calls, 2 * calls)));
        assert_eq!(written, sum.collect());
    }

    fn named(id: OrganizationId) -> Organization {
        Organization {
            id,
            slug: format!("clinic-{}", id.0.simple()).parse().unwrap(),
            name: "Clinic".to_owned(),
            state: OrganizationState::Active,
            created_at: Timestamp::UNIX_EPOCH,
            revision: 1,
        }
    }
}
