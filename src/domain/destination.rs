//! Where requests may go: which URLs, and which addresses behind a host name.
//!
//! One policy is asked three times: when a base URL is read, before a request is sent, and when a
//! name has been resolved. What is public is allowed; loopback for a base URL that says so; what
//! is private for a host that the operator named; metadata services and the like for nobody.

use std::net::IpAddr;

use serde::Deserialize;
use url::{Host, Url};

use super::address::AddressKind;

/// A host as operators name it: a name or an address, without scheme, port and wildcard.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct HostName(Host<String>);

/// Why a text is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host: write a name or an address without scheme, port, range and wildcard, \
     such as \"api.clinic.internal\" or \"10.0.0.5\""
)]
pub struct InvalidHost(String);

impl HostName {
    pub fn parse(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.to_owned());
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self(of_address(address)));
        }
        let host = Host::parse(text).map_err(|_| invalid())?;
        let odd =
            matches!(&host, Host::Domain(name) if name.contains('*') || bare(name).is_empty());
        if odd { Err(invalid()) } else { Ok(Self(host)) }
    }

    /// The host of a URL.
    pub fn of(url: &Url) -> Option<Self> {
        url.host().map(|host| Self(host.to_owned()))
    }

    /// The address, where the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.0 {
            Host::Domain(_) => None,
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
        }
    }

    /// `localhost`, 127.0.0.0/8 or `::1`.
    pub fn is_loopback(&self) -> bool {
        self.is_localhost() || self.address().is_some_and(|address| address.is_loopback())
    }

    fn is_localhost(&self) -> bool {
        matches!(&self.0, Host::Domain(name) if name == "localhost")
    }

    fn is(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Host::Domain(one), Host::Domain(other)) => bare(one).eq_ignore_ascii_case(bare(other)),
            (one, other) => one == other,
        }
    }
}

impl TryFrom<String> for HostName {
    type Error = InvalidHost;

    fn try_from(text: String) -> Result<Self, InvalidHost> {
        Self::parse(&text)
    }
}

impl std::fmt::Display for HostName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

fn of_address(address: IpAddr) -> Host<String> {
    match address {
        IpAddr::V4(address) => Host::Ipv4(address),
        IpAddr::V6(address) => Host::Ipv6(address),
    }
}

/// A name without the dot of the root.
fn bare(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

/// What operators allow beyond https to public addresses.
#[derive(Debug, Clone, Default)]
pub struct Destinations {
    /// `upstream.allow_http_hosts`: plain http, although they are not loopback.
    pub allow_http: Vec<HostName>,
    /// `upstream.allow_private_hosts`: private addresses.
    pub allow_private: Vec<HostName>,
    /// `upstream.proxy`: everything goes through it, but loopback and `direct`.
    pub proxy: Option<HostName>,
    /// `upstream.no_proxy`.
    pub direct: Vec<HostName>,
}

/// Why a URL is not one to send requests to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDestination {
    #[error("a base URL has no user, query or fragment")]
    Shape,
    #[error("the URL has no host")]
    NoHost,
    #[error("`{0}` is not supported; use https")]
    Scheme(String),
    #[error(
        "plain http to `{0}` would send credentials in the clear; use https, \
         or add the host to upstream.allow_http_hosts"
    )]
    Plain(HostName),
    #[error(
        "plain http to `{0}` would show credentials to the proxy; use https, \
         or add the host to upstream.no_proxy"
    )]
    PlainByProxy(HostName),
    #[error(transparent)]
    Address(#[from] ForbiddenAddress),
}

/// An address that a host may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` {}", self.reason())]
pub struct ForbiddenAddress {
    pub host: HostName,
    pub kind: AddressKind,
}

impl ForbiddenAddress {
    fn reason(&self) -> String {
        let is = match self.host.address() {
            Some(_) => "is",
            None => "resolves to",
        };
        let kind = self.kind;
        match kind {
            AddressKind::Loopback | AddressKind::Private => format!(
                "{is} no public address ({kind}); if that is intended, \
                 add the host to upstream.allow_private_hosts"
            ),
            AddressKind::Public => format!("{is} an address of another machine"),
            _ => format!("{is} no public address ({kind}); no key allows this one"),
        }
    }
}

impl Destinations {
    /// One host and nothing else is special: what a command asks of its own server.
    pub fn own(url: &Url) -> Self {
        let host: Vec<HostName> = HostName::of(url).into_iter().collect();
        Self {
            allow_http: host.clone(),
            allow_private: host,
            ..Self::default()
        }
    }

    /// Whether a URL can be the base of requests.
    pub fn check_base(&self, url: &Url) -> Result<(), BadDestination> {
        let user = !url.username().is_empty() || url.password().is_some();
        if user || url.query().is_some() || url.fragment().is_some() {
            return Err(BadDestination::Shape);
        }
        self.check(url)
    }

    /// Whether a request may go to a URL, as far as the URL alone tells.
    pub fn check(&self, url: &Url) -> Result<(), BadDestination> {
        let host = HostName::of(url).ok_or(BadDestination::NoHost)?;
        match url.scheme() {
            "https" => {}
            "http" if host.is_loopback() => {}
            "http" if !contains(&self.allow_http, &host) => {
                return Err(BadDestination::Plain(host));
            }
            "http" if self.goes_by_proxy(&host) => return Err(BadDestination::PlainByProxy(host)),
            "http" => {}
            other => return Err(BadDestination::Scheme(other.to_owned())),
        }
        match host.address() {
            Some(address) => Ok(self.admit(&host, address)?),
            None => Ok(()),
        }
    }

    /// Whether a connection may be made to an address that a host has.
    pub fn admit(&self, host: &HostName, address: IpAddr) -> Result<(), ForbiddenAddress> {
        let kind = AddressKind::of(address);
        let allowed = match kind {
            // Plain http goes to this name unasked, so it has to stay on this machine.
            AddressKind::Public => !host.is_localhost(),
            AddressKind::Loopback => host.is_loopback() || self.is_named(host),
            AddressKind::Private => self.is_named(host),
            _ => false,
        };
        let host = || host.clone();
        allowed
            .then_some(())
            .ok_or_else(|| ForbiddenAddress { host: host(), kind })
    }

    /// Whether a request to this host is the proxy's to make.
    pub fn goes_by_proxy(&self, host: &HostName) -> bool {
        self.proxy.is_some() && !host.is_loopback() && !contains(&self.direct, host)
    }

    /// The operator named the host as one that may be in a private network.
    fn is_named(&self, host: &HostName) -> bool {
        contains(&self.allow_private, host)
            || self.proxy.as_ref().is_some_and(|proxy| proxy.is(host))
    }
}

fn contains(list: &[HostName], host: &HostName) -> bool {
    list.iter().any(|named| named.is(host))
}

#[cfg(test)]
mod tests;
