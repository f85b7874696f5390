//! `locum restore`: a backup becomes the database, while nobody has it open.
//!
//! Nothing is touched before the backup is known to be whole, the key ring opens everything in it,
//! and its audit log follows from record to record.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::{AppError, Surroundings, vault_of};
use crate::admin::{Contents, CopyStep, OnStep, examine};
use crate::audit::Audit;
use crate::config::Loaded;
use crate::domain::actor::Actor;
use crate::domain::audit::AuditEvent;
use crate::domain::clock::SharedClock;
use crate::store::{DatabaseLock, Staged, Store};
use crate::vault::Vault;

/// What a restored database is.
#[derive(Debug, Serialize)]
pub struct Restored {
    pub database: PathBuf,
    /// Where the former one is; `None` when there was none.
    pub replaced: Option<PathBuf>,
    #[serde(flatten)]
    pub contents: Contents,
}

/// Puts a backup in the database's place; the former one is kept beside it.
pub async fn restore(
    backup: &Path,
    (loaded, surroundings): (&Loaded, &Surroundings),
    (actor, clock): (&Actor, &SharedClock),
    on_step: OnStep<'_>,
) -> Result<Restored, AppError> {
    let database = loaded.database()?;
    backup.metadata().map_err(|source| AppError::Io {
        path: backup.to_owned(),
        source,
    })?;
    let (vault, _) = vault_of(backup, loaded, surroundings).await?;
    let vault = Arc::new(vault);
    make_folder(&database)?;
    let _alone = DatabaseLock::exclusive(&database)?;
    on_step(CopyStep::Copying);
    let staged = Staged::copy(backup, &database).await?;
    let store = staged.open().await?;
    let now = clock.now();
    let event = AuditEvent::new(now, actor.to_string(), "backup.restore");
    let name = backup.file_name().unwrap_or_default().to_string_lossy();
    let examined = prepare(&store, &vault, event.on(name), on_step).await;
    store.close().await;
    let contents = examined?;
    Ok(Restored {
        replaced: staged.replace(now).await?,
        database,
        contents,
    })
}

/// Examines what is to become the database, and records in it that it does.
async fn prepare(
    store: &Store,
    vault: &Arc<Vault>,
    event: AuditEvent,
    on_step: OnStep<'_>,
) -> Result<Contents, AppError> {
    Audit::catch_up(store, vault).await?;
    let contents = examine(store, vault, on_step).await?;
    let audit = Audit::open(store, vault).await?;
    let mut write = store.write().await?;
    audit.append(&mut write, event).await?;
    write.commit().await?;
    Ok(contents)
}

fn make_folder(database: &Path) -> Result<(), AppError> {
    let folder = database.parent().unwrap_or(Path::new("."));
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| AppError::Io {
        path: folder.to_owned(),
        source,
    })
}
