//! The store: one SQLite file, one writer connection and a pool of readers.
//!
//! Every query about a tenant takes the tenant. Writes go through [`Write`], a transaction that
//! bumps the revision counter when it commits, so that a running server notices. Values arrive
//! here sealed or hashed; the store has no key to anything.

mod admin_tokens;
mod audit;
mod audit_calls;
mod audit_log;
mod audit_rows;
mod backup;
mod credentials;
mod error;
mod health;
mod idempotency;
mod installation;
mod keys;
mod limits;
mod lives;
mod lock;
mod master_key;
mod organizations;
mod reminders;
mod removal;
mod restore;
mod rows;
mod schema;
mod tenant_settings;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use schema::Former;
use sqlx::migrate::Migrator;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{Connection, Sqlite, Transaction};

pub use admin_tokens::{AdminTokenRow, NewAdminToken};
pub use audit::{ChainPlace, StoredAnchor, StoredChainKey};
pub use audit_calls::CallBatch;
pub use audit_log::{AuditQuery, AuditReader, PageStart, StoredPage};
pub use audit_rows::{LogCursor, LogRow};
pub use backup::{BackupError, Draft};
pub use credentials::{
    NewCredential, SealedField, StoredCredential, StoredField, StoredKey, StoredSecret,
};
pub use error::StoreError;
pub use health::RefusedForCalls;
pub use idempotency::FirstAnswer;
pub use installation::{Installation, peek};
pub use keys::{GatewayKeyRow, NewGatewayKey, NewGrant};
pub use limits::{StoredLimits, StoredUsage};
pub use lives::StoredRotation;
pub use lock::DatabaseLock;
pub use master_key::{StoredKekUse, StoredKeyOf, peek_kek_uses};
pub use reminders::{NewReminder, ReminderFilter, ReminderRow};
pub use removal::Removed;
pub use restore::Staged;
pub use tenant_settings::StoredSettings;

/// Older libraries can lose committed writes in WAL mode with two connections
/// (SQLite release notes, 3.51.3).
const MINIMUM_SQLITE: (u32, u32, u32) = (3, 51, 3);
const READERS: u32 = 4;
/// A change waits this long for another process's.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);
/// And this long for those of its own process that are ahead of it, as whoever reads waits for others who do.
const QUEUE_TIMEOUT: Duration = Duration::from_secs(30);

/// An open database.
#[derive(Clone)]
pub struct Store {
    path: Arc<Path>,
    writer: SqlitePool,
    readers: SqlitePool,
}

/// A change in progress. Dropped without [`Write::commit`], it leaves nothing behind.
pub struct Write {
    transaction: Transaction<'static, Sqlite>,
}

impl Store {
    /// Opens the database and brings its schema up to date, after a backup; `create` makes a
    /// missing file.
    pub async fn open(path: &Path, create: bool) -> Result<Self, StoreError> {
        Self::open_with(path, create, &schema::MIGRATIONS, Former::IsToBeKept).await
    }

