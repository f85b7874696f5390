//! Puts a backup in the place of a database. At every moment there is the one or the other, whole,
//! and the former one is kept beside it.
//!
//! ```text
//! stage    backup → locum.db.restoring, as one file, brought up to date
//! replace  the former one's log into its file, and gone
//!          locum.db.replaced-TIME, another name of the former one
//!          locum.db.restoring → locum.db
//! ```

use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection};

use super::backup::{copy, sync_folder};
use super::removal::truncate_log;
use super::{BUSY_TIMEOUT, BackupError, Store, StoreError, beside, schema};

/// A database on its way to its place. Dropped, it is gone.
pub struct Staged {
    path: PathBuf,
    database: PathBuf,
}

impl Staged {
    /// Copies a backup beside the database that is to be replaced, and checks the copy.
    pub async fn copy(backup: &Path, database: &Path) -> Result<Self, BackupError> {
        let staged = Self {
            path: beside(database, ".restoring"),
            database: database.to_owned(),
        };
        // Of an attempt that was killed: SQLite would take them for the copy's own.
        remove_companions(&staged.path)?;
        copy(backup, &staged.path).await?;
        Ok(staged)
    }

    /// Opens it, and brings its schema up to date: the backup is what it was before.
    pub async fn open(&self) -> Result<Store, StoreError> {
        let known = &schema::MIGRATIONS;
        Store::open_with(&self.path, false, known, schema::Former::IsKept).await
    }

    /// Puts it in the database's place, closed before; answers where the former one is.
    pub async fn replace(self, now: Timestamp) -> Result<Option<PathBuf>, StoreError> {
        let io = |source: BackupError| StoreError::Replace {
            path: self.database.clone(),
            source,
        };
        self.settle_itself().map_err(io)?;
        let former = self.database.symlink_metadata().is_ok();
        if former {
            settle(&self.database).await?;
        }
        let time = now.strftime("%Y%m%dT%H%M%S.%3fZ");
        let kept = beside(&self.database, &format!(".replaced-{time}"));
        self.exchange(former.then_some(&kept), &kept).map_err(io)?;
        Ok(former.then_some(kept))
    }

    /// All of it is in the one file, and on the disk.
    fn settle_itself(&self) -> Result<(), BackupError> {
        let log = beside(&self.path, "-wal").metadata();
        if log.is_ok_and(|log| log.len() > 0) {
            let problem = "its log could not be brought into the file".to_owned();
            return Err(BackupError::Damaged(problem));
        }
        remove_companions(&self.path)?;
        Ok(File::open(&self.path)?.sync_all()?)
    }

    fn exchange(&self, former: Option<&PathBuf>, kept: &Path) -> Result<(), BackupError> {
        if let Some(former) = former {
            // Where there are no hard links, a copy has to do.
            if std::fs::hard_link(&self.database, former).is_err() {
                std::fs::copy(&self.database, former)?;
                File::open(former)?.sync_all()?;
            }
        }
        // There is none that matters, unless the former database was damaged or is missing.
        for end in ["-wal", "-shm"] {
            rename_if_there(&beside(&self.database, end), &beside(kept, end))?;
        }
        sync_folder(&self.database)?;
        std::fs::rename(&self.path, &self.database)?;
        sync_folder(&self.database)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // When it took the database's place, nothing of these is there.
        let _ = remove_companions(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Brings a database's log into its file and leaves none. One that is damaged is left as it is: so
/// are its log's chances.
async fn settle(database: &Path) -> Result<(), StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(BUSY_TIMEOUT);
    let settled = async {
        let mut connection = options.connect().await?;
        let emptied = truncate_log(&mut connection).await;
        connection.close().await?;
        emptied
    };
    match settled.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(StoreError::InUse(database.to_owned())),
        Err(error) if error.is_damaged() => Ok(()),
        Err(error) => Err(error),
    }
}

fn remove_companions(path: &Path) -> Result<(), BackupError> {
    for end in ["-wal", "-shm"] {
        match std::fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

fn rename_if_there(from: &Path, to: &Path) -> Result<(), BackupError> {
    match std::fs::rename(from, to) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
        _ => Ok(()),
    }
}
