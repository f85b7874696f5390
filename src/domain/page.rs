//! Where a page of a list begins: after an item, which is named by what its list is ordered by. What
//! is added or removed meanwhile moves nothing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::organization::OrganizationSlug;
use super::provider::ProviderName;
use super::tenant::Environment;

/// In a list from old to new: gateway keys, admin tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterId {
    pub created_at: Timestamp,
    pub id: String,
}

/// In a list of one organization's credential versions, newest first in each profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterVersion {
    pub environment: Environment,
    pub provider: ProviderName,
    pub version: i64,
}

/// In a list of the credential profiles of all organizations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AfterProfile {
    pub organization: OrganizationSlug,
    pub environment: Environment,
    pub provider: ProviderName,
}
