//! Organizations: the customers of the group.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::slug::slug_name;

slug_name! {
    /// How people name an organization; unique, and what the tenant header carries.
    OrganizationSlug
}

/// The immutable identity of an organization: what ciphertexts, caches and grants are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct OrganizationId(pub Uuid);

impl OrganizationId {
    /// The tag of an organization at a revision: one that is created again under the same slug has
    /// others.
    pub fn tag(self, revision: i64) -> String {
        format!("{}-{revision}", self.0.simple())
    }
}

impl fmt::Display for OrganizationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whether an organization is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum OrganizationState {
    Active,
    Suspended,
}

impl OrganizationState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    /// Reads the label that [`Self::as_str`] writes.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Active, Self::Suspended]
            .into_iter()
            .find(|state| state.as_str() == label)
    }
}

/// A customer of the group.
#[derive(Debug, Clone, Serialize)]
pub struct Organization {
    #[serde(rename = "id")]
    pub slug: OrganizationSlug,
    #[serde(rename = "uuid")]
    pub id: OrganizationId,
    pub name: String,
    pub state: OrganizationState,
    pub created_at: Timestamp,
    /// Raised by every change of what belongs to the organization.
    pub revision: i64,
}

impl Organization {
    /// Says that it is this organization, as it is at its present revision.
    pub fn tag(&self) -> String {
        self.id.tag(self.revision)
    }
}
