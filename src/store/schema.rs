//! The schema: whether this program knows it, and how it is brought up to date.
//!
//! ```text
//! applied ⊆ known, same bytes? → nothing pending: done, nothing is written
//!                              → pending: write lock → backup, verified → all migrations → commit
//! ```
//!
//! All pending migrations are one transaction: an upgrade that fails leaves the database as it
//! was, and two programs that start together upgrade it once.

use std::path::Path;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::sqlite::{SqliteConnection, SqlitePool};

use super::rows::get;
use super::{StoreError, backup};

pub(super) static MIGRATIONS: Migrator = sqlx::migrate!("./migrations");

/// A migration as the database remembers it.
struct Applied {
    version: i64,
    checksum: Vec<u8>,
}

/// The database as it was before it is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Former {
    /// Somewhere else already.
    IsKept,
    IsToBeKept,
}

/// Applies what is pending, after a backup of a database that has something in it.
pub(super) async fn update(
    path: &Path,
    writer: &SqlitePool,
    known: &Migrator,
    former: Former,
) -> Result<(), StoreError> {
    let current = check(path, &mut *writer.acquire().await?, known).await?;
    if current.pending.is_none() {
        return Ok(());
    }
    let mut transaction = writer.begin_with("BEGIN IMMEDIATE").await?;
    // Asked again: another program may have been faster.
    let current = check(path, &mut transaction, known).await?;
    let Some(pending) = current.pending else {
        return Ok(());
    };
    if !current.is_new && former == Former::IsToBeKept {
        let backup = backup::before(path, pending).await?;
        tracing::warn!(
            database = %path.display(), backup = %backup.display(),
            "the database is brought up to date; the backup is what it was before"
        );
    }
    let failed = |source: MigrateError| StoreError::Migration {
        path: path.to_owned(),
        source,
    };
    known
        .run_direct(None, &mut *transaction, false)
        .await
        .map_err(failed)?;
    Ok(transaction.commit().await?)
}

/// What a database is to this program.
pub(super) struct Schema {
    /// Nothing was ever applied.
    pub is_new: bool,
    /// The first migration that it lacks.
    pub pending: Option<i64>,
}

/// Refuses a schema that this program does not know; only reads.
pub(super) async fn check(
    path: &Path,
    connection: &mut SqliteConnection,
    known: &Migrator,
) -> Result<Schema, StoreError> {
    let applied = applied(connection).await?;
    for done in &applied {
        match known.iter().find(|known| known.version == done.version) {
            None => return Err(StoreError::NewerSchema(path.to_owned())),
            Some(known) if *known.checksum != *done.checksum => {
                return Err(StoreError::ForeignSchema {
                    path: path.to_owned(),
                    version: done.version,
                });
            }
            Some(_) => {}
        }
    }
    let is_applied = |version| applied.iter().any(|done| done.version == version);
    let mut versions = known.iter().map(|known| known.version);
    Ok(Schema {
        is_new: applied.is_empty(),
        pending: versions.find(|version| !is_applied(*version)),
    })
}

async fn applied(connection: &mut SqliteConnection) -> Result<Vec<Applied>, StoreError> {
    let rows = sqlx::query("SELECT version, checksum FROM _sqlx_migrations ORDER BY version")
        .fetch_all(connection)
        .await;
    let rows = match rows {
        Err(sqlx::Error::Database(error)) if error.message().contains("no such table") => {
            return Ok(Vec::new());
        }
        rows => rows?,
    };
    rows.iter()
        .map(|row| {
            Ok(Applied {
                version: get(row, "version")?,
                checksum: get(row, "checksum")?,
            })
        })
        .collect()
}
