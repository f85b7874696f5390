//! Organizations: create, rename, list, show, suspend, resume.

use uuid::Uuid;

use super::{Admin, AdminError};
use crate::domain::actor::Right;
use crate::domain::document::near;
use crate::domain::organization::{
    Organization, OrganizationId, OrganizationSlug, OrganizationState,
};
use crate::store::StoreError;

const MAX_NAME: usize = 200;

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
        self.commit(write, [event]).await?;
        Ok(organization)
    }

    /// Those that the actor knows of.
    pub async fn organizations(&self) -> Result<Vec<Organization>, AdminError> {
        let mut all = self.store.organizations().await?;
        all.retain(|organization| self.sees(organization));
        Ok(all)
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

    pub async fn rename_organization(
        &self,
        slug: &OrganizationSlug,
        name: &str,
    ) -> Result<Organization, AdminError> {
        let organization = self.organization_to_change(slug).await?;
        let name = checked_name(name)?;
        let mut write = self.store.write().await?;
        write.rename_organization(organization.id, &name).await?;
        let event = self.event("org.rename").of_organization(&organization);
        self.commit(write, [event]).await?;
        Ok(Organization {
            name,
            ..organization
        })
    }

    /// Suspends or resumes: a suspended organization is not served, and loses nothing.
    pub async fn set_organization_state(
        &self,
        slug: &OrganizationSlug,
        state: OrganizationState,
    ) -> Result<Organization, AdminError> {
        let organization = self.organization_to_change(slug).await?;
        let mut write = self.store.write().await?;
        write.set_organization_state(organization.id, state).await?;
        let action = match state {
            OrganizationState::Active => "org.resume",
            OrganizationState::Suspended => "org.suspend",
        };
        let event = self.event(action).of_organization(&organization);
        self.commit(write, [event]).await?;
        Ok(Organization {
            state,
            ..organization
        })
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
