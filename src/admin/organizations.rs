//! Organizations: create, change, list, show.

use serde::Serialize;
use uuid::Uuid;

use super::{Admin, AdminError, LimitChange, LimitSummary, SettingsChange, SettingsSummary};
use crate::domain::actor::Right;
use crate::domain::credential::CredentialMetadata;
use crate::domain::document::near;
use crate::domain::organization::{
    Organization, OrganizationId, OrganizationSlug, OrganizationState,
};
use crate::domain::tenant::Environment;
use crate::store::StoreError;

const MAX_NAME: usize = 200;

/// What is to change; the rest stays.
#[derive(Debug, Default)]
pub struct OrganizationChange {
    pub name: Option<String>,
    /// A suspended organization is not served, and loses nothing.
    pub state: Option<OrganizationState>,
    pub limits: Vec<(Environment, LimitChange)>,
    pub settings: Vec<(Environment, SettingsChange)>,
}

/// Everything about an organization.
#[derive(Debug, Serialize)]
pub struct OrganizationDetail {
    #[serde(flatten)]
    pub organization: Organization,
    pub credentials: Vec<CredentialMetadata>,
    pub limits: Vec<LimitSummary>,
    pub settings: Vec<SettingsSummary>,
}

impl Admin {
    pub async fn create_organization(
        &self,
        slug: OrganizationSlug,
        name: &str,
    ) -> Result<Organization, AdminError> {
        self.require(Right::Operate)?;
        let organization = Organization {
            id: OrganizationId(Uuid::new_v4()),
            slug,
            name: checked_name(name)?,
            state: OrganizationState::Active,
            created_at: self.now(),
            revision: 1,
        };
        let mut write = self.store.write().await?;
        write
            .insert_organization(&organization)
            .await
            .map_err(|error| match error {
                StoreError::Exists(_) => {
                    AdminError::OrganizationExists(organization.slug.to_string())
                }
                error => error.into(),
            })?;
        let event = self.event("org.create").of_organization(&organization);
        self.commit_creation(write, [event], &organization).await?;
        Ok(organization)
    }

    /// Those that the actor knows of.
    pub async fn organizations(&self) -> Result<Vec<Organization>, AdminError> {
        let mut all = self.store.organizations().await?;
        all.retain(|organization| self.sees(organization));
        Ok(all)
    }

    /// Up to `limit` of them, in the order of their ids, that come after one.
    pub async fn organizations_after(
        &self,
        after: Option<&OrganizationSlug>,
        limit: usize,
    ) -> Result<Vec<Organization>, AdminError> {
        let own = self.actor.scope();
        let mut some = self.store.organizations_after(after, own, limit).await?;
        some.retain(|organization| self.sees(organization));
        Ok(some)
    }

    pub async fn organization(&self, slug: &OrganizationSlug) -> Result<Organization, AdminError> {
        let found = self.store.organization(slug).await?;
        if let Some(found) = found.filter(|found| self.sees(found)) {
            return Ok(found);
        }
        let all = self.organizations().await?;
        let known: Vec<&str> = all.iter().map(|known| known.slug.as_str()).collect();
        Err(AdminError::NoOrganization {
            name: slug.to_string(),
            hint: near(slug.as_str(), &known),
        })
    }

    /// One that the actor may change.
    pub(super) async fn organization_to_change(
        &self,
        slug: &OrganizationSlug,
    ) -> Result<Organization, AdminError> {
        let organization = self.organization(slug).await?;
        self.require_for(Right::Operate, &organization)?;
        Ok(organization)
    }

    pub async fn organization_detail(
        &self,
        slug: &OrganizationSlug,
    ) -> Result<OrganizationDetail, AdminError> {
        Ok(OrganizationDetail {
            organization: self.organization(slug).await?,
            credentials: self.credentials(Some(slug)).await?,
            limits: self.limits(slug).await?,
            settings: self.tenant_settings(slug).await?,
        })
    }

    /// Changes an organization, all of it or nothing; calls from now on go by it.
    pub async fn change_organization(
        &self,
        slug: &OrganizationSlug,
        change: &OrganizationChange,
    ) -> Result<(), AdminError> {
        let organization = self.organization_to_change(slug).await?;
        let name = change.name.as_deref().map(checked_name).transpose()?;
        let mut write = self.begin(&organization).await?;
        let mut events = Vec::new();
        if let Some(name) = name {
            write.rename_organization(organization.id, &name).await?;
            events.push(self.event("org.rename").of_organization(&organization));
        }
        if let Some(state) = change.state {
            write.set_organization_state(organization.id, state).await?;
            let action = match state {
                OrganizationState::Active => "org.resume",
                OrganizationState::Suspended => "org.suspend",
            };
            events.push(self.event(action).of_organization(&organization));
        }
        for (environment, limits) in &change.limits {
            self.change_limits(&mut write, &organization, environment, *limits)
                .await?;
            let mut event = self.event("org.limits").of_organization(&organization);
            event.environment = Some(environment.clone());
            events.push(event);
        }
        for (environment, settings) in &change.settings {
            self.change_settings(&mut write, &organization, environment, settings)
                .await?;
            let mut event = self.event("org.settings").of_organization(&organization);
            event.environment = Some(environment.clone());
            events.push(event);
        }
        self.commit(write, events).await
    }
}

fn checked_name(name: &str) -> Result<String, AdminError> {
    let fits = (1..=MAX_NAME).contains(&name.chars().count());
    if !fits || name.trim().is_empty() || name.chars().any(char::is_control) {
        let message = format!("1 to {MAX_NAME} printable characters are needed");
        return Err(AdminError::field("name", message));
    }
    Ok(name.to_owned())
}
