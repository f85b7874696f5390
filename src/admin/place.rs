//! Where credentials are, as administrators name it: an organization, an environment, a provider.

use std::sync::Arc;

use super::{Admin, AdminError};
use crate::domain::credential::ProfileKey;
use crate::domain::document::suggestion;
use crate::domain::organization::{Organization, OrganizationSlug};
use crate::domain::provider::{Provider, ProviderName, Upstream};
use crate::domain::tenant::{Environment, Tenant};
use crate::token::LoginSite;

/// A credential profile of an organization.
pub(super) struct Place {
    pub organization: Organization,
    pub profile: ProfileKey,
}

impl Place {
    pub(super) fn new(
        organization: Organization,
        environment: Environment,
        provider: ProviderName,
    ) -> Self {
        let profile = ProfileKey {
            tenant: tenant(&organization, &environment),
            provider,
        };
        Self {
            organization,
            profile,
        }
    }

    pub(super) fn no_credential(&self) -> AdminError {
        AdminError::NoCredential {
            organization: self.organization.slug.to_string(),
            environment: self.profile.tenant.environment.to_string(),
            provider: self.profile.provider.to_string(),
        }
    }
}

impl Admin {
    /// One that the actor may see.
    pub(super) async fn place(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<Place, AdminError> {
        let organization = self.organization(organization).await?;
        let provider = self.provider_name(provider)?;
        Ok(Place::new(organization, environment.clone(), provider))
    }

    /// One that the actor may change.
    pub(super) async fn place_to_change(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<Place, AdminError> {
        let organization = self.organization_to_change(organization).await?;
        let provider = self.provider_name(provider)?;
        Ok(Place::new(organization, environment.clone(), provider))
    }

    /// Where the credentials of a profile log in.
    pub(super) fn site(&self, profile: &ProfileKey) -> Result<LoginSite, AdminError> {
        let (provider, environment) = (&profile.provider, &profile.tenant.environment);
        let (provider, upstream) = self.upstream(provider.as_str(), environment)?;
        Ok(LoginSite {
            provider,
            base_url: upstream.base_url,
        })
    }

    /// A credential may outlive the profile file of its provider: any name will do.
    fn provider_name(&self, name: &str) -> Result<ProviderName, AdminError> {
        ProviderName::parse(name).map_err(|_| self.unknown_provider(name))
    }

    fn unknown_provider(&self, name: &str) -> AdminError {
        let catalog = self.catalog();
        let known: Vec<&str> = catalog.providers().map(|p| p.name.as_str()).collect();
        AdminError::NoProvider {
            name: name.to_owned(),
            hint: suggestion(name, &known),
        }
    }

    pub(super) fn upstream(
        &self,
        name: &str,
        environment: &Environment,
    ) -> Result<(Arc<Provider>, Upstream), AdminError> {
        let provider = self.catalog().provider(name).cloned();
        let provider = provider.ok_or_else(|| self.unknown_provider(name))?;
        let upstream = provider.environments.get(environment).cloned();
        let upstream = upstream.ok_or_else(|| {
            let environments = provider.environments.keys();
            let known: Vec<&str> = environments.map(Environment::as_str).collect();
            AdminError::NoEnvironment {
                provider: name.to_owned(),
                environment: environment.to_string(),
                hint: suggestion(environment.as_str(), &known),
            }
        })?;
        Ok((provider, upstream))
    }
}

pub(super) fn tenant(organization: &Organization, environment: &Environment) -> Tenant {
    Tenant {
        organization: organization.id,
        slug: organization.slug.clone(),
        environment: environment.clone(),
    }
}
