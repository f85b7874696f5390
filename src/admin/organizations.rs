//! Organizations: create, rename, list, show, suspend, resume.

use uuid::Uuid;

use super::{Admin, AdminError};
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
        write.commit().await?;
        Ok(organization)
    }

    pub async fn organizations(&self) -> Result<Vec<Organization>, AdminError> {
        Ok(self.store.organizations().await?)
    }

    pub async fn organization(&self, slug: &OrganizationSlug) -> Result<Organization, AdminError> {
        if let Some(found) = self.store.organization(slug).await? {
            return Ok(found);
        }
        let all = self.store.organizations().await?;
        let known: Vec<&str> = all.iter().map(|known| known.slug.as_str()).collect();
        Err(AdminError::NoOrganization {
            name: slug.to_string(),
            hint: near(slug.as_str(), &known),
        })
    }

    pub async fn rename_organization(
        &self,
        slug: &OrganizationSlug,
        name: &str,
    ) -> Result<Organization, AdminError> {
        let organization = self.organization(slug).await?;
        let name = checked_name(name)?;
        let mut write = self.store.write().await?;
        write.rename_organization(organization.id, &name).await?;
        write.commit().await?;
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
        let organization = self.organization(slug).await?;
        let mut write = self.store.write().await?;
        write.set_organization_state(organization.id, state).await?;
        write.commit().await?;
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
