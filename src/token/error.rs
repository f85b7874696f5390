//! Why there is no token; the texts are fit for logs and for clients.

use std::fmt;
use std::time::Duration;

use crate::net::NetFailure;

/// Who was asked about a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    LoginEndpoint,
    /// The request that tells whether a key is good.
    Probe,
    /// Any other request that carries a key.
    Provider,
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LoginEndpoint => "the login endpoint",
            Self::Probe => "the probe",
            Self::Provider => "the provider",
        })
    }
}

/// A login that did not yield a token, or a key that was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoginError {
    #[error("{by} refused the credential: HTTP {status}{message}")]
    Refused {
        by: Asked,
        status: u16,
        message: String,
    },
    #[error("{by} limits requests (HTTP 429)")]
    RateLimited {
        by: Asked,
        retry_after: Option<Duration>,
    },
    #[error("{by} answered HTTP {status}")]
    Unavailable {
        by: Asked,
        status: u16,
        retry_after: Option<Duration>,
    },
    #[error("{by}: {failure}")]
    Unreachable { by: Asked, failure: NetFailure },
    #[error("the login endpoint's answer has {0}")]
    Malformed(&'static str),
    #[error("the credential has no field `{field}`, which the login flow `{flow}` needs")]
    MissingField { field: String, flow: String },
    #[error("the credential cannot be sent: {0}")]
    Unsendable(&'static str),
    #[error("the flow `{0}` has no login and no probe, so there is nothing to try")]
    NothingToTry(String),
    #[error("the provider has no login flow `{0}` any more")]
    UnknownFlow(String),
    #[error("the token of a fresh login was rejected")]
    Rejected,
    #[error("the credential could not be opened: {0}")]
    Sealed(String),
    #[error("the credential could not be read: {0}")]
    Unreadable(String),
    #[error("the credential was revoked")]
    Revoked,
    #[error("the login was aborted")]
    Aborted,
    #[error("{cause}; the next attempt is in {} s", wait.as_secs().max(1))]
    Waiting {
        wait: Duration,
        cause: Box<LoginError>,
    },
}

impl LoginError {
    /// The error of a call during a back-off.
    pub(super) fn waiting(&self, wait: Duration) -> Self {
        Self::Waiting {
            wait,
            cause: Box::new(self.clone()),
        }
    }

    /// The endpoint said no to what was presented, rather than nothing or "later".
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Malformed(_))
    }

    /// The no to the credential itself, in the words of who was asked; of an attempt before the
    /// present pause too.
    pub fn refusal(&self) -> Option<String> {
        match self {
            Self::Refused {
                status, message, ..
            } => Some(format!("HTTP {status}{message}")),
            Self::Waiting { cause, .. } => cause.refusal(),
            _ => None,
        }
    }

    /// How long upstream, or the back-off, asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Unavailable { retry_after, .. } => {
                *retry_after
            }
            Self::Waiting { wait, .. } => Some(*wait),
            _ => None,
        }
    }

    /// The status of the login endpoint, where there was one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } | Self::Unavailable { status, .. } => Some(*status),
            Self::RateLimited { .. } => Some(429),
            Self::Waiting { cause, .. } => cause.status(),
            _ => None,
        }
    }

    /// A stable word for the kind of failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "credential_refused",
            Self::RateLimited { .. } => "login_rate_limited",
            Self::Unavailable { .. }
            | Self::Unreachable { .. }
            | Self::Unreadable(_)
            | Self::Aborted => "login_unavailable",
            Self::Malformed(_) => "login_malformed",
            Self::MissingField { .. } | Self::Unsendable(_) | Self::UnknownFlow(_) => {
                "credential_incomplete"
            }
            Self::NothingToTry(_) => "nothing_to_try",
            Self::Rejected => "token_rejected",
            Self::Sealed(_) => "credential_sealed",
            Self::Revoked => "credential_revoked",
            Self::Waiting { cause, .. } => cause.code(),
        }
    }
}
