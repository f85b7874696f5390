//! Why an upstream gave no answer to work with.

use http::HeaderName;

use crate::net::NetFailure;

/// A request that was not made or not answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    #[error("argument `{0}` must not be empty, `.` or `..`: it is a part of the request's path")]
    PathArgument(String),
    #[error("the arguments are too long for a request")]
    TooLong,
    #[error("what header `{0}` is to carry has characters that no header can have")]
    Header(HeaderName),
    #[error("the provider: {0}")]
    Net(NetFailure),
}

impl UpstreamError {
    /// A stable word for the kind of failure.
    pub fn code(&self) -> &'static str {
        match self {
            Self::PathArgument(_) | Self::TooLong | Self::Header(_) => "invalid_arguments",
            Self::Net(NetFailure::Malformed) => "upstream_malformed",
            Self::Net(_) => "upstream_unavailable",
        }
    }
}
