//! The lives of a profile's versions: which may take the place of which, and what that ends.
//!
//! ```text
//!            promote                 promote of the next             grace over
//!   staged ───────────→ active ─────────────────────────→ retiring ─────────────→ revoked
//!          ←───────────        ←─────────────────────────
//!            rollback            rollback, automatic return
//! ```
//!
//! The login endpoint's no makes a staged version `refused`, and an active one while the retiring
//! one works. Any of them can be revoked. Who may do what, and the record of it, is the
//! caller's; so is the transaction, in which all of this happens.

use jiff::Timestamp;

use crate::domain::credential::{CredentialState, CredentialVersionId, ProfileKey};
use crate::store::{StoreError, StoredCredential, Write};

/// The versions of a profile that are not over, in a transaction. Nobody else changes them
/// meanwhile.
pub struct Lives<'a> {
    write: &'a mut Write,
    profile: &'a ProfileKey,
    now: Timestamp,
    living: Vec<StoredCredential>,
}

impl<'a> Lives<'a> {
    pub async fn of(
        write: &'a mut Write,
        profile: &'a ProfileKey,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let living = write.living_versions(profile).await?;
        Ok(Self {
            write,
            profile,
            now,
            living,
        })
    }

    /// The newest version in a state.
    pub fn in_state(&self, state: CredentialState) -> Option<&StoredCredential> {
        self.living.iter().find(|version| version.state == state)
    }

    /// Revokes what was refused, to make room for another attempt; answers which that were.
    pub async fn clear_refused(&mut self) -> Result<Vec<CredentialVersionId>, StoreError> {
        let refused = self.living.iter();
        let refused = refused.filter(|version| version.state == CredentialState::Refused);
        let refused: Vec<_> = refused.map(|version| version.id).collect();
        for id in &refused {
            let end = (CredentialState::Refused, CredentialState::Revoked);
            self.change(*id, end, None).await?;
        }
        Ok(refused)
    }

    /// Makes room for another active version: the present one retires until `grace_ends`. One that
    /// was retiring before is revoked; answers it.
    pub async fn retire_active(
        &mut self,
        grace_ends: Timestamp,
    ) -> Result<Option<CredentialVersionId>, StoreError> {
        let former = self.id_in(CredentialState::Retiring);
        if let Some(id) = former {
            let end = (CredentialState::Retiring, CredentialState::Revoked);
            self.change(id, end, None).await?;
        }
        if let Some(id) = self.id_in(CredentialState::Active) {
            let retire = (CredentialState::Active, CredentialState::Retiring);
            self.change(id, retire, Some(grace_ends)).await?;
        }
        Ok(former)
    }

    /// Makes the staged version the active one; answers what was revoked for it, as
    /// [`Self::retire_active`] does.
    pub async fn promote(
        &mut self,
        staged: CredentialVersionId,
        grace_ends: Timestamp,
    ) -> Result<Option<CredentialVersionId>, StoreError> {
        let revoked = self.retire_active(grace_ends).await?;
        let promote = (CredentialState::Staged, CredentialState::Active);
        self.change(staged, promote, None).await?;
        Ok(revoked)
    }

    /// The version to go back to: a retiring one whose grace is not over.
    pub fn way_back(&self) -> Option<&StoredCredential> {
        let retiring = self.in_state(CredentialState::Retiring);
        retiring.filter(|version| version.grace_ends_at.is_some_and(|end| self.now < end))
    }

    /// The active version is staged again, and the retiring one is active; `false` when there is no
    /// way back.
    pub async fn roll_back(&mut self) -> Result<bool, StoreError> {
        self.change_over(CredentialState::Staged).await
    }

    /// The login endpoint refused the active version, in these words: the retiring one is active
    /// again. `false` when things are not so (any more).
    pub async fn turn_back(
        &mut self,
        refused: CredentialVersionId,
        former: CredentialVersionId,
        words: &str,
    ) -> Result<bool, StoreError> {
        let way_back = self.way_back().map(|version| version.id);
        if self.id_in(CredentialState::Active) != Some(refused) || way_back != Some(former) {
            return Ok(false);
        }
        self.change_over(CredentialState::Refused).await?;
        self.note_refusal(refused, words).await?;
        Ok(true)
    }

    /// The login endpoint refused the staged version, in these words.
    pub async fn refuse(
        &mut self,
        staged: CredentialVersionId,
        words: &str,
    ) -> Result<(), StoreError> {
        let refuse = (CredentialState::Staged, CredentialState::Refused);
        self.change(staged, refuse, None).await?;
        self.note_refusal(staged, words).await
    }

    /// Ends a version: its bytes are gone.
    pub async fn end(
        &mut self,
        version: &StoredCredential,
        state: CredentialState,
    ) -> Result<(), StoreError> {
        self.change(version.id, (version.state, state), None).await
    }

    /// Revokes a retiring version whose grace is over; `false` when it is not such a one (any more).
    pub async fn end_grace_of(&mut self, id: CredentialVersionId) -> Result<bool, StoreError> {
        let is_over = self.way_back().is_none();
        if self.id_in(CredentialState::Retiring) != Some(id) || !is_over {
            return Ok(false);
        }
        let end = (CredentialState::Retiring, CredentialState::Revoked);
        self.change(id, end, None).await?;
        Ok(true)
    }

    /// The active version leaves its place for `state`, and the one to go back to takes it.
    async fn change_over(&mut self, state: CredentialState) -> Result<bool, StoreError> {
        let active = self.id_in(CredentialState::Active);
        let former = self.way_back().map(|version| version.id);
        let (Some(active), Some(former)) = (active, former) else {
            return Ok(false);
        };
        // In this order: at no time may there be two active ones.
        self.change(active, (CredentialState::Active, state), None)
            .await?;
        let return_to = (CredentialState::Retiring, CredentialState::Active);
        self.change(former, return_to, None).await?;
        Ok(true)
    }

    async fn note_refusal(
        &mut self,
        version: CredentialVersionId,
        words: &str,
    ) -> Result<(), StoreError> {
        let tenant = &self.profile.tenant;
        self.write
            .set_refused(tenant, version, self.now, words)
            .await
    }

    fn id_in(&self, state: CredentialState) -> Option<CredentialVersionId> {
        self.in_state(state).map(|version| version.id)
    }

    async fn change(
        &mut self,
        id: CredentialVersionId,
        states: (CredentialState, CredentialState),
        grace_ends: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let tenant = &self.profile.tenant;
        self.write
            .set_version_state(tenant, id, states, self.now, grace_ends)
            .await?;
        for version in &mut self.living {
            if version.id == id {
                version.state = states.1;
                version.grace_ends_at = grace_ends;
            }
        }
        Ok(())
    }
}
