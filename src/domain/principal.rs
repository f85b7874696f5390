//! Who calls, and what they were granted.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use smol_str::SmolStr;

use super::organization::OrganizationId;
use super::tenant::{Environment, Tenant};
use super::tool::{Tool, ToolName};

/// All of a kind, or those named.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope<T: Ord> {
    All,
    Only(BTreeSet<T>),
}

impl<T: Ord> Scope<T> {
    pub fn covers(&self, item: &T) -> bool {
        match self {
            Self::All => true,
            Self::Only(items) => items.contains(item),
        }
    }
}

/// Which tools a grant opens; the same rule decides listing and calling.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ToolFilter {
    pub tools: Scope<ToolName>,
    pub read_only: bool,
}

impl ToolFilter {
    /// A tool passes when it is named (or all are) and, for a read-only grant, only reads.
    pub fn admits(&self, tool: &Tool) -> bool {
        self.tools.covers(&tool.name) && (tool.annotations.read_only || !self.read_only)
    }
}

/// One organization that a principal may act for.
#[derive(Debug, Clone)]
pub struct Grant {
    pub organization: OrganizationId,
    /// Shared with the grants that open the same.
    pub environments: Arc<Scope<Environment>>,
    /// Likewise, and every visit under this grant carries it.
    pub filter: Arc<ToolFilter>,
    /// When it runs out, if that is before its key does.
    pub ends_at: Option<Timestamp>,
    /// Somebody ended it, whatever becomes of its key.
    pub revoked: bool,
}

impl Grant {
    pub fn works_at(&self, now: Timestamp) -> bool {
        !self.revoked && self.ends_at.is_none_or(|end| now < end)
    }

    fn covers(&self, tenant: &Tenant) -> bool {
        self.organization == tenant.organization && self.environments.covers(&tenant.environment)
    }
}

/// How a principal came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind {
    /// With a gateway key.
    Key,
    /// At the command line, where the database and its key are anyway.
    Local,
}

impl PrincipalKind {
    /// Appends how the audit log has the one with that id.
    pub fn write_actor(self, id: &str, to: &mut String) {
        to.push_str(match self {
            Self::Key => "key:",
            Self::Local => "local:",
        });
        to.push_str(id);
    }
}

/// An authenticated caller.
#[derive(Debug, Clone)]
pub struct Principal {
    pub kind: PrincipalKind,
    /// The public id of the gateway key, or the name of a user: fit for logs and audit.
    pub id: SmolStr,
    pub name: Arc<str>,
    /// Most have one, which then lies here.
    pub grants: SmallVec<[Grant; 1]>,
    pub expires_at: Option<Timestamp>,
}

impl Principal {
    /// As the audit log has it.
    pub fn actor(&self) -> String {
        let mut actor = String::new();
        self.kind.write_actor(&self.id, &mut actor);
        actor
    }

    /// The grant under which this principal may act for `tenant`.
    pub fn grant_for(&self, tenant: &Tenant) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.covers(tenant))
    }

    /// Whether there is nothing any more that this principal may act for.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
            || !self.grants.iter().any(|grant| grant.works_at(now))
    }
}
