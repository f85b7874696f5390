//! `Host` and `Origin` lists: what keeps a web page from talking to a gateway on the user's machine
//! by DNS rebinding (MCP 2026-07-28, transports, "Security & Endpoint").

use http::header::{HOST, HeaderMap, ORIGIN};
use http::{Uri, uri::Authority};

/// Names that a listener answers to, and origins that browsers may come from.
#[derive(Debug, Clone, Default)]
pub struct HostPolicy {
    hosts: Vec<String>,
    origins: Vec<String>,
}

/// Why a request is refused before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostRefusal {
    /// No `Host`, several, or one that is no authority.
    Malformed,
    Host,
    Origin,
}

impl HostPolicy {
    /// Loopback names always pass; `hosts` and `origins` come from the configuration.
    pub fn new(
        hosts: impl IntoIterator<Item = String>,
        origins: impl IntoIterator<Item = String>,
    ) -> Self {
        let lower = |text: String| text.to_ascii_lowercase();
        Self {
            hosts: hosts.into_iter().map(lower).collect(),
            origins: origins.into_iter().map(lower).collect(),
        }
    }

    pub fn check(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), HostRefusal> {
        let host = host(uri, headers).ok_or(HostRefusal::Malformed)?;
        if !self.knows(host.host()) {
            return Err(HostRefusal::Host);
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => Ok(()),
            (Some(origin), None) if self.allows(origin.as_bytes()) => Ok(()),
            _ => Err(HostRefusal::Origin),
        }
    }

    fn knows(&self, host: &str) -> bool {
        is_loopback(host)
            || self
                .hosts
                .iter()
                .any(|known| known.eq_ignore_ascii_case(host))
    }

    fn allows(&self, origin: &[u8]) -> bool {
        let Ok(origin) = std::str::from_utf8(origin) else {
            return false;
        };
        if self
            .origins
            .iter()
            .any(|known| known.eq_ignore_ascii_case(origin))
        {
            return true;
        }
        let uri = origin.parse::<Uri>().ok();
        uri.and_then(|uri| uri.host().map(is_loopback))
            .unwrap_or(false)
    }
}

fn host(uri: &Uri, headers: &HeaderMap) -> Option<Authority> {
    let mut values = headers.get_all(HOST).iter();
    let header = match (values.next(), values.next()) {
        (Some(value), None) => Some(Authority::try_from(value.as_bytes()).ok()?),
        (None, _) => None,
        (Some(_), Some(_)) => return None,
    };
    let host = match (header, uri.authority()) {
        (Some(header), Some(authority)) if header != *authority => None,
        (Some(header), _) => Some(header),
        (None, authority) => authority.cloned(),
    };
    host.filter(is_plain)
}

/// A name and perhaps a port (RFC 9110, section 7.2): the parser lets `user@host` and odd ports pass.
fn is_plain(host: &Authority) -> bool {
    match host.as_str().strip_prefix(host.host()) {
        Some("") => true,
        Some(rest) => rest
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit())),
        None => false,
    }
}

/// An IPv6 address without its brackets; other hosts as they are.
fn bare(host: &str) -> &str {
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_loopback(host: &str) -> bool {
    let bare = bare(host);
    bare.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(hosts: &[&str], origin: Option<&str>) -> Result<(), HostRefusal> {
        let policy = HostPolicy::new(
            ["mcp.example".to_owned()],
            ["https://app.example".to_owned()],
        );
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        if let Some(origin) = origin {
            headers.append(ORIGIN, origin.parse().unwrap());
        }
        policy.check(&Uri::from_static("/mcp"), &headers)
    }

    #[test]
    fn only_known_names_are_answered() {
        for host in [
            "localhost",
            "localhost:",
            "LOCALHOST:80",
            "127.0.0.1:8080",
            "[::1]:8080",
            "MCP.example",
        ] {
            assert_eq!(check(&[host], None), Ok(()), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "mcp.example.evil",
        ] {
            assert_eq!(check(&[host], None), Err(HostRefusal::Host), "{host}");
        }
        assert_eq!(check(&[], None), Err(HostRefusal::Malformed));
        for host in [
            "x@localhost",
            "@localhost",
            "localhost@localhost",
            "localhost:80@localhost:80",
            "localhost:x",
            "[::1]:8)80",
            "[::1]x:80",
        ] {
            assert_eq!(check(&[host], None), Err(HostRefusal::Malformed), "{host}");
        }
        assert_eq!(
            check(&["localhost", "localhost"], None),
            Err(HostRefusal::Malformed)
        );
    }

    #[test]
    fn only_known_origins_are_answered() {
        for origin in [
            "https://app.example",
            "http://localhost:3000",
            "http://127.0.0.1",
        ] {
            assert_eq!(check(&["localhost"], Some(origin)), Ok(()), "{origin}");
        }
        for origin in ["https://evil.example", "null", "https://app.example.evil"] {
            assert_eq!(
                check(&["localhost"], Some(origin)),
                Err(HostRefusal::Origin),
                "{origin}"
            );
        }
    }
}
