//! Credentials: the sealed fields of an organization at a provider, in versions.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use super::provider::ProviderName;
use super::tenant::{Environment, Tenant};

/// What is retired works on no longer than this: a year.
pub const LONGEST_GRACE: Duration = Duration::from_secs(365 * 24 * 3600);

/// Names one set of fields for good; tokens are cached under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct CredentialVersionId(pub Uuid);

impl fmt::Display for CredentialVersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The life of a credential version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialState {
    /// Sealed, not used yet.
    Staged,
    /// The provider refused it; not used.
    Refused,
    /// Calls use it.
    Active,
    /// Replaced; it works until its grace is over, and can come back.
    Retiring,
    /// Ended; its bytes are gone.
    Revoked,
    /// Given up while it was not in use; its bytes are gone.
    Cancelled,
}

impl CredentialState {
    const ALL: [Self; 6] = [
        Self::Staged,
        Self::Refused,
        Self::Active,
        Self::Retiring,
        Self::Revoked,
        Self::Cancelled,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staged => "staged",
            Self::Refused => "refused",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Revoked => "revoked",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the bytes of such a version are gone.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Revoked | Self::Cancelled)
    }

    /// Reads the label that [`Self::as_str`] writes.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == label)
    }
}

impl fmt::Display for CredentialState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where a credential belongs: one profile per tenant and provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProfileKey {
    pub tenant: Tenant,
    pub provider: ProviderName,
}

/// What may be shown of a credential version: everything but its values.
#[derive(Debug, Clone, Serialize)]
pub struct CredentialMetadata {
    pub id: CredentialVersionId,
    pub organization: String,
    pub environment: Environment,
    pub provider: ProviderName,
    pub version: i64,
    pub state: CredentialState,
    /// Since when it is in its state.
    pub state_since: Timestamp,
    /// When a retiring version ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ends: Option<Timestamp>,
    /// The login flow; `None` stands for the provider's default.
    pub flow: Option<String>,
    pub issued: Timestamp,
    pub entered_at: Timestamp,
    pub entered_by: String,
    pub verified_at: Option<Timestamp>,
    /// When the provider last refused it, and in which words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<Refusal>,
    pub fields: Vec<FieldMetadata>,
}

/// A login that the endpoint refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    pub at: Timestamp,
    pub message: String,
}

/// What may be shown of one field.
#[derive(Debug, Clone, Serialize)]
pub struct FieldMetadata {
    pub name: String,
    /// HMAC-SHA-256 of the value under a key of the organization, first 8 bytes, hexadecimal.
    pub fingerprint: String,
}

/// The values of a credential, by field name. No `Debug`: it holds secrets.
pub type SecretFields = BTreeMap<String, SecretString>;

/// A credential version that was opened for a login. No `Debug`: it holds secrets.
pub struct OpenedCredential {
    pub id: CredentialVersionId,
    pub key: Arc<ProfileKey>,
    pub flow: Option<String>,
    pub fields: SecretFields,
}

/// Which credential a tenant's calls at a provider use.
#[derive(Debug, Clone)]
pub struct CredentialRef {
    pub id: CredentialVersionId,
    pub key: Arc<ProfileKey>,
    pub flow: Option<String>,
}

/// A credential that would not open; the text is fit for logs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenFailed {
    /// Another version has taken its place since it was looked up.
    #[error("the credential has no values any more: it was revoked")]
    Revoked,
    #[error("{0}")]
    Sealed(String),
    /// The store did not answer; that may pass by itself.
    #[error("{0}")]
    Unreadable(String),
}

/// What [`CredentialSource::open`] answers with, in time.
pub type Opening<'a> =
    Pin<Box<dyn Future<Output = Result<OpenedCredential, OpenFailed>> + Send + 'a>>;

/// Opens credentials for logins.
pub trait CredentialSource: Send + Sync + 'static {
    fn open<'a>(&'a self, credential: &'a CredentialRef) -> Opening<'a>;
}
