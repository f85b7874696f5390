//! Rotation in steps: stage, verify, promote; roll back, cancel. Each is one transaction with its
//! record, and answers the present state when it was done already.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::credentials::metadata_of;
use super::entry::Entry;
use super::place::Place;
use super::{Admin, AdminError, CredentialInput};
use crate::credentials::Lives;
use crate::domain::audit::AuditEvent;
use crate::domain::credential::{
    CredentialMetadata, CredentialState, CredentialVersionId, SecretFields,
};
use crate::domain::organization::OrganizationSlug;
use crate::domain::tenant::Environment;
use crate::store::{StoredCredential, StoredRotation, Write};
use crate::token::LoginError;

/// A change of a profile's credential: the version that it is about, and what is beside it.
#[derive(Debug, Serialize)]
pub struct Rotation {
    /// The rotation's id is the version's.
    #[serde(flatten)]
    pub credential: CredentialMetadata,
    /// The version that calls use now.
    pub active_version: Option<i64>,
    /// The version that was active before, while it still works.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring: Option<Retiring>,
}

/// A version that leaves.
#[derive(Debug, Serialize)]
pub struct Retiring {
    pub version: i64,
    pub grace_ends: Option<Timestamp>,
}

impl Rotation {
    pub(super) fn of(place: &Place, stored: StoredRotation) -> Self {
        let with = |state| stored.living.iter().find(|version| version.state == state);
        Self {
            active_version: with(CredentialState::Active).map(|active| active.version),
            retiring: with(CredentialState::Retiring).map(|retiring| Retiring {
                version: retiring.version,
                grace_ends: retiring.grace_ends_at,
            }),
            credential: metadata_of(&place.organization, stored.version, stored.fields),
        }
    }
}

impl Admin {
    /// Seals a version that is not used before it is promoted.
    pub async fn stage_credential(
        &self,
        input: CredentialInput,
        fields: SecretFields,
    ) -> Result<Rotation, AdminError> {
        let Entry { place, version } = self.entry(input, fields).await?;
        let (id, now) = (version.credential.id, self.now());
        let mut write = self.begin(&place.organization).await?;
        let mut lives = Lives::of(&mut write, &place.profile, now).await?;
        refuse_open(lives.in_state(CredentialState::Staged))?;
        let ended = lives.clear_refused().await?;
        let staged = CredentialState::Staged;
        self.credentials
            .seal(&mut write, &version, staged, now)
            .await?;
        let event = self.event_about("credential.stage", &place.profile, id);
        let events = std::iter::once(event).chain(self.events_of_ended(&place.profile, ended));
        self.finish(write, &place, id, events).await
    }

    /// How a rotation stands.
    pub async fn rotation(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
        id: CredentialVersionId,
    ) -> Result<Rotation, AdminError> {
        let place = self.place(organization, environment, provider).await?;
        let stored = self.store.rotation(&place.profile, id).await?;
        let stored = stored.ok_or(AdminError::NoRotation(id))?;
        Ok(Rotation::of(&place, stored))
    }

