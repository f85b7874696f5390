//! The master key: a new one in the place of the present one, step by step while others work, and
//! the end of a retired one.
//!
//! ```text
//! begin    a new key in the ring, active there   ─┐ under the database's write lock;
//!          the database's key check under it     ─┘ from here on new keys are sealed under it
//! step     some organization keys, opened and sealed again, one transaction each, and so on
//! finish   the key of the audit log; the record that all is done
//! ```
//!
//! What was interrupted between any two of these is finished by the next rotation: while anything
//! is sealed under another key than the ring's active one, none is added.

use serde::Serialize;
use uuid::Uuid;

use super::{Admin, AdminError};
use crate::credentials::Unopened;
use crate::domain::actor::Right;
use crate::domain::organization::Organization;
use crate::domain::tenant::Environment;
use crate::store::{StoreError, StoredKekUse, Write};
use crate::vault::KekId;

/// Organization keys that one transaction re-wraps: other changes wait for it.
const AT_ONCE: i64 = 200;

/// A change of the master key under way. Dropped, it is interrupted.
pub struct KeyRotation {
    admin: Admin,
    kek: KekId,
    added: bool,
    total: u64,
    rewrapped: u64,
    after: Uuid,
    unopened: Vec<Unopened>,
}

/// What a change of the master key came to.
#[derive(Debug, Serialize)]
pub struct KeyRotationReport {
    /// The key that everything is sealed under now.
    pub kek: String,
    /// Whether it was made now, or found in the ring.
    pub added: bool,
    /// How many organization keys were re-wrapped.
    pub organization_keys: u64,
    /// Organization keys that open under no key of the ring.
    pub unopened: Vec<UnopenedKey>,
    /// Keys that are in the ring and that nothing is sealed under.
    pub retired: Vec<String>,
}

/// An organization key that stays under its key, because it does not open.
#[derive(Debug, Serialize)]
pub struct UnopenedKey {
    /// Its id, or its UUID.
    pub organization: String,
    pub environment: Environment,
    pub kek: String,
    pub reason: String,
}

impl Admin {
    /// Adds a key to the ring and lets the database use it; or goes on with what was interrupted.
    pub async fn begin_key_rotation(&self) -> Result<KeyRotation, AdminError> {
        self.require(Right::Own)?;
        let mut write = self.store.write().await?;
        let ring = self.credentials.vault().ring();
        // As it is now that nobody else changes it.
        ring.reload()?;
        let uses = write.kek_uses().await?;
        let open = is_open(&uses, &ring.active());
        let kek = match open {
            true => ring.active(),
            false => ring.add_key()?,
        };
        let rotation = KeyRotation {
            admin: self.clone(),
            added: !open,
            total: count_others(&uses, &kek),
            rewrapped: 0,
            after: Uuid::nil(),
            unopened: Vec::new(),
            kek,
        };
        let kek = &rotation.kek;
        let begun = self.use_kek(write, kek).await;
        begun.map_err(|error| error.in_rotation_to(kek))?;
        Ok(rotation)
    }

    /// New keys are sealed under it from now on.
    async fn use_kek(&self, mut write: Write, kek: &KekId) -> Result<(), AdminError> {
        if write.kek_in_use().await? == kek.as_str() {
            return Ok(());
        }
        let check = self.credentials.vault().seal_check(kek)?;
        write.set_kek_in_use(kek.as_str(), &check).await?;
        let event = self.event("master_key.add").on(kek.as_str());
        self.commit(write, [event]).await
    }

    /// Removes a retired key, which nothing is sealed under, from the ring.
    pub async fn remove_retired_key(&self, kek: &str) -> Result<(), AdminError> {
        self.require(Right::Own)?;
        let missing = || AdminError::NoMasterKey(kek.to_owned());
        let kek = KekId::parse(kek).ok_or_else(missing)?;
        let mut write = self.store.write().await?;
        self.check_retired(&kek, &write.kek_uses().await?)?;
        let event = self.event("master_key.remove").on(kek.as_str());
        self.commit(write, [event]).await?;
        // Its record is there; nobody else changes the ring meanwhile.
        let mut write = self.store.write().await?;
        self.check_retired(&kek, &write.kek_uses().await?)?;
        Ok(self.credentials.vault().ring().remove(&kek)?)
    }

