//! What can go wrong with the database, and what to do about it.

use std::path::{Path, PathBuf};

use sqlx::migrate::MigrateError;

use super::{BUSY_TIMEOUT, BackupError, QUEUE_TIMEOUT};

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
    #[error(
        "the database {path} was made by another build of locum: migration {version} is not the one in this program; start the build that made it"
    )]
    ForeignSchema { path: PathBuf, version: i64 },
    #[error("the database {path} could not be brought up to date, and is as it was: {source}")]
    Migration { path: PathBuf, source: MigrateError },
    #[error(
        "the database {path} has to be brought up to date, and the backup {backup} could not be made before: {source}; nothing was changed: make room, or give the folder to the user that runs locum, and start again"
    )]
    Backup {
        path: PathBuf,
        backup: PathBuf,
        source: BackupError,
    },
    #[error(
        "the database {0} is in use: a server or another command of locum has it open; stop it and try again"
    )]
    InUse(PathBuf),
    #[error(
        "another `locum serve` serves the database {0}; one server at a time does, so stop that one first"
    )]
    Served(PathBuf),
    #[error("the database {0} is being replaced by `locum restore`; try again when that has ended")]
    Restoring(PathBuf),
    #[error("the database {path} is as it was: {source}")]
    Replace { path: PathBuf, source: BackupError },
    #[error("{0} is no database of locum: SQLite does not know it as one; is it another file?")]
    NotADatabase(PathBuf),
    #[error("the database {0} was never initialized; run `locum init` in a new folder")]
    Uninitialized(PathBuf),
    #[error(
        "the database {0} has to be brought up to date first: any other command does so, after a backup (`locum check`)"
    )]
    OldSchema(PathBuf),
    #[error("the database holds {0}, which this version cannot read")]
    Content(&'static str),
    #[error(
        "the audit log has a record of the highest number there is, which somebody planted, and none can follow it: `locum audit verify` says more; restore a backup"
    )]
    AuditFull,
    #[error("{0} already exists")]
    Exists(&'static str),
    #[error("the disk of the database is full; nothing was changed: make room and try again")]
    Full,
    #[error(
        "another process has kept the database locked for {} s; nothing was changed: try again when it has ended",
        BUSY_TIMEOUT.as_secs()
    )]
    Locked,
    #[error(
        "the changes ahead of this one have taken {} s; nothing was changed: try again in a moment",
        QUEUE_TIMEOUT.as_secs()
    )]
    Queued,
    #[error(
        "the database has not answered for {} s, or others ask it that much; try again in a moment",
        QUEUE_TIMEOUT.as_secs()
    )]
    Crowded,
    #[error("database: {0}")]
    Sqlx(sqlx::Error),
}

/// Primary result codes of SQLite (sqlite.org/rescode.html): the lower byte of what is reported.
const SQLITE_BUSY: i32 = 5;
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_FULL: i32 = 13;
const SQLITE_NOTADB: i32 = 26;
/// A whole code: the file that connections share memory by could not get its 32 KiB.
const SQLITE_IOERR_SHMSIZE: i32 = 4874;

impl StoreError {
    /// Names the file that was opened, where it is none that can be.
    pub(super) fn of_file(self, path: &Path) -> Self {
        match &self {
            Self::Sqlx(error) if primary_code(error) == Some(SQLITE_NOTADB) => {
                Self::NotADatabase(path.to_owned())
            }
            _ => self,
        }
    }

    /// Whether the same request may work later.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Full | Self::Locked | Self::Queued | Self::Crowded
        )
    }

    /// Whether a file is no database, or one that is damaged.
    pub(super) fn is_damaged(&self) -> bool {
        let Self::Sqlx(error) = self else {
            return false;
        };
        matches!(primary_code(error), Some(SQLITE_CORRUPT | SQLITE_NOTADB))
    }

    /// A row that stands in the way becomes `what` exists.
    pub(super) fn unique(error: sqlx::Error, what: &'static str) -> Self {
        match &error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Exists(what),
            _ => error.into(),
        }
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            return Self::Crowded;
        }
        match (code(&error), primary_code(&error)) {
            (Some(SQLITE_IOERR_SHMSIZE), _) | (_, Some(SQLITE_FULL)) => Self::Full,
            (_, Some(SQLITE_BUSY)) => Self::Locked,
            _ => Self::Sqlx(error),
        }
    }
}

fn code(error: &sqlx::Error) -> Option<i32> {
    match error {
        sqlx::Error::Database(inner) => inner.code()?.parse().ok(),
        _ => None,
    }
}

fn primary_code(error: &sqlx::Error) -> Option<i32> {
    code(error).map(|code| code & 0xff)
}