    /// Opens a copy that nobody else has and that stays as it is.
    pub async fn open_copy(path: &Path) -> Result<Self, StoreError> {
        check_exists(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .immutable(true)
            .pragma("temp_store", "MEMORY");
        let readers = pool_of(1).connect_with(options).await?;
        let found =
            schema::check(path, &mut *readers.acquire().await?, &schema::MIGRATIONS).await?;
        match found.pending {
            Some(_) => Err(StoreError::OldSchema(path.to_owned())),
            None => Ok(Self {
                path: Arc::from(path),
                writer: readers.clone(),
                readers,
            }),
        }
    }

    async fn open_with(
        path: &Path,
        create: bool,
        known: &Migrator,
        former: Former,
    ) -> Result<Self, StoreError> {
        if !create {
            check_exists(path)?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .pragma("secure_delete", "ON")
            // There may be nowhere to put a temporary file: a read-only root.
            .pragma("temp_store", "MEMORY")
            .busy_timeout(BUSY_TIMEOUT);
        let writer = pool_of(1).connect_with(options.clone()).await?;
        let ready = async {
            assert_version(&writer).await?;
            schema::update(path, &writer, known, former).await
        };
        if let Err(error) = ready.await {
            // Or a refused database would keep its write-ahead log beside it.
            writer.close().await;
            return Err(error);
        }
        // What they read is seldom read again, and the system keeps the file's pages anyway.
        let options = options.pragma("cache_size", "-256");
        let readers = pool_of(READERS)
            .connect_with(options.create_if_missing(false).pragma("query_only", "ON"))
            .await?;
        Ok(Self {
            path: Arc::from(path),
            writer,
            readers,
        })
    }

    /// Starts a change; waits for the one before it.
    pub async fn write(&self) -> Result<Write, StoreError> {
        let begun = self.writer.begin_with("BEGIN IMMEDIATE").await;
        let transaction = begun.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => StoreError::Queued,
            error => error.into(),
        })?;
        Ok(Write { transaction })
    }

    /// A number that every committed change raises.
    pub async fn revision(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT value FROM revision")
            .fetch_one(&self.readers)
            .await?)
    }

    /// SQLite's own check of the file, for `locum check`: empty when all is well.
    pub async fn integrity_problems(&self) -> Result<Vec<String>, StoreError> {
        let lines: Vec<String> = sqlx::query_scalar("PRAGMA quick_check")
            .fetch_all(&self.readers)
            .await?;
        Ok(lines.into_iter().filter(|line| line != "ok").collect())
    }

    /// Waits for running queries and closes the file.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Write {
    /// Makes the change durable and visible to a running server.
    pub async fn commit(mut self) -> Result<(), StoreError> {
        sqlx::query("UPDATE revision SET value = value + 1")
            .execute(&mut *self.transaction)
            .await?;
        self.commit_unnoticed().await
    }

    /// Makes a change durable that no running server has to notice: bookkeeping of its own.
    pub async fn commit_unnoticed(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit().await?)
    }
}

/// The file that a `sqlite:` URL names, relative to `base`.
pub fn database_path(url: &str, base: &Path) -> Result<PathBuf, StoreError> {
    let path = url
        .strip_prefix("sqlite:")
        .ok_or_else(|| StoreError::Url(url.to_owned()))?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path.contains('?') || path == ":memory:" {
        return Err(StoreError::Url(url.to_owned()));
    }
    Ok(base.join(path))
}

/// A pool whose connections live as long as it does. sqlx's task that ends old ones is not wanted:
/// when it counts idle connections between a release's two steps, the count is below zero and the
/// task turns without end on one of the runtime's threads (sqlx issue 3645; open in 0.9.0).
fn pool_of(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(QUEUE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .before_acquire(|connection, _| {
            // Where SQLite ended a transaction by itself, as on a full disk, sqlx cannot roll it back
            // and takes it for open still: that connection would begin no other. sqlx has asked it
            // something just before, so that a rollback under way is over.
            Box::pin(async move { Ok(!connection.is_in_transaction()) })
        })
}

/// A file beside another: the same name, and more.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// A file that cannot be seen is not a missing one.
fn check_exists(path: &Path) -> Result<(), StoreError> {
    match path.try_exists() {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::NoDatabase(path.to_owned())),
        Err(source) => Err(StoreError::Unreachable {
            path: path.to_owned(),
            source,
        }),
    }
}

async fn assert_version(pool: &SqlitePool) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()")
        .fetch_one(pool)
        .await?;
    let mut numbers = version.split('.').map(|part| part.parse().unwrap_or(0));
    let mut next = || numbers.next().unwrap_or(0);
    if (next(), next(), next()) >= MINIMUM_SQLITE {
        Ok(())
    } else {
        Err(StoreError::OldSqlite(version))
    }
}
