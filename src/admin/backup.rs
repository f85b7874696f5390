//! Backups: made while others write, and looked through before they count. What is in one opens with
//! the key ring as it is now; the ring is not in it.

use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use super::{Admin, AdminError};
use crate::audit::Audit;
use crate::credentials::{Credentials, Survey};
use crate::domain::actor::Right;
use crate::store::Store;
use crate::vault::Vault;

/// What a copy of the database was found to be.
#[derive(Debug, Serialize)]
pub struct Contents {
    pub organizations: usize,
    #[serde(flatten)]
    pub opened: Survey,
    /// Records of the audit log that follow one another.
    pub audit_records: u64,
    /// The master key that is in use in it.
    pub kek: String,
}

/// A backup that was made.
#[derive(Debug, Serialize)]
pub struct Backup {
    pub bytes: u64,
    #[serde(flatten)]
    pub contents: Contents,
}

/// What is being done to a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyStep {
    /// And its pages are checked.
    Copying,
    FollowingRecords,
    OpeningSecrets,
}

/// Who wants to know how far it is.
pub type OnStep<'a> = &'a (dyn Fn(CopyStep) + Send + Sync);

impl Admin {
    /// Makes a backup as a new file. It has its name when it was found to be good.
    pub async fn back_up(&self, target: &Path, on_step: OnStep<'_>) -> Result<Backup, AdminError> {
        self.require(Right::Own)?;
        let name = target.file_name().unwrap_or_default().to_string_lossy();
        on_step(CopyStep::Copying);
        let draft = self.store.copy_to(target).await?;
        let copy = Store::open_copy(draft.path()).await?;
        let examined = examine(&copy, self.credentials.vault(), on_step).await;
        copy.close().await;
        let contents = examined?;
        // No record, no backup.
        let mut write = self.store.write().await?;
        let event = self.event("backup.create").on(name);
        self.audit.append(&mut write, event).await?;
        write.commit_unnoticed().await?;
        let bytes = draft.keep()?;
        Ok(Backup { bytes, contents })
    }
}

/// Follows the audit log of a copy and opens everything that is sealed in it.
pub async fn examine(
    copy: &Store,
    vault: &Arc<Vault>,
    on_step: OnStep<'_>,
) -> Result<Contents, AdminError> {
    on_step(CopyStep::FollowingRecords);
    let audit = Audit::open(copy, vault).await?;
    let log = audit.verify(copy, None).await?;
    if let Some(message) = log.message {
        return Err(AdminError::CopyUnsound(message));
    }
    on_step(CopyStep::OpeningSecrets);
    let credentials = Credentials::new(copy.clone(), vault.clone());
    Ok(Contents {
        organizations: copy.organizations().await?.len(),
        opened: credentials.survey().await?,
        audit_records: log.records,
        kek: copy.kek_in_use().await?,
    })
}
