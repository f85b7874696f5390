//! Why a change or a question was refused; every text says what to do.

use crate::audit::{AuditError, CheckpointError};
use crate::credentials::CredentialError;
use crate::domain::credential::{CredentialState, CredentialVersionId, ProfileKey};
use crate::store::{BackupError, StoreError, StoredCredential};
use crate::token::LoginError;
use crate::vault::{KekId, KeyFileError, RingChangeError, VaultError};

/// A refused use case.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("there is no organization `{name}`{hint} (`locum org list` shows all)")]
    NoOrganization { name: String, hint: String },
    #[error("there is already an organization `{0}`")]
    OrganizationExists(String),
    #[error("there is no provider `{name}`{hint}")]
    NoProvider { name: String, hint: String },
    /// Neither there now nor in the audit log.
    #[error("there is no {what} `{name}`, and no record of the audit log is about one")]
    Unrecorded { what: &'static str, name: String },
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
    #[error(
        "version {0} is staged already, and one change at a time is enough: `locum credential promote` or `locum credential cancel` ends it"
    )]
    RotationOpen(i64),
    #[error(
        "nothing is staged for `{}` in {}; `locum credential stage` begins a rotation", .0.provider, .0.tenant
    )]
    NoOpenRotation(ProfileKey),
    #[error("there is no rotation `{0}` here; `locum credential show --json` lists the versions")]
    NoRotation(CredentialVersionId),
    #[error("there is no version {0} here; `locum credential show` lists all")]
    NoVersion(i64),
    #[error(
        "version {0} has not logged in yet: `locum credential verify` tries it, and --unverified promotes it untried"
    )]
    NotVerified(i64),
    #[error("version {version} is {state} and cannot be {change}; {}", remedy(*.state))]
    RotationState {
        version: i64,
        state: CredentialState,
        /// `promoted`, `cancelled`, …
        change: &'static str,
    },
    #[error(
        "there is no version to go back to from version {0}: the one before it is revoked, or its grace is over; `locum credential set` enters another"
    )]
    NoWayBack(i64),
    #[error(
        "the provider refused these values: {0}; they were not stored, and the present version is untouched"
    )]
    EntryRefused(String),
    #[error(
        "{0}: whether the credential is good cannot be told, and nothing was changed; try again later, or go on without a login: `set` and `promote` take --unverified"
    )]
    LoginFailed(LoginError),
    #[error(
        "{0}: nothing was changed; `set` and `promote` take --unverified, and `probe` in the flow's profile names a request that tells"
    )]
    NothingToTry(LoginError),
    #[error("this takes rights that you do not have; ask an owner")]
    Forbidden,
    #[error("field `{field}`: {message}")]
    Field { field: String, message: String },
    /// Well-formed, but not with what is there now: the clock, the catalog.
    #[error("field `{field}`: {message}")]
    Unfit { field: String, message: String },
    #[error("there is no tool `{name}`{hint}")]
    NoTool { name: String, hint: String },
    #[error("there is no gateway key `{0}` that still works; `locum key list` shows all")]
    NoKey(String),
    #[error(
        "gateway key `{id}` was rolled already, and `{successor}` has its place; revoke one of the two first"
    )]
    KeyRolled { id: String, successor: String },
    #[error("there is no admin token `{0}` that still works; `locum admin-token list` shows all")]
    NoToken(String),
    #[error(
        "`{0}` is the last owner token; make another one first, or revoke it at the command line"
    )]
    LastOwner(String),
    #[error("it was changed since it was read; read it again")]
    Changed,
    #[error("this Idempotency-Key came with another request before; take a new one")]
    OtherRequest,
    #[error("a request with this Idempotency-Key is under way; send it again in a moment")]
    UnderWay,
    #[error("there is no dead reminder `{0}`; `locum reminders list --dead` shows them")]
    NoDeadReminder(String),
    #[error("the key ring has no key `{0}`; `locum master-key status` shows all")]
    NoMasterKey(String),
    #[error(
        "the master key `{0}` is in use; `locum master-key rotate` brings everything under another one, `locum master-key status` says what is under which"
    )]
    MasterKeyInUse(String),
    #[error(
        "the key ring has the master key `{kek}`, and the rotation to it is not finished: `locum master-key rotate` goes on with it. The step that failed: {source}"
    )]
    KeyRotationOpen { kek: KekId, source: Box<Self> },
    #[error(
        "the audit log of the copy is not as it was written: {0}; `locum audit verify` says what this one's is"
    )]
    CopyUnsound(String),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Ring(#[from] RingChangeError),
    #[error(transparent)]
    Credential(#[from] CredentialError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Vault(#[from] VaultError),
}

/// What kind of answer an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// What was asked for cannot be done as it was said.
    Invalid,
    Forbidden,
    NotFound,
    /// It does not go with what is there.
    Conflict,
    /// It was to be done only to what is not there any more.
    Changed,
    /// The provider's login endpoint, or its probe, did not take part.
    Upstream,
    /// It may pass by itself.
    Unavailable,
    Internal,
}

impl AdminError {
    pub(super) fn field(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Field {
            field: field.into(),
            message: message.into(),
        }
    }

    pub(super) fn unfit(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self::Unfit {
            field: field.into(),
            message: message.into(),
        }
    }

    pub fn kind(&self) -> ErrorKind {
        self.row().0
    }

