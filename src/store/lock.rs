//! Who has a database open: every process of Locum shares a lock on a file beside it, `locum.db.lock`,
//! and whoever puts another database in its place wants it alone. A server has `locum.db.serving` to
//! itself besides: limits and reminders are one process's. The kernel ends a lock with its
//! process, however that ends; the file stays, and is empty.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::StoreError;

const LOCK: &str = ".lock";
const SERVING: &str = ".serving";

/// Held as long as the database is in use.
pub struct DatabaseLock {
    _file: File,
}

impl DatabaseLock {
    /// For those who read and write what is in the database that is there.
    pub fn shared(database: &Path) -> Result<Self, StoreError> {
        super::check_exists(database)?;
        let file = open(database, LOCK)?;
        match file.try_lock_shared() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Restoring(database.to_owned())),
            Err(TryLockError::Error(source)) => Err(unreachable(database, LOCK, source)),
        }
    }

    /// For the server: there is one.
    pub fn serving(database: &Path) -> Result<Self, StoreError> {
        let file = open(database, SERVING)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::Served(database.to_owned())),
            Err(TryLockError::Error(source)) => Err(unreachable(database, SERVING, source)),
        }
    }

    /// For whoever puts another database there; there may be none yet.
    pub fn exclusive(database: &Path) -> Result<Self, StoreError> {
        let file = open(database, LOCK)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(StoreError::InUse(database.to_owned())),
            Err(TryLockError::Error(source)) => Err(unreachable(database, LOCK, source)),
        }
    }
}

fn open(database: &Path, end: &str) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let file = options.mode(0o600).open(super::beside(database, end));
    file.map_err(|source| match source.kind() {
        ErrorKind::StorageFull => StoreError::Full,
        _ => unreachable(database, end, source),
    })
}

fn unreachable(database: &Path, end: &str, source: std::io::Error) -> StoreError {
    StoreError::Unreachable {
        path: super::beside(database, end),
        source,
    }
}
