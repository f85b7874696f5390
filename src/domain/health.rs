//! What a running server knows of a credential profile: logins, token, calls of the last hour.

use jiff::Timestamp;
use serde::Serialize;

use super::credential::CredentialVersionId;
use super::organization::OrganizationId;
use super::provider::ProviderName;
use super::tenant::Environment;

/// Why a server does not serve by the profiles and the configuration that are there now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigurationProblem {
    /// File and line, for everybody.
    pub place: Option<String>,
    /// For administrators: it may repeat what is written there.
    pub text: String,
}

/// The sign that a server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    pub at: Timestamp,
    /// Why it does not serve by the profiles and the configuration that are there now.
    pub configuration_problem: Option<String>,
}

/// Whether there is an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// None yet, or none any more: the next call logs in.
    #[default]
    None,
    /// One is in memory.
    Cached,
    /// The last login failed, and the next attempt has to wait.
    BackingOff,
}

impl TokenState {
    const ALL: [Self; 3] = [Self::None, Self::Cached, Self::BackingOff];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Cached => "cached",
            Self::BackingOff => "backing_off",
        }
    }

    /// Reads the label that [`Self::as_str`] writes.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == label)
    }
}

/// How a credential does, the worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The provider says no to it.
    Refused,
    /// Its day has passed.
    Overdue,
    /// It is in use, and nobody has ever logged in with it.
    NeverVerified,
    /// Its day is as near as reminders look ahead.
    Due,
    /// Logins fail, or at least every second call of the last hour did.
    Failing,
    Ok,
}

impl Standing {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Overdue => "overdue",
            Self::NeverVerified => "never verified",
            Self::Due => "due",
            Self::Failing => "failing",
            Self::Ok => "ok",
        }
    }
}

/// A failure with its cause, fit for display: a code, and some words after a colon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LastFailure {
    pub at: Timestamp,
    pub cause: String,
}

impl LastFailure {
    /// The code of a cause that is the provider's no to the credential.
    pub const REFUSED: &str = "credential_refused";

    /// Whether the provider said no to the credential.
    pub fn is_refusal(&self) -> bool {
        self.cause.split(':').next() == Some(Self::REFUSED)
    }
}

/// The health of a profile, as it is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileHealth {
    pub organization: OrganizationId,
    pub environment: Environment,
    pub provider: ProviderName,
    /// The version that all of this is about.
    pub version: CredentialVersionId,
    pub last_login_at: Option<Timestamp>,
    pub last_failure: Option<LastFailure>,
    pub token: TokenState,
    /// Until when a token is good, or a back-off lasts.
    pub token_until: Option<Timestamp>,
    pub calls_hour: u32,
    pub errors_hour: u32,
    pub written_at: Timestamp,
}

/// When calls last logged in with a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionLogin {
    pub organization: OrganizationId,
    pub version: CredentialVersionId,
    pub at: Timestamp,
}

impl VersionLogin {
    pub fn of(health: &ProfileHealth) -> Option<Self> {
        Some(Self {
            organization: health.organization,
            version: health.version,
            at: health.last_login_at?,
        })
    }
}
