//! Credentials: set, list, test by a real login.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use super::entry::Entry;
use super::place::{Place, tenant};
use super::rotation::{Retiring, refuse_open};
use super::{Admin, AdminError, CredentialInput, ImportNotice};
use crate::credentials::{Lives, NewVersion};
use crate::domain::credential::{
    CredentialMetadata, CredentialRef, CredentialState, CredentialVersionId, FieldMetadata,
    ProfileKey, SecretFields,
};
use crate::domain::organization::{Organization, OrganizationSlug};
use crate::domain::page::AfterVersion;
use crate::domain::tenant::Environment;
use crate::store::{StoredCredential, StoredField};
use crate::token::LoginError;

/// A version that was stored, as it may be shown.
#[derive(Debug, Serialize)]
pub struct NewCredential {
    pub id: CredentialVersionId,
    pub organization: String,
    pub environment: Environment,
    pub provider: String,
    pub version: i64,
    pub state: CredentialState,
    pub verified_at: Option<Timestamp>,
    /// The version whose place it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retiring: Option<Retiring>,
    pub fields: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<ImportNotice>,
}

/// A credential profile, as it may be shown.
#[derive(Debug, Serialize)]
pub struct CredentialProfile {
    /// The version in use; without one, the newest.
    #[serde(flatten)]
    pub current: CredentialMetadata,
    /// Newest first.
    pub versions: Vec<CredentialMetadata>,
}

/// What a login with a credential came to.
#[derive(Debug, Serialize)]
pub struct TestReport {
    pub organization: String,
    pub environment: Environment,
    pub provider: String,
    pub id: CredentialVersionId,
    /// Not for a key without a probe: there is nothing to try.
    pub tried: bool,
    pub ok: bool,
    pub message: String,
}

impl Admin {
    /// Stores a new version. Where there is an active one, it takes its place: after a login, unless
    /// the input says otherwise, and the former one retires.
    pub async fn set_credential(
        &self,
        input: CredentialInput,
        fields: SecretFields,
    ) -> Result<NewCredential, AdminError> {
        let verify = input.verify;
        let entry = self.entry(input, fields).await?;
        let present = self.store.living_versions(&entry.place.profile).await?;
        let with = |state| present.iter().find(|version| version.state == state);
        refuse_open(with(CredentialState::Staged))?;
        let verified = verify && with(CredentialState::Active).is_some();
        if verified {
            self.try_out(&entry.version).await?;
        }
        self.activate(entry, verified).await
    }

    async fn activate(&self, entry: Entry, verified: bool) -> Result<NewCredential, AdminError> {
        let Entry { place, version } = entry;
        let (profile, id, now) = (&place.profile, version.credential.id, self.now());
        let mut write = self.begin(&place.organization).await?;
        let mut lives = Lives::of(&mut write, profile, now).await?;
        refuse_open(lives.in_state(CredentialState::Staged))?;
        let mut ended = lives.clear_refused().await?;
        let active = CredentialState::Active;
        let former = lives.in_state(active).map(|former| Retiring {
            version: former.version,
            grace_ends: Some(self.grace_end(now)),
        });
        ended.extend(lives.retire_active(self.grace_end(now)).await?);
        let sealed = self.credentials.seal(&mut write, &version, active, now);
        let stored = NewCredential {
            id,
            organization: place.organization.slug.to_string(),
            environment: profile.tenant.environment.clone(),
            provider: profile.provider.to_string(),
            version: sealed.await?,
            state: active,
            verified_at: verified.then_some(now),
            retiring: former,
            fields: version.credential.fields.keys().cloned().collect(),
            notices: Vec::new(),
        };
        if verified {
            write.set_verified(&profile.tenant, id, now).await?;
        }
        let event = self.event_about("credential.set", profile, id);
        let events = std::iter::once(event).chain(self.events_of_ended(profile, ended));
        self.commit_creation(write, events, &stored).await?;
        Ok(stored)
    }

    /// Logs in with what was entered, before it is stored anywhere.
    async fn try_out(&self, version: &NewVersion) -> Result<(), AdminError> {
        let profile = &version.credential.key;
        let site = self.site(profile)?;
        let result = self.login.try_out(&site, &version.credential, None).await;
        let Err(error) = result else { return Ok(()) };
        let Some(words) = error.refusal() else {
            return Err(error.into());
        };
        let event = self.event("credential.set").of_tenant(&profile.tenant);
        let event = event.of_provider(&profile.provider).ended(error.code());
        self.commit(self.store.write().await?, [event]).await?;
        Err(AdminError::EntryRefused(words))
    }

    /// The versions of one organization, or of all, newest first within each profile.
    pub async fn credentials(
        &self,
        organization: Option<&OrganizationSlug>,
    ) -> Result<Vec<CredentialMetadata>, AdminError> {
        let organizations = match organization {
            Some(slug) => vec![self.organization(slug).await?],
            None => self.organizations().await?,
        };
        let mut all = Vec::new();
        for organization in organizations {
            let (over, limit) = (true, usize::MAX);
            all.extend(
                self.versions_after(&organization, over, None, limit)
                    .await?,
            );
        }
        Ok(all)
    }

    /// Up to `limit` versions of one organization that come after one, newest first within each
    /// profile; with `over`, revoked and cancelled ones too.
    pub async fn credentials_after(
        &self,
        organization: &OrganizationSlug,
        over: bool,
        after: Option<&AfterVersion>,
        limit: usize,
    ) -> Result<Vec<CredentialMetadata>, AdminError> {
        let organization = self.organization(organization).await?;
        self.versions_after(&organization, over, after, limit).await
    }

