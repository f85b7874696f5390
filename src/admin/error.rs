//! Why a change or a question was refused; every text says what to do.

use crate::credentials::CredentialError;
use crate::store::StoreError;
use crate::token::LoginError;
use crate::vault::VaultError;

/// A refused use case.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no organization `{name}`{hint} (`locum org list` shows all)")]
    NoOrganization { name: String, hint: String },
    #[error("there is already an organization `{0}`")]
    OrganizationExists(String),
    #[error("there is no provider `{name}`{hint}")]
    NoProvider { name: String, hint: String },
    #[error("provider `{provider}` has no environment `{environment}`{hint}")]
    NoEnvironment {
        provider: String,
        environment: String,
        hint: String,
    },
    #[error("provider `{provider}` has no login flow `{flow}`{hint}")]
    NoFlow {
        provider: String,
        flow: String,
        hint: String,
    },
    #[error(
        "organization `{organization}` has no active credential for `{provider}` in `{environment}`; `locum credential set` adds one"
    )]
    NoCredential {
        organization: String,
        environment: String,
        provider: String,
    },
    #[error("this takes rights that you do not have; ask an owner")]
    Forbidden,
    #[error("field `{field}`: {message}")]
    Field { field: String, message: String },
    #[error("there is no tool `{name}`{hint}")]
    NoTool { name: String, hint: String },
    #[error("there is no gateway key `{0}` that still works; `locum key list` shows all")]
    NoKey(String),
    #[error("there is no dead reminder `{0}`; `locum reminders list --dead` shows them")]
    NoDeadReminder(String),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

impl AdminError {
    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            message: message.into(),
        }
    }
}