    /// A stable word for programs.
    pub fn code(&self) -> &'static str {
        self.row().1
    }

    fn row(&self) -> (ErrorKind, &'static str) {
        match self {
            Self::NoOrganization { .. } => (ErrorKind::NotFound, "organization_not_found"),
            Self::OrganizationExists(_) => (ErrorKind::Conflict, "organization_exists"),
            Self::NoProvider { .. } => (ErrorKind::NotFound, "provider_not_found"),
            Self::Unrecorded {
                what: "provider", ..
            } => (ErrorKind::NotFound, "provider_not_found"),
            Self::Unrecorded { .. } => (ErrorKind::NotFound, "environment_not_found"),
            Self::NoEnvironment { .. } => (ErrorKind::NotFound, "environment_not_found"),
            Self::NoFlow { .. } => (ErrorKind::Conflict, "flow_unknown"),
            Self::NoCredential { .. } => (ErrorKind::NotFound, "credential_not_found"),
            Self::Forbidden => (ErrorKind::Forbidden, "forbidden"),
            Self::Field { .. } => (ErrorKind::Invalid, "field_invalid"),
            Self::Unfit { .. } => (ErrorKind::Conflict, "field_unfit"),
            Self::NoTool { .. } => (ErrorKind::Conflict, "tool_unknown"),
            Self::NoKey(_) => (ErrorKind::NotFound, "key_not_found"),
            Self::NoDeadReminder(_) => (ErrorKind::NotFound, "reminder_not_found"),
            Self::NoToken(_) => (ErrorKind::NotFound, "admin_token_not_found"),
            Self::LastOwner(_) => (ErrorKind::Conflict, "last_owner"),
            Self::Changed => (ErrorKind::Changed, "changed"),
            Self::OtherRequest => (ErrorKind::Conflict, "idempotency_key_reused"),
            Self::UnderWay => (ErrorKind::Conflict, "idempotency_key_in_use"),
            Self::RotationOpen(_) => (ErrorKind::Conflict, "rotation_open"),
            Self::NoOpenRotation(_) | Self::NoRotation(_) => {
                (ErrorKind::NotFound, "rotation_not_found")
            }
            Self::NoVersion(_) => (ErrorKind::NotFound, "version_not_found"),
            Self::NotVerified(_) => (ErrorKind::Conflict, "rotation_unverified"),
            Self::RotationState { .. } => (ErrorKind::Conflict, "rotation_state"),
            Self::NoWayBack(_) => (ErrorKind::Conflict, "no_way_back"),
            Self::EntryRefused(_) => (ErrorKind::Conflict, "credential_refused"),
            Self::LoginFailed(error) => (ErrorKind::Upstream, error.code()),
            Self::NothingToTry(error) => (ErrorKind::Conflict, error.code()),
            Self::KeyRolled { .. } => (ErrorKind::Conflict, "key_rolled"),
            Self::Store(error)
            | Self::Audit(AuditError::Store(error))
            | Self::Credential(CredentialError::Store(error))
                if error.may_pass() =>
            {
                (ErrorKind::Unavailable, "store_unavailable")
            }
            Self::Audit(AuditError::Checkpoint(error)) => match error {
                CheckpointError::Format => (ErrorKind::Invalid, "checkpoint_invalid"),
                _ => (ErrorKind::Conflict, "checkpoint_refused"),
            },
            Self::Credential(CredentialError::Gone) => (ErrorKind::Conflict, "credential_revoked"),
            Self::KeyRotationOpen { source, .. } => source.row(),
            Self::NoMasterKey(_) => (ErrorKind::NotFound, "master_key_not_found"),
            Self::MasterKeyInUse(_) => (ErrorKind::Conflict, "master_key_in_use"),
            Self::Backup(BackupError::Exists(_)) => (ErrorKind::Conflict, "backup_exists"),
            Self::CopyUnsound(_)
            | Self::Backup(_)
            | Self::Credential(_)
            | Self::Store(_)
            | Self::Audit(_)
            | Self::Vault(_)
            | Self::Ring(_) => (ErrorKind::Internal, "internal"),
        }
    }

    /// Of a rotation to a master key that is in the key ring by now.
    pub fn in_rotation_to(self, kek: &KekId) -> Self {
        Self::KeyRotationOpen {
            kek: kek.clone(),
            source: Box::new(self),
        }
    }

    /// What a version is does not allow that change.
    pub(super) fn state(version: &StoredCredential, change: &'static str) -> Self {
        Self::RotationState {
            version: version.version,
            state: version.state,
            change,
        }
    }
}

/// What neither granted nor refused.
impl From<LoginError> for AdminError {
    fn from(error: LoginError) -> Self {
        match error {
            LoginError::NothingToTry(_) => Self::NothingToTry(error),
            _ => Self::LoginFailed(error),
        }
    }
}

impl From<KeyFileError> for AdminError {
    fn from(error: KeyFileError) -> Self {
        Self::Ring(error.into())
    }
}

/// What to do instead.
fn remedy(state: CredentialState) -> &'static str {
    match state {
        CredentialState::Staged => "`locum credential promote` makes it active",
        CredentialState::Active => {
            "`locum credential rollback` returns to the one before, `locum credential revoke` ends it"
        }
        CredentialState::Retiring => "`locum credential rollback` brings it back",
        CredentialState::Refused => "`locum credential stage` begins anew, with values that work",
        CredentialState::Revoked | CredentialState::Cancelled => {
            "its values are gone: `locum credential stage` begins anew"
        }
    }
}