    fn check_retired(&self, kek: &KekId, uses: &[StoredKekUse]) -> Result<(), AdminError> {
        let ring = self.credentials.vault().ring();
        ring.reload()?;
        if !ring.ids().contains(kek) {
            return Err(AdminError::NoMasterKey(kek.to_string()));
        }
        let used = uses.iter().any(|used| used.kek_id == kek.as_str());
        match used || ring.active() == *kek {
            true => Err(AdminError::MasterKeyInUse(kek.to_string())),
            false => Ok(()),
        }
    }
}

impl KeyRotation {
    /// The key that everything is to be sealed under.
    pub fn kek(&self) -> &KekId {
        &self.kek
    }

    /// How many organization keys are done, of how many.
    pub fn progress(&self) -> (u64, u64) {
        (self.rewrapped, self.total)
    }

    /// Re-wraps some more organization keys; `false` when there are no more.
    pub async fn step(&mut self) -> Result<bool, AdminError> {
        let mut write = self.admin.store.write().await?;
        let credentials = &self.admin.credentials;
        let batch = credentials.rewrap(&mut write, &self.kek, self.after, AT_ONCE);
        let batch = batch.await?;
        let Some(last) = batch.last else {
            return Ok(false);
        };
        // A server looks for what it needs when it needs it: there is nothing to notice.
        write.commit_unnoticed().await?;
        self.after = last;
        self.rewrapped += batch.rewrapped;
        self.unopened.extend(batch.unopened);
        Ok(true)
    }

    /// Re-wraps what is left, and records that it is done.
    pub async fn finish(self) -> Result<KeyRotationReport, AdminError> {
        let Self { admin, kek, .. } = &self;
        let mut write = admin.store.write().await?;
        let vault = admin.credentials.vault();
        admin.audit.rewrap(&mut write, vault, kek).await?;
        let uses = write.kek_uses().await?;
        let mut event = admin.event("master_key.rewrap").on(kek.as_str());
        if is_open(&uses, kek) {
            event = event.ended("incomplete");
        }
        admin.commit(write, [event]).await?;
        let used = |kek: &KekId| uses.iter().any(|used| used.kek_id == kek.as_str());
        let retired = vault.ring().ids().into_iter().filter(|kek| !used(kek));
        Ok(KeyRotationReport {
            kek: kek.to_string(),
            added: self.added,
            organization_keys: self.rewrapped,
            unopened: self.named().await?,
            retired: retired.map(|kek| kek.to_string()).collect(),
        })
    }

    async fn named(&self) -> Result<Vec<UnopenedKey>, StoreError> {
        let all = self.admin.store.organizations().await?;
        let of = |key: &Unopened| {
            let mut known = all.iter();
            let found = known.find(|found: &&Organization| found.id == key.organization);
            let uuid = || key.organization.0.to_string();
            UnopenedKey {
                organization: found.map_or_else(uuid, |found| found.slug.to_string()),
                environment: key.environment.clone(),
                kek: key.kek_id.clone(),
                reason: key.reason.to_string(),
            }
        };
        Ok(self.unopened.iter().map(of).collect())
    }
}

/// Whether something is sealed under another key.
fn is_open(uses: &[StoredKekUse], kek: &KekId) -> bool {
    uses.iter().any(|used| used.kek_id != kek.as_str())
}

fn count_others(uses: &[StoredKekUse], kek: &KekId) -> u64 {
    let others = uses.iter().filter(|used| used.kek_id != kek.as_str());
    let sum: i64 = others.map(|used| used.organization_keys).sum();
    u64::try_from(sum).unwrap_or(0)
}
