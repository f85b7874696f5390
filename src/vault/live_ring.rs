//! The key ring while the process runs: read again when a key is asked for that it has not, and
//! changed together with the file that it came from.

use std::sync::Arc;

use arc_swap::ArcSwap;

use super::key_file::{KeyFileError, KeySource, read_key_ring};
use super::key_ring::{KekId, KeyRing};
use super::{VaultError, key_write};

/// A key ring, and where it came from, if it may have changed there.
pub struct LiveRing {
    ring: ArcSwap<KeyRing>,
    source: Option<KeySource>,
}

/// Why the key ring is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RingChangeError {
    #[error(transparent)]
    File(#[from] KeyFileError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl LiveRing {
    pub(super) fn new(ring: KeyRing, source: Option<KeySource>) -> Self {
        let ring = ArcSwap::from_pointee(ring);
        Self { ring, source }
    }

    /// The ring's active key: the one that everything is to be sealed under. Which one is in use,
    /// the database says: the two differ while a new key is being introduced.
    pub fn active(&self) -> KekId {
        self.ring.load().active_id().clone()
    }

    pub fn ids(&self) -> Vec<KekId> {
        self.ring.load().ids().cloned().collect()
    }

    /// Reads the ring again: it is now what it is at its source.
    pub fn reload(&self) -> Result<(), KeyFileError> {
        if let Some(source) = &self.source {
            self.ring.store(Arc::new(read_key_ring(source)?.0));
        }
        Ok(())
    }

    /// Adds a new key, there too where the ring came from: the active one from now on.
    pub fn add_key(&self) -> Result<KekId, RingChangeError> {
        self.replace(self.ring.load().with_new_key()?)?;
        Ok(self.active())
    }

    /// Removes a retired key, there too where the ring came from.
    pub fn remove(&self, kek: &KekId) -> Result<(), RingChangeError> {
        self.replace(self.ring.load().without(kek))
    }

    fn replace(&self, ring: KeyRing) -> Result<(), RingChangeError> {
        if let Some(source) = &self.source {
            key_write::replace_key_file(source, &ring)?;
        }
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    /// The ring that has this key, read again if need be: somebody else may have added it. The ring
    /// as it is, where nobody has.
    pub(super) fn with(&self, kek: &KekId) -> Arc<KeyRing> {
        let ring = self.ring.load_full();
        let (false, Some(source)) = (ring.has(kek), &self.source) else {
            return ring;
        };
        match read_key_ring(source) {
            Ok((new, _)) if new.has(kek) => {
                tracing::info!(%kek, "the key ring was read again: it has a new key");
                let new = Arc::new(new);
                self.ring.store(new.clone());
                new
            }
            Ok(_) => ring,
            Err(error) => {
                tracing::error!(%kek, %error, "the key ring cannot be read again");
                ring
            }
        }
    }
}
