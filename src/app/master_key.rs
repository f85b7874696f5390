//! What the key ring and the database say of each other, also when they do not fit: `locum
//! master-key status`. Reads, and changes nothing.

use std::path::PathBuf;

use serde::Serialize;

use super::{AppError, Surroundings, fit, key_source};
use crate::config::Loaded;
use crate::store::{self, StoredKekUse};
use crate::vault::{RingOrigin, Vault, draft_of};

/// The key ring beside the database.
#[derive(Debug, Serialize)]
pub struct KeyRingStatus {
    /// Where the ring was read.
    pub source: String,
    /// Whether `locum master-key rotate` can add a key to it.
    pub rewritable: bool,
    pub keys: Vec<KekStatus>,
    /// Whether the ring opens the database's check row.
    pub fits: bool,
    /// Whether everything is sealed under the ring's active key.
    pub complete: bool,
    /// What a rotation that was interrupted left behind: nobody uses it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draft: Option<PathBuf>,
}

/// A key of the ring, or one that it lacks.
#[derive(Debug, Serialize)]
pub struct KekStatus {
    pub id: String,
    pub state: KekState,
    /// How many organization keys are sealed under it.
    pub organization_keys: i64,
    /// Whether the key of the audit log is.
    pub audit_key: bool,
    /// Whether new keys are.
    pub in_use: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum KekState {
    Active,
    Retired,
    /// Something is sealed under it, and the ring lacks it.
    Missing,
}

impl KeyRingStatus {
    pub fn missing(&self) -> impl Iterator<Item = &KekStatus> {
        let keys = self.keys.iter();
        keys.filter(|key| key.state == KekState::Missing)
    }
}

/// Compares ring and database.
pub async fn key_ring_status(
    loaded: &Loaded,
    surroundings: &Surroundings,
) -> Result<KeyRingStatus, AppError> {
    let path = loaded.database()?;
    let installation = store::peek(&path).await?;
    let uses = store::peek_kek_uses(&path).await?;
    let source = key_source(loaded, surroundings);
    let (vault, origin) = Vault::from_source(source, installation.database_id)?;
    let active = vault.ring().active();
    let draft = match &origin {
        RingOrigin::File(path) => Some(draft_of(path)),
        _ => None,
    };
    Ok(KeyRingStatus {
        source: origin.to_string(),
        rewritable: matches!(origin, RingOrigin::File(_)),
        complete: uses.iter().all(|used| used.kek_id == active.as_str()),
        keys: keys(&vault, uses),
        fits: fit(&vault, &installation).is_ok(),
        draft: draft.filter(|draft| draft.symlink_metadata().is_ok()),
    })
}

/// The ring's keys, then those that it lacks.
fn keys(vault: &Vault, uses: Vec<StoredKekUse>) -> Vec<KekStatus> {
    let active = vault.ring().active();
    let ids = vault.ring().ids();
    let (of_ring, missing): (Vec<_>, Vec<_>) = uses
        .into_iter()
        .partition(|used| ids.iter().any(|id| used.kek_id == id.as_str()));
    let in_ring = ids.iter().map(|id| {
        let state = match *id == active {
            true => KekState::Active,
            false => KekState::Retired,
        };
        let used = of_ring.iter().find(|used| used.kek_id == id.as_str());
        status(id.as_str(), state, used)
    });
    let missing = missing
        .iter()
        .map(|used| status(&used.kek_id, KekState::Missing, Some(used)));
    in_ring.chain(missing).collect()
}

fn status(id: &str, state: KekState, used: Option<&StoredKekUse>) -> KekStatus {
    KekStatus {
        id: id.to_owned(),
        state,
        organization_keys: used.map_or(0, |used| used.organization_keys),
        audit_key: used.is_some_and(|used| used.audit_key),
        in_use: used.is_some_and(|used| used.in_use),
    }
}
