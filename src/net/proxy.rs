//! `upstream.proxy`: the one proxy that an operator names. Proxy variables of the system count for
//! nothing. Upstreams are https behind it, so it sees host names and no request (CONNECT).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use url::Url;
use zeroize::Zeroizing;

use crate::domain::destination::{Destinations, HostName};

/// A proxy and how to come past it. No `Debug`: it holds secrets.
#[derive(Clone)]
pub struct ProxySettings {
    /// `http://` or `https://`, host and port.
    pub url: Url,
    pub credentials: Option<ProxyCredentials>,
}

/// User and password (RFC 7617). No `Debug`: they are secrets.
#[derive(Clone)]
pub struct ProxyCredentials {
    user: String,
    password: SecretString,
}

/// Why a file of proxy credentials cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("upstream.proxy_credentials_file {path}: {reason}")]
pub struct ProxyFileError {
    path: PathBuf,
    reason: String,
}

/// Reads one line, `user:password`.
pub fn read_proxy_credentials(path: &Path) -> Result<ProxyCredentials, ProxyFileError> {
    let failed = |reason: String| ProxyFileError {
        path: path.to_owned(),
        reason,
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    let text = Zeroizing::new(text);
    let line = text.trim_end_matches(['\n', '\r']);
    match line.split_once(':') {
        Some((user, password)) if !user.is_empty() && !line.contains(char::is_control) => {
            Ok(ProxyCredentials {
                user: user.to_owned(),
                password: SecretString::from(password),
            })
        }
        _ => Err(failed("it holds one line, user:password".to_owned())),
    }
}

/// The client's proxy: for every host but loopback and those that are to be reached directly.
pub(super) fn proxy(settings: ProxySettings, destinations: Arc<Destinations>) -> reqwest::Proxy {
    let url = settings.url;
    let proxy = reqwest::Proxy::custom(move |target| {
        let host = HostName::of(target)?;
        destinations.goes_by_proxy(&host).then(|| url.clone())
    });
    match settings.credentials {
        Some(credentials) => {
            proxy.basic_auth(&credentials.user, credentials.password.expose_secret())
        }
        None => proxy,
    }
}
