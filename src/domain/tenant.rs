//! A tenant: what a call is made for, an organization in one of its environments.

use std::fmt;

use super::organization::{OrganizationId, OrganizationSlug};
use super::slug::slug_name;

slug_name! {
    /// `dev`, `prod` or another environment that a provider defines a base URL for.
    Environment
}

/// Organization and environment. Equality and hash are over the organization's immutable id, so a
/// key made of a tenant never meets another tenant's, whatever either is called.
#[derive(Debug, Clone)]
pub struct Tenant {
    pub organization: OrganizationId,
    pub slug: OrganizationSlug,
    pub environment: Environment,
}

impl PartialEq for Tenant {
    fn eq(&self, other: &Self) -> bool {
        self.organization == other.organization && self.environment == other.environment
    }
}

impl Eq for Tenant {}

impl std::hash::Hash for Tenant {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.organization.hash(state);
        self.environment.hash(state);
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.slug, self.environment)
    }
}