    /// Logs in with a staged version. The endpoint's no is an answer too: the version is `refused`.
    pub async fn verify_rotation(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
        id: CredentialVersionId,
    ) -> Result<Rotation, AdminError> {
        let place = self
            .place_to_change(organization, environment, provider)
            .await?;
        let stored = self.store.rotation(&place.profile, id).await?;
        let stored = stored.ok_or(AdminError::NoRotation(id))?;
        match stored.version.state {
            CredentialState::Staged => {}
            CredentialState::Refused | CredentialState::Active => {
                return Ok(Rotation::of(&place, stored));
            }
            _ => return Err(AdminError::state(&stored.version, "verified")),
        }
        match self.try_stored(&place.profile, &stored.version).await? {
            Ok(()) => self.note_verified(&place, id, None).await,
            Err(error) if error.refusal().is_some() => {
                self.note_verified(&place, id, Some(&error)).await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn note_verified(
        &self,
        place: &Place,
        id: CredentialVersionId,
        refused: Option<&LoginError>,
    ) -> Result<Rotation, AdminError> {
        let (profile, now) = (&place.profile, self.now());
        let mut write = self.begin(&place.organization).await?;
        let present = rotation_in(&mut write, place, id).await?;
        if present.version.state != CredentialState::Staged {
            // Somebody else was faster: what the login came to changes nothing any more.
            return Ok(Rotation::of(place, present));
        }
        let mut event = self.event_about("credential.verify", profile, id);
        match refused {
            Some(error) => {
                let words = error.refusal().unwrap_or_default();
                let mut lives = Lives::of(&mut write, profile, now).await?;
                lives.refuse(id, &words).await?;
                event = event.ended(error.code());
            }
            None => write.set_verified(&profile.tenant, id, now).await?,
        }
        self.finish(write, place, id, [event]).await
    }

    /// Makes a staged version the active one; the former one retires. One that has not logged in
    /// takes `unverified`.
    pub async fn promote_rotation(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
        id: CredentialVersionId,
        unverified: bool,
    ) -> Result<Rotation, AdminError> {
        let place = self
            .place_to_change(organization, environment, provider)
            .await?;
        let mut write = self.begin(&place.organization).await?;
        let present = rotation_in(&mut write, &place, id).await?;
        match present.version.state {
            CredentialState::Active => return Ok(Rotation::of(&place, present)),
            CredentialState::Staged if present.version.verified_at.is_some() || unverified => {}
            CredentialState::Staged => {
                return Err(AdminError::NotVerified(present.version.version));
            }
            _ => return Err(AdminError::state(&present.version, "promoted")),
        }
        let (profile, now) = (&place.profile, self.now());
        let mut lives = Lives::of(&mut write, profile, now).await?;
        let ended = lives.promote(id, self.grace_end(now)).await?;
        let mut event = self.event_about("credential.promote", profile, id);
        if present.version.verified_at.is_none() {
            event = event.on("unverified");
        }
        let events = std::iter::once(event).chain(self.events_of_ended(profile, ended));
        self.finish(write, &place, id, events).await
    }

    /// Takes a promotion back: the version is staged again, and the one before it active.
    pub async fn rollback_rotation(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
        id: CredentialVersionId,
    ) -> Result<Rotation, AdminError> {
        let place = self
            .place_to_change(organization, environment, provider)
            .await?;
        let mut write = self.begin(&place.organization).await?;
        let present = rotation_in(&mut write, &place, id).await?;
        match present.version.state {
            CredentialState::Staged => return Ok(Rotation::of(&place, present)),
            CredentialState::Active => {}
            _ => return Err(AdminError::state(&present.version, "rolled back")),
        }
        let mut lives = Lives::of(&mut write, &place.profile, self.now()).await?;
        refuse_open(lives.in_state(CredentialState::Staged))?;
        if !lives.roll_back().await? {
            return Err(AdminError::NoWayBack(present.version.version));
        }
        let event = self.event_about("credential.rollback", &place.profile, id);
        self.finish(write, &place, id, [event]).await
    }

    /// Gives a version up that was staged, or refused; its bytes are gone.
    pub async fn cancel_rotation(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
        id: CredentialVersionId,
    ) -> Result<Rotation, AdminError> {
        let place = self
            .place_to_change(organization, environment, provider)
            .await?;
        let mut write = self.begin(&place.organization).await?;
        let present = rotation_in(&mut write, &place, id).await?;
        match present.version.state {
            CredentialState::Cancelled => return Ok(Rotation::of(&place, present)),
            CredentialState::Staged | CredentialState::Refused => {}
            _ => return Err(AdminError::state(&present.version, "cancelled")),
        }
        let mut lives = Lives::of(&mut write, &place.profile, self.now()).await?;
        lives
            .end(&present.version, CredentialState::Cancelled)
            .await?;
        let event = self.event_about("credential.cancel", &place.profile, id);
        self.finish(write, &place, id, [event]).await
    }

    /// The rotation that is going on in a profile: what is staged, else refused, else active while
    /// the one before it retires.
    pub async fn open_rotation(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<CredentialVersionId, AdminError> {
        let (staged, refused) = (CredentialState::Staged, CredentialState::Refused);
        let place = self.place(organization, environment, provider).await?;
        let living = self.store.living_versions(&place.profile).await?;
        let open = [
            in_state(&living, staged),
            in_state(&living, refused),
            promoted(&living),
        ];
        let open = open.into_iter().flatten().next();
        open.ok_or_else(|| AdminError::NoOpenRotation(place.profile))
    }

    /// The rotation that a cancellation is about: what is staged, else refused, else what was
    /// cancelled last, if nothing came after it.
    pub async fn rotation_to_cancel(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<CredentialVersionId, AdminError> {
        let profile = self.credential(organization, environment, provider).await?;
        let place = self.place(organization, environment, provider).await?;
        let states = [CredentialState::Staged, CredentialState::Refused];
        let open = states.into_iter().find_map(|state| {
            let mut versions = profile.versions.iter();
            versions.find(|version| version.state == state)
        });
        let newest = profile.versions.first();
        let cancelled = newest.filter(|newest| newest.state == CredentialState::Cancelled);
        let found = open.or(cancelled).map(|version| version.id);
        found.ok_or_else(|| AdminError::NoOpenRotation(place.profile))
    }

    /// The rotation that a rollback is about: the promotion that can be taken back, or one that was.
    pub async fn promoted_rotation(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<CredentialVersionId, AdminError> {
        let place = self.place(organization, environment, provider).await?;
        let living = self.store.living_versions(&place.profile).await?;
        let states = [CredentialState::Staged, CredentialState::Active];
        let others = states
            .into_iter()
            .filter_map(|state| in_state(&living, state));
        let rotation = promoted(&living).into_iter().chain(others).next();
        rotation.ok_or_else(|| place.no_credential())
    }

    /// Makes a step and its records durable together, and answers how the rotation stands then.
    pub(super) async fn finish(
        &self,
        mut write: Write,
        place: &Place,
        id: CredentialVersionId,
        events: impl IntoIterator<Item = AuditEvent>,
    ) -> Result<Rotation, AdminError> {
        let rotation = Rotation::of(place, rotation_in(&mut write, place, id).await?);
        self.commit_creation(write, events, &rotation).await?;
        Ok(rotation)
    }

    /// When a version that retires now is revoked.
    pub(super) fn grace_end(&self, now: Timestamp) -> Timestamp {
        let grace = SignedDuration::try_from(self.grace).unwrap_or(SignedDuration::MAX);
        now.checked_add(grace).unwrap_or(Timestamp::MAX)
    }
}

fn in_state(living: &[StoredCredential], state: CredentialState) -> Option<CredentialVersionId> {
    let found = living.iter().find(|version| version.state == state);
    found.map(|version| version.id)
}

/// The active version, while the one before it retires.
fn promoted(living: &[StoredCredential]) -> Option<CredentialVersionId> {
    in_state(living, CredentialState::Retiring)?;
    in_state(living, CredentialState::Active)
}

/// One change at a time.
pub(super) fn refuse_open(staged: Option<&StoredCredential>) -> Result<(), AdminError> {
    match staged {
        Some(staged) => Err(AdminError::RotationOpen(staged.version)),
        None => Ok(()),
    }
}

pub(super) async fn rotation_in(
    write: &mut Write,
    place: &Place,
    id: CredentialVersionId,
) -> Result<StoredRotation, AdminError> {
    let stored = write.rotation(&place.profile, id).await?;
    stored.ok_or(AdminError::NoRotation(id))
}
