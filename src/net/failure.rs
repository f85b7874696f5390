//! Why there was no whole answer: what clients may be told, and what operators are.

use std::error::Error;
use std::io;

use crate::domain::destination::ForbiddenAddress;

/// Why there was no whole answer. The texts are fit for clients: no address, no URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetFailure {
    #[error("its address is not allowed here; an administrator has to look at it")]
    Forbidden,
    #[error("its name could not be resolved")]
    Unresolved,
    #[error("no connection could be made")]
    Connect,
    #[error("no connection could be made by way of the proxy; an administrator has to look at it")]
    Proxy,
    #[error("its certificate was not accepted; an administrator has to look at it")]
    Certificate,
    #[error("no secure connection (TLS) could be made")]
    Tls,
    #[error("no complete answer came in time")]
    Timeout,
    #[error("the connection broke before the answer was complete")]
    Interrupted,
    #[error("the answer is damaged or not HTTP")]
    Malformed,
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the request could not be formed")]
    Request,
}

impl NetFailure {
    /// Reads an error of the HTTP client.
    pub(super) fn of(error: &reqwest::Error) -> Self {
        if find::<ForbiddenAddress>(error).is_some() {
            Self::Forbidden
        } else if error.is_timeout() {
            Self::Timeout
        } else if error.is_dns() {
            Self::Unresolved
        } else if let Some(error) = find::<rustls::Error>(error) {
            Self::of_tls(error)
        } else if error.is_connect() {
            Self::Connect
        } else if error.is_builder() {
            Self::Request
        } else if is_malformed(error) {
            Self::Malformed
        } else {
            Self::Interrupted
        }
    }

    fn of_tls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
                Self::Certificate
            }
            _ => Self::Tls,
        }
    }

    /// Whether it lasts until somebody changes something.
    pub(super) fn needs_an_operator(self) -> bool {
        matches!(
            self,
            Self::Forbidden | Self::Unresolved | Self::Proxy | Self::Certificate | Self::Tls
        )
    }
}

/// A head that is no HTTP, or a body that is not what its headers say. What broke off is neither;
/// an end that only the decompressor did not expect is.
fn is_malformed(error: &reqwest::Error) -> bool {
    let transport = find::<hyper::Error>(error);
    if transport.is_some_and(hyper::Error::is_parse) {
        return true;
    }
    find::<io::Error>(error).is_some_and(|error| match error.kind() {
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => true,
        io::ErrorKind::UnexpectedEof => transport.is_none(),
        _ => false,
    })
}

/// The innermost cause in words.
pub(super) fn cause(error: &(dyn Error + 'static)) -> String {
    causes(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

fn find<'a, T: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a T> {
    causes(error).find_map(|error| error.downcast_ref())
}

/// An error and everything below it, also what an I/O error wraps.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| {
        let error: &'a (dyn Error + 'static) = *error;
        let wrapped = error.downcast_ref().and_then(io::Error::get_ref);
        match wrapped {
            Some(inner) => Some(inner as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}
