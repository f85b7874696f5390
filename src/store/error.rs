//! What can go wrong with the database, and what to do about it.

use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;

/// A failed query or change.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("there is no database at {0}; run `locum init` first, or correct store.url")]
    NoDatabase(PathBuf),
    #[error("the database {path} cannot be reached by this user: {source}")]
    Unreachable {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("store.url `{0}` is not supported; write sqlite:PATH")]
    Url(String),
    #[error("SQLite {0} can lose committed writes in WAL mode; 3.51.3 or newer is needed")]
    OldSqlite(String),
    #[error(
        "the database {0} was written by a newer locum; start that version, or restore a backup made before the upgrade"
    )]
    NewerSchema(PathBuf),
    #[error("the database {path} could not be brought up to date: {source}")]
    Migration { path: PathBuf, source: MigrateError },
    #[error("the database {0} was never initialized; run `locum init` in a new folder")]
    Uninitialized(PathBuf),
    #[error("the database holds {0}, which this version cannot read")]
    Content(&'static str),
    #[error("{0} already exists")]
    Exists(&'static str),
    #[error("database: {0}")]
    Sqlx(sqlx::Error),
}

impl StoreError {
    pub(super) fn migration(path: &Path, error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(_) | MigrateError::VersionTooNew(..) => {
                Self::NewerSchema(path.to_owned())
            }
            source => Self::Migration {
                path: path.to_owned(),
                source,
            },
        }
    }

    /// A row that stands in the way becomes `what` exists.
    pub(super) fn unique(error: sqlx::Error, what: &'static str) -> Self {
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Exists(what),
            _ => Self::Sqlx(error),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Sqlx(error)
    }
}
