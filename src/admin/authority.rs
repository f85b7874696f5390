//! Who may do what, and that whatever was done is on record.

use jiff::Timestamp;

use super::{Admin, AdminError};
use crate::domain::actor::{Actor, Right};
use crate::domain::audit::AuditEvent;
use crate::domain::credential::{CredentialVersionId, ProfileKey};
use crate::domain::organization::{Organization, OrganizationId, OrganizationSlug};
use crate::domain::units::{parse_end, parse_time};
use crate::store::Write;

impl Admin {
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Refuses what the actor may not do to the installation as a whole.
    pub(super) fn require(&self, right: Right) -> Result<(), AdminError> {
        self.actor
            .may(right, None)
            .then_some(())
            .ok_or(AdminError::Forbidden)
    }

    /// Refuses what the actor may not do to an organization that it knows of.
    pub(super) fn require_for(
        &self,
        right: Right,
        organization: &Organization,
    ) -> Result<(), AdminError> {
        self.actor
            .may(right, Some(organization.id))
            .then_some(())
            .ok_or(AdminError::Forbidden)
    }

    /// Whether the actor knows that this organization exists.
    pub(super) fn sees(&self, organization: &Organization) -> bool {
        self.actor.may(Right::Read, Some(organization.id))
    }

    /// The one organization that a list is of: the one asked for, or else the only one that the actor
    /// knows of. `None` is all of them.
    pub(super) async fn scope_of(
        &self,
        slug: Option<&OrganizationSlug>,
    ) -> Result<Option<OrganizationId>, AdminError> {
        match slug {
            Some(slug) => Ok(Some(self.organization(slug).await?.id)),
            None => Ok(self.actor.scope()),
        }
    }

    /// Starts a change of an organization, which has to be as the actor expects it.
    pub(super) async fn begin(&self, organization: &Organization) -> Result<Write, AdminError> {
        let mut write = self.store.write().await?;
        let revision = write.organization_revision(organization.id).await?;
        self.require_unchanged(revision.map(|revision| organization.id.tag(revision)))?;
        Ok(write)
    }

    /// Refuses a change of what is not as the actor expects it; it has this tag now.
    pub(super) fn require_unchanged(&self, present: Option<String>) -> Result<(), AdminError> {
        match self.expected.is_none() || self.expected == present {
            true => Ok(()),
            false => Err(AdminError::Changed),
        }
    }

    /// The record of something that the actor does now.
    pub(super) fn event(&self, action: &'static str) -> AuditEvent {
        let mut event = AuditEvent::new(self.now(), self.actor.to_string(), action);
        event.request_id.clone_from(&self.request_id);
        event
    }

    /// Puts on record that the actor tried what it may not do.
    /// `what` is a kind of change: what somebody may not do is not repeated in their own words.
    pub async fn record_refusal(
        &self,
        what: &str,
        organization: Option<&OrganizationSlug>,
    ) -> Result<(), AdminError> {
        let mut event = self.event("admin.refused").on(what).ended("forbidden");
        if let Some(slug) = organization {
            event = event.of_organization(&self.organization(slug).await?);
        }
        let mut write = self.store.write().await?;
        self.audit.append(&mut write, event).await?;
        // Nothing has changed that a running server goes by.
        Ok(write.commit_unnoticed().await?)
    }

    /// When something is to end, as the actor says it: a time, or a duration from now.
    pub fn end(&self, field: &str, text: Option<&str>) -> Result<Option<Timestamp>, AdminError> {
        let end = text.map(|text| parse_end(text, self.now())).transpose();
        end.map_err(|error| AdminError::field(field, error.to_string()))
    }

    /// A time as the actor says it.
    pub fn time(&self, field: &str, text: Option<&str>) -> Result<Option<Timestamp>, AdminError> {
        let time = text.map(parse_time).transpose();
        time.map_err(|error| AdminError::field(field, error.to_string()))
    }

    /// The record of something that the actor does now to a version of a profile.
    pub(super) fn event_about(
        &self,
        action: &'static str,
        profile: &ProfileKey,
        version: CredentialVersionId,
    ) -> AuditEvent {
        let event = self.event(action).of_tenant(&profile.tenant);
        event.of_provider(&profile.provider).of_version(version)
    }

    /// The records of versions that were revoked to make room.
    pub(super) fn events_of_ended(
        &self,
        profile: &ProfileKey,
        ended: impl IntoIterator<Item = CredentialVersionId>,
    ) -> impl Iterator<Item = AuditEvent> {
        let revoked = |id| self.event_about("credential.revoke", profile, id);
        ended.into_iter().map(revoked)
    }

    /// Makes a change and its records durable together: no record, no change.
    pub(super) async fn commit(
        &self,
        mut write: Write,
        events: impl IntoIterator<Item = AuditEvent>,
    ) -> Result<(), AdminError> {
        self.audit.append_all(&mut write, events).await?;
        Ok(write.commit().await?)
    }
}
