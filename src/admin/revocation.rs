//! The end of credential versions: at once, or when their grace is over.

use super::place::Place;
use super::rotation::rotation_in;
use super::{Admin, AdminError, Rotation};
use crate::credentials::Lives;
use crate::domain::credential::{CredentialState, CredentialVersionId};
use crate::domain::organization::OrganizationSlug;
use crate::domain::tenant::Environment;
use crate::store::StoredCredential;

impl Admin {
    /// Ends a version at once, the active one unless another is named; its bytes are gone.
    pub async fn revoke_credential(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
        version: Option<i64>,
    ) -> Result<Rotation, AdminError> {
        let place = self
            .place_to_change(organization, environment, provider)
            .await?;
        let mut write = self.begin(&place.organization).await?;
        // Nobody else writes now: what the readers see is the present.
        let version = self.version_to_revoke(&place, version).await?;
        if version.state.is_over() {
            let present = rotation_in(&mut write, &place, version.id).await?;
            return Ok(Rotation::of(&place, present));
        }
        let mut lives = Lives::of(&mut write, &place.profile, self.now()).await?;
        lives.end(&version, CredentialState::Revoked).await?;
        let event = self.event_about("credential.revoke", &place.profile, version.id);
        self.finish(write, &place, version.id, [event]).await
    }

    /// Ends every version of a profile at once; answers their numbers.
    pub async fn remove_credential(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<Vec<i64>, AdminError> {
        let place = self
            .place_to_change(organization, environment, provider)
            .await?;
        let mut write = self.begin(&place.organization).await?;
        // Nobody else writes now: what the readers see is the present.
        let versions = self.store.credential_versions(&place.profile).await?;
        if versions.is_empty() {
            return Err(place.no_credential());
        }
        let mut lives = Lives::of(&mut write, &place.profile, self.now()).await?;
        let living = versions.iter().filter(|version| !version.state.is_over());
        let (mut events, mut ended) = (Vec::new(), Vec::new());
        for version in living {
            lives.end(version, CredentialState::Revoked).await?;
            events.push(self.event_about("credential.revoke", &place.profile, version.id));
            ended.push(version.version);
        }
        self.commit(write, events).await?;
        Ok(ended)
    }

    /// The version of that number; else the active one, or the one that was revoked last.
    async fn version_to_revoke(
        &self,
        place: &Place,
        number: Option<i64>,
    ) -> Result<StoredCredential, AdminError> {
        let mut versions = self.store.credential_versions(&place.profile).await?;
        if let Some(number) = number {
            let found = versions.into_iter().find(|known| known.version == number);
            return found.ok_or(AdminError::NoVersion(number));
        }
        versions.sort_by_key(|version| version.state_at);
        let in_state = |state| versions.iter().rposition(|version| version.state == state);
        let active = in_state(CredentialState::Active);
        let found = active.or_else(|| in_state(CredentialState::Revoked));
        let found = found.ok_or_else(|| place.no_credential())?;
        Ok(versions.swap_remove(found))
    }

    /// Revokes the retiring versions whose grace is over.
    pub async fn end_graces(&self) -> Result<(), AdminError> {
        let ended = self.store.ended_graces(self.now()).await?;
        if ended.is_empty() {
            return Ok(());
        }
        let organizations = self.organizations().await?;
        for version in ended {
            let mut owners = organizations.iter();
            if let Some(owner) = owners.find(|one| one.id == version.organization) {
                let place = Place::new(owner.clone(), version.environment, version.provider);
                self.end_grace(&place, version.id).await?;
            }
        }
        Ok(())
    }

    async fn end_grace(&self, place: &Place, id: CredentialVersionId) -> Result<(), AdminError> {
        let (profile, now) = (&place.profile, self.now());
        let mut write = self.store.write().await?;
        let mut lives = Lives::of(&mut write, profile, now).await?;
        if !lives.end_grace_of(id).await? {
            return Ok(());
        }
        let event = self.event_about("credential.grace_end", profile, id);
        self.commit(write, [event]).await
    }
}
