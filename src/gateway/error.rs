//! Refusals before a call: closed, and each with one stable code.

/// Why a request is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("a valid gateway key is needed: Authorization: Bearer <key>")]
    Unauthenticated,
    #[error(
        "this key serves several organizations or environments: name one in the tenant headers or in the path"
    )]
    TenantRequired,
    #[error("the organization or environment is named twice, is empty, or is malformed")]
    TenantInvalid,
    #[error("this key has no access to the organization and environment that were named")]
    TenantForbidden,
    #[error("the organization is suspended")]
    OrganizationSuspended,
}

impl Refusal {
    /// The code that clients see in `data.code`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::TenantRequired => "tenant_required",
            Self::TenantInvalid => "tenant_invalid",
            Self::TenantForbidden => "tenant_forbidden",
            Self::OrganizationSuspended => "organization_suspended",
        }
    }
}

/// Why a call was not made at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCalled {
    /// No tool of this name is in the visit's list.
    UnknownTool,
    /// It could not be recorded before (`audit.strict`).
    Unrecorded,
    /// Its client went away before it was made, it may not be made any more, or it took too long
    /// without its client.
    Abandoned,
}
