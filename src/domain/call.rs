//! [`AuthorizedCall`]: the only key to a bearer and to the upstream.
//!
//! Its fields are private and [`AuthorizedCall::authorize`] is its only constructor, so whoever
//! holds one proves that the checks were made; the compiler keeps the order of the request path.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::origin::Origin;
use super::principal::Principal;
use super::tenant::Tenant;
use super::tenant_settings::TenantSettings;
use super::tool::Tool;

/// The arguments of a call, by name.
pub type Arguments = Map<String, Value>;

/// Why a principal may not make a call. To the caller the tool simply does not exist, so that a
/// list and a call agree on what there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("the principal holds no grant for this tenant")]
    Tenant,
    #[error("the grant does not cover this tool, or the tenant does not have it")]
    Tool,
}

/// One `tools/call` by a principal for a tenant, checked against the principal's grants. No
/// `Debug`: arguments are patient data.
pub struct AuthorizedCall<'a> {
    principal: &'a Principal,
    tenant: &'a Tenant,
    settings: Option<&'a Arc<TenantSettings>>,
    tool: &'a Tool,
    arguments: Arguments,
    origin: &'a Origin,
}

impl<'a> AuthorizedCall<'a> {
    /// Checks tenant and tool against the principal's grants, and the tool against what the tenant has.
    pub fn authorize(
        principal: &'a Principal,
        (tenant, settings): (&'a Tenant, Option<&'a Arc<TenantSettings>>),
        tool: &'a Tool,
        arguments: Arguments,
        origin: &'a Origin,
    ) -> Result<Self, Denied> {
        let grant = principal.grant_for(tenant).ok_or(Denied::Tenant)?;
        let has = settings.is_none_or(|settings| settings.admits(tool));
        if !has || !grant.filter.admits(tool) {
            return Err(Denied::Tool);
        }
        Ok(Self {
            principal,
            tenant,
            settings,
            tool,
            arguments,
            origin,
        })
    }

    pub fn principal(&self) -> &Principal {
        self.principal
    }

    pub fn tenant(&self) -> &Tenant {
        self.tenant
    }

    /// Where the tenant has some.
    pub fn settings(&self) -> Option<&Arc<TenantSettings>> {
        self.settings
    }

    pub fn tool(&self) -> &Tool {
        self.tool
    }

    pub fn arguments(&self) -> &Arguments {
        &self.arguments
    }

    /// The request that made the call.
    pub fn origin(&self) -> &Origin {
        self.origin
    }
}
