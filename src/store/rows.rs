//! Columns to domain types: a value that does not parse is an error, never a default.

use std::collections::BTreeSet;

use futures_util::TryStreamExt;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sqlx::query_builder::Separated;
use sqlx::sqlite::SqliteRow;
use sqlx::{Encode, QueryBuilder, Row, Sqlite, SqliteConnection, SqlitePool, Type};
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

/// The values of a row, bound one after the other.
pub(super) struct Values<'a>(Separated<'a, Sqlite, &'static str>);

impl Values<'_> {
    pub(super) fn bind<'v, T>(&mut self, value: T) -> &mut Self
    where
        T: Encode<'v, Sqlite> + Type<Sqlite>,
    {
        self.0.push_bind(value);
        self
    }
}

/// Writes rows by statements that have many of them as a `VALUES` list between their two halves: a
/// statement for each would cost several times as much. The second half knows their columns as
/// `column1` and so on. `order` begins as the table's key, or the index that the rows are found by, does:
/// neighbours lie on one page.
pub(super) async fn put_many<T, K: Ord>(
    connection: &mut SqliteConnection,
    (before, after): (&'static str, &'static str),
    rows: &[T],
    order: impl Fn(&T) -> K,
    bind: impl Fn(&T, &mut Values<'_>),
) -> Result<(), StoreError> {
    let mut rows: Vec<&T> = rows.iter().collect();
    rows.sort_by_key(|row| order(row));
    for rows in rows.chunks(AT_ONCE) {
        let mut statement = QueryBuilder::new(before);
        statement
            .push_values(rows, |values, row| bind(row, &mut Values(values)))
            .push(after);
        statement
            .build()
            // There are many numbers of rows that fewer can be: none is kept ready.
            .persistent(rows.len() == AT_ONCE)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// What a count or a `LIMIT` is bound to: SQLite's largest for what is beyond.
pub(super) fn at_most(count: impl TryInto<i64>) -> i64 {
    count.try_into().unwrap_or(i64::MAX)
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
    use crate::domain::credential::CredentialVersionId;
    use crate::domain::health::{LastFailure, ProfileHealth, TokenState};
    use crate::domain::usage::{Day, Usage};
    use crate::store::{Store, StoredUsage};

    #[tokio::test]
    async fn however_many_rows_there_are_each_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locum.db");
        let store = Store::open(&path, true).await.unwrap();
        let used = |organization, environment: &str, day, calls| StoredUsage {
            organization,
            environment: environment.parse().unwrap(),
            usage: Usage {
                day: Day(day),
                calls,
                requests: 2 * calls,
            },
        };
        let mut write = store.write().await.unwrap();
        let mut ids = Vec::new();
        for _ in 0..50 {
            let id = OrganizationId(Uuid::new_v4());
            write.insert_organization(&named(id)).await.unwrap();
            ids.push(id);
        }
        write.commit_unnoticed().await.unwrap();
        let deleted = OrganizationId(Uuid::new_v4());
        let mut sum = BTreeMap::new();
        let sizes = [0, 1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 3 * AT_ONCE + 7];
        for (round, size) in (1..).zip(sizes) {
            let mut rows = Vec::new();
            for at in 0..size {
                // Of more than 51 some come twice, and one is of what was deleted.
                let id = *ids.get(at % 51).unwrap_or(&deleted);
                let (environment, day) = [("dev", 1), ("prod", 1), ("prod", 2)][at % 3];
                let calls = round * 1_000 + at as u64;
                rows.push(used(id, environment, day, calls));
                if id != deleted {
                    *sum.entry((day, id, environment)).or_insert(0) += calls;
                }
            }
            rows.reverse();
            let mut write = store.write().await.unwrap();
            write.add_usage(&rows).await.unwrap();
            write.commit_unnoticed().await.unwrap();
        }
        let mut written = BTreeMap::new();
        for day in [1, 2] {
            for row in store.usage_on(Day(day)).await.unwrap() {
                assert_eq!(row.usage.requests, 2 * row.usage.calls);
                let environment = match row.environment.as_str() {
                    "dev" => "dev",
                    _ => "prod",
                };
                written.insert((day, row.organization, environment), row.usage.calls);
            }
        }
        assert_eq!(written, sum);
    }

    #[tokio::test]
    async fn the_health_of_many_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locum.db");
        let store = Store::open(&path, true).await.unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut write = store.write().await.unwrap();
        let mut all = Vec::new();
        for number in 0..AT_ONCE as u32 + 1 {
            let id = OrganizationId(Uuid::new_v4());
            write.insert_organization(&named(id)).await.unwrap();
            let time = at(1_000 + i64::from(number));
            let failed = (number % 2 == 0).then(|| LastFailure {
                at: time,
                cause: format!("upstream_failed: HTTP {number}"),
            });
            all.push(ProfileHealth {
                organization: id,
                environment: "prod".parse().unwrap(),
                provider: "eka-care".parse().unwrap(),
                version: CredentialVersionId(Uuid::new_v4()),
                last_login_at: (number % 3 == 0).then_some(time),
                last_failure: failed,
                token: TokenState::Cached,
                token_until: (number % 5 == 0).then_some(time),
                calls_hour: number,
                errors_hour: number / 2,
                written_at: time,
            });
        }
        write.put_profile_health(&all).await.unwrap();
        write.commit_unnoticed().await.unwrap();
        let mut written = store.profile_health().await.unwrap();
        written.sort_by_key(|health| health.written_at);
        assert_eq!(written, all);
        store.close().await;
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
