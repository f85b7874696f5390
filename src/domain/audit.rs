//! What the audit log says of an event: who, what, for whom, with which secret, how it ended.
//!
//! Never arguments, results, names of patients or secrets: there is no field for them.

pub mod canonical;

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::credential::CredentialVersionId;
use super::organization::{Organization, OrganizationId, OrganizationSlug};
use super::provider::ProviderName;
use super::tenant::{Environment, Tenant};

/// Records are kept at least this long.
pub const MIN_RETENTION: Duration = Duration::from_secs(365 * 86_400);

/// What the action of a call begins with; the name of its tool follows.
pub const CALL: &str = "call ";

/// Which calls are recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallAudit {
    #[default]
    All,
    /// Those of tools that do not only read.
    Writes,
    Off,
}

/// One event, before it has its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEvent {
    pub at: Timestamp,
    /// An [`Actor`](super::actor::Actor) as text, or `key:ID` for a gateway key.
    pub actor: String,
    pub organization: Option<AuditedOrganization>,
    pub environment: Option<Environment>,
    pub provider: Option<ProviderName>,
    /// `credential.set`, `key.create`, …; `call TOOL` for a call.
    pub action: String,
    /// What was acted on, where that is neither the organization nor the credential version.
    pub target: Option<String>,
    pub version: Option<CredentialVersionId>,
    /// `ok`, or the code of the failure.
    pub outcome: String,
    /// Microseconds.
    pub duration_us: Option<i64>,
    pub request_id: Option<String>,
}

/// An organization as it was called at the time: its record outlives it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AuditedOrganization {
    pub uuid: OrganizationId,
    pub id: OrganizationSlug,
}

impl AuditEvent {
    /// An action that went well; the rest is filled in by those who know it.
    pub fn new(at: Timestamp, actor: String, action: impl Into<String>) -> Self {
        Self {
            at,
            actor,
            organization: None,
            environment: None,
            provider: None,
            action: action.into(),
            target: None,
            version: None,
            outcome: "ok".to_owned(),
            duration_us: None,
            request_id: None,
        }
    }

    pub fn of_organization(mut self, organization: &Organization) -> Self {
        self.organization = Some(AuditedOrganization {
            uuid: organization.id,
            id: organization.slug.clone(),
        });
        self
    }

    pub fn of_tenant(mut self, tenant: &Tenant) -> Self {
        self.organization = Some(AuditedOrganization {
            uuid: tenant.organization,
            id: tenant.slug.clone(),
        });
        self.environment = Some(tenant.environment.clone());
        self
    }

    pub fn of_provider(mut self, provider: &ProviderName) -> Self {
        self.provider = Some(provider.clone());
        self
    }

    pub fn of_version(mut self, version: CredentialVersionId) -> Self {
        self.version = Some(version);
        self
    }

    pub fn on(mut self, target: impl Into<String>) -> Self {
        self.target = Some(target.into());
        self
    }

    pub fn ended(mut self, outcome: impl Into<String>) -> Self {
        self.outcome = outcome.into();
        self
    }
}

/// An event with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRecord {
    /// 1, 2, 3 … without gaps.
    pub seq: i64,
    pub event: AuditEvent,
    pub mac: ChainMac,
}

/// A record as it stands in the database, whatever somebody has made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredRecord {
    pub seq: i64,
    /// Milliseconds since 1970.
    pub at: i64,
    pub actor: String,
    pub organization_id: Option<Vec<u8>>,
    pub organization: Option<String>,
    pub environment: Option<String>,
    pub provider: Option<String>,
    pub action: String,
    pub target: Option<String>,
    pub version_id: Option<Vec<u8>>,
    pub outcome: String,
    pub duration_us: Option<i64>,
    pub request_id: Option<String>,
    pub mac: Vec<u8>,
}

/// HMAC-SHA-256 over a record and the mac before it.
pub type ChainMac = [u8; 32];

/// What stands before the first record.
pub const GENESIS: ChainMac = [0; 32];

/// A mac as people see it: hexadecimal digits.
pub fn mac_text(mac: &[u8]) -> String {
    mac.iter().map(|byte| format!("{byte:02x}")).collect()
}