    async fn versions_after(
        &self,
        organization: &Organization,
        over: bool,
        after: Option<&AfterVersion>,
        limit: usize,
    ) -> Result<Vec<CredentialMetadata>, AdminError> {
        let id = organization.id;
        let some = self.store.credentials_after(id, over, after, limit).await?;
        let mut shown = Vec::with_capacity(some.len());
        for stored in some {
            shown.push(self.metadata(organization, stored).await?);
        }
        Ok(shown)
    }

    /// One credential profile: the version in use, or else the newest, and all versions.
    pub async fn credential(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<CredentialProfile, AdminError> {
        let mut versions = self.credentials(Some(organization)).await?;
        versions.retain(|version| {
            version.environment == *environment && version.provider.as_str() == provider
        });
        let active = versions
            .iter()
            .find(|version| version.state == CredentialState::Active);
        match active.or(versions.first()).cloned() {
            Some(current) => Ok(CredentialProfile { current, versions }),
            None => Err(AdminError::NoCredential {
                organization: organization.to_string(),
                environment: environment.to_string(),
                provider: provider.to_owned(),
            }),
        }
    }

    /// Logs in with an active credential and notes how that went, whatever came of it.
    pub async fn test_credential(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<TestReport, AdminError> {
        let organization = self.organization_to_change(organization).await?;
        let (provider, _) = self.upstream(provider, environment)?;
        let place = Place::new(organization, environment.clone(), provider.name.clone());
        let present = self.store.living_versions(&place.profile).await?;
        let is_active = |stored: &StoredCredential| stored.state == CredentialState::Active;
        let active = present.into_iter().find(is_active);
        let active = active.ok_or_else(|| place.no_credential())?;
        let tried = self.try_stored(&place.profile, &active).await;
        self.note_test(&place.profile, active.id, &tried).await?;
        let message = match &tried {
            Ok(Ok(())) => "Authentication successful".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Ok(TestReport {
            organization: place.organization.slug.to_string(),
            environment: environment.clone(),
            provider: provider.name.to_string(),
            id: active.id,
            tried: !matches!(tried, Ok(Err(LoginError::NothingToTry(_)))),
            ok: matches!(tried, Ok(Ok(()))),
            message,
        })
    }

    /// Opens an active credential without using it; `check` does so with all.
    pub async fn open_credential(&self, metadata: &CredentialMetadata) -> Result<(), AdminError> {
        let slug = OrganizationSlug::parse(&metadata.organization)
            .map_err(|_| AdminError::field("organization", "is malformed"))?;
        let organization = self.organization(&slug).await?;
        let key = ProfileKey {
            tenant: tenant(&organization, &metadata.environment),
            provider: metadata.provider.clone(),
        };
        let credential = CredentialRef {
            id: metadata.id,
            key: Arc::new(key),
            flow: metadata.flow.clone(),
        };
        self.credentials.open(&credential).await?;
        Ok(())
    }

    /// A real login with a stored version, or its flow's probe.
    pub(super) async fn try_stored(
        &self,
        profile: &ProfileKey,
        version: &StoredCredential,
    ) -> Result<Result<(), LoginError>, AdminError> {
        let site = self.site(profile)?;
        let credential = CredentialRef {
            id: version.id,
            key: Arc::new(profile.clone()),
            flow: version.flow.clone(),
        };
        let opened = self.credentials.open(&credential).await?;
        Ok(self.login.try_out(&site, &opened, None).await)
    }

    /// A login that was neither granted nor refused says nothing about the credential, and is on
    /// record all the same: its secret was used.
    async fn note_test(
        &self,
        profile: &ProfileKey,
        version: CredentialVersionId,
        tried: &Result<Result<(), LoginError>, AdminError>,
    ) -> Result<(), AdminError> {
        let (tenant, now) = (&profile.tenant, self.now());
        let event = self.event_about("credential.test", profile, version);
        let mut write = self.store.write().await?;
        let outcome = match tried {
            Ok(Ok(())) => {
                write.set_verified(tenant, version, now).await?;
                "ok"
            }
            Ok(Err(error)) => {
                if let Some(words) = error.refusal() {
                    write.set_refused(tenant, version, now, &words).await?;
                }
                error.code()
            }
            Err(error) => error.code(),
        };
        self.commit(write, [event.ended(outcome)]).await
    }

    async fn metadata(
        &self,
        organization: &Organization,
        stored: StoredCredential,
    ) -> Result<CredentialMetadata, AdminError> {
        let tenant = tenant(organization, &stored.environment);
        let fields = self.store.credential_fields(&tenant, stored.id).await?;
        Ok(metadata_of(organization, stored, fields))
    }
}

/// What may be shown of a version and its fields.
pub(super) fn metadata_of(
    organization: &Organization,
    stored: StoredCredential,
    fields: Vec<StoredField>,
) -> CredentialMetadata {
    let fields = fields.into_iter().map(|field| FieldMetadata {
        name: field.name,
        fingerprint: field.fingerprint,
    });
    CredentialMetadata {
        id: stored.id,
        organization: organization.slug.to_string(),
        environment: stored.environment,
        provider: stored.provider,
        version: stored.version,
        state: stored.state,
        state_since: stored.state_at,
        grace_ends: stored.grace_ends_at,
        flow: stored.flow,
        issued: stored.issued_at,
        entered_at: stored.entered_at,
        entered_by: stored.entered_by,
        verified_at: stored.verified_at,
        refused: stored.refused,
        fields: fields.collect(),
    }
}
