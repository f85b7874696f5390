//! A copy of the database as one file, made while others read and write it, and looked through
//! before it counts as one.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};

use super::{BUSY_TIMEOUT, Store, StoreError, beside};

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("{0} is there already, and is never overwritten")]
    Exists(PathBuf),
    #[error("{path} cannot be written: {source}")]
    Target {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error(transparent)]
    Query(#[from] sqlx::Error),
    #[error("the copy is damaged: {0}")]
    Damaged(String),
}

/// A copy that has not its name yet. Dropped, it is gone.
pub struct Draft {
    partial: PathBuf,
    target: PathBuf,
}

impl Store {
    /// Copies the database into a new file, which is whole, and has its name when it is kept.
    pub async fn copy_to(&self, target: &Path) -> Result<Draft, BackupError> {
        refuse_existing(target)?;
        let draft = Draft {
            partial: beside(target, ".partial"),
            target: target.to_owned(),
        };
        copy(&self.path, &draft.partial).await?;
        Ok(draft)
    }
}

impl Draft {
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Gives the copy its name; answers its size.
    pub fn keep(self) -> Result<u64, BackupError> {
        refuse_existing(&self.target)?;
        // Where there are no hard links, a rename has to do.
        match std::fs::hard_link(&self.partial, &self.target) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(BackupError::Exists(self.target.clone()));
            }
            Err(_) => std::fs::rename(&self.partial, &self.target)?,
            Ok(()) => std::fs::remove_file(&self.partial)?,
        }
        sync_folder(&self.target)?;
        Ok(self.target.metadata()?.len())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // It would take the place that is needed to try again. When it was kept, it is not there.
        let _ = std::fs::remove_file(&self.partial);
    }
}

fn refuse_existing(path: &Path) -> Result<(), BackupError> {
    match path.symlink_metadata() {
        Ok(_) => Err(BackupError::Exists(path.to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Keeps the database as it is before migration `version`, beside it: `locum.db.before-2`. A
/// backup that an upgrade left there which did not come to its end is replaced.
pub(super) async fn before(path: &Path, version: i64) -> Result<PathBuf, StoreError> {
    let name = format!(".before-{version}");
    let (backup, partial) = (
        beside(path, &name),
        beside(path, &format!("{name}.partial")),
    );
    match copy(path, &partial).await.and_then(|()| {
        std::fs::rename(&partial, &backup)?;
        sync_folder(&backup)
    }) {
        Ok(()) => Ok(backup),
        Err(source) => {
            // It would take the place that is needed to try again.
            let _ = std::fs::remove_file(&partial);
            Err(StoreError::Backup {
                path: path.to_owned(),
                backup,
                source,
            })
        }
    }
}

pub(super) async fn copy(from: &Path, to: &Path) -> Result<(), BackupError> {
    match std::fs::remove_file(to) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    // Made by us first, so that nobody else can read it: SQLite fills an empty file.
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(|source| BackupError::Target {
            path: to.to_owned(),
            source,
        })?;
    let mut connection = open(from).await?;
    let name = to.as_os_str().to_string_lossy();
    sqlx::query("VACUUM INTO ?")
        .bind(&*name)
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    File::open(to)?.sync_all()?;
    verify(to).await
}

async fn verify(path: &Path) -> Result<(), BackupError> {
    let mut connection = open(path).await?;
    let lines: Vec<String> = sqlx::query_scalar("PRAGMA integrity_check")
        .fetch_all(&mut connection)
        .await?;
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema")
        .fetch_one(&mut connection)
        .await?;
    connection.close().await?;
    match (lines.as_slice(), tables) {
        (_, 0) => Err(BackupError::Damaged("it is empty".to_owned())),
        ([line], _) if line == "ok" => Ok(()),
        (lines, _) => Err(BackupError::Damaged(lines.join("; "))),
    }
}

async fn open(path: &Path) -> Result<SqliteConnection, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(true)
        .pragma("temp_store", "MEMORY")
        .busy_timeout(BUSY_TIMEOUT);
    SqliteConnection::connect_with(&options).await
}

/// Makes a new name in a folder durable.
pub(super) fn sync_folder(path: &Path) -> Result<(), BackupError> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => File::open(folder)?.sync_all()?,
        _ => File::open(".")?.sync_all()?,
    }
    Ok(())
}
