//! Trusted proxies: whose word about the client counts, and what it says.
//!
//! Each proxy adds the address it was reached from at the right of `X-Forwarded-For`, so the
//! right-most address that is no trusted proxy is the client; all left of it is the client's own
//! word. `Forwarded` (RFC 7239) is read where there is no `X-Forwarded-For`.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

use crate::domain::network::Networks;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The proxies in front of a listener.
#[derive(Debug, Clone, Default)]
pub struct Proxies {
    trusted: Networks,
    /// Clients have to reach the proxy by https.
    https_only: bool,
}

impl Proxies {
    pub fn new(trusted: Networks, https_only: bool) -> Self {
        Self {
            trusted,
            https_only,
        }
    }

    /// The client of a request that came from `peer`.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        for hop in hops(headers).rev() {
            if !self.trusted.contains(client) {
                break;
            }
            // Beyond a hop that cannot be read nothing is known.
            let Some(hop) = hop else { break };
            client = hop;
        }
        client
    }

    /// Whether a proxy says that the client came by plain http although it has to be https.
    pub fn came_in_clear(&self, peer: IpAddr, headers: &HeaderMap) -> bool {
        self.https_only
            && self.trusted.contains(peer)
            && proto(headers).is_some_and(|proto| proto.eq_ignore_ascii_case("http"))
    }
}

/// The hops that proxies name, from left to right; `None` is one that cannot be read.
fn hops(headers: &HeaderMap) -> std::vec::IntoIter<Option<IpAddr>> {
    let hops: Vec<_> = if headers.contains_key(FORWARDED_FOR) {
        elements(headers, &FORWARDED_FOR).map(address).collect()
    } else {
        elements(headers, &FORWARDED)
            .map(|element| parameter(element, "for").and_then(address))
            .collect()
    };
    hops.into_iter()
}

/// What the nearest proxy says.
fn proto(headers: &HeaderMap) -> Option<&str> {
    elements(headers, &FORWARDED_PROTO).last().or_else(|| {
        let nearest = elements(headers, &FORWARDED).last()?;
        parameter(nearest, "proto")
    })
}

/// The elements of all lines of a list header; one that is no text is an empty one.
fn elements<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let lines = headers.get_all(name).into_iter();
    let texts = lines.map(|line| line.to_str().unwrap_or(""));
    texts.flat_map(|text| text.split(',').map(str::trim))
}

/// A parameter of an element of `Forwarded`, without quotes.
fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (found, value) = pair.trim().split_once('=')?;
        found
            .eq_ignore_ascii_case(name)
            .then(|| value.trim_matches('"'))
    })
}

/// An address as proxies write it: with or without brackets and port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'));
    let plain = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().map(|address| address.ip()).ok();
    plain
        .or_else(with_port)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies() -> Proxies {
        #[derive(serde::Deserialize)]
        struct Section {
            trusted: Networks,
        }
        let section: Section = toml::from_str("trusted = [\"10.0.0.0/8\", \"fd00::1\"]").unwrap();
        Proxies::new(section.trusted, true)
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        headers
    }

    fn client(peer: &str, lines: &[(&str, &str)]) -> String {
        let peer = peer.parse().unwrap();
        proxies().client(peer, &headers(lines)).to_string()
    }

    #[test]
    fn the_right_most_untrusted_hop_is_the_client() {
        let xff = "X-Forwarded-For";
        for (peer, lines, expected) in [
            ("10.0.0.1", &[(xff, "192.0.2.1")][..], "192.0.2.1"),
            (
                "10.0.0.1",
                &[(xff, "1.1.1.1, 192.0.2.1, 10.2.3.4")],
                "192.0.2.1",
            ),
            (
                "10.0.0.1",
                &[(xff, "1.1.1.1"), (xff, "192.0.2.1")],
                "192.0.2.1",
            ),
            ("::ffff:10.0.0.1", &[(xff, "192.0.2.1:4711")], "192.0.2.1"),
            ("fd00::1", &[(xff, "[2001:db8::1]:443")], "2001:db8::1"),
            ("10.0.0.1", &[(xff, "10.0.0.9")], "10.0.0.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            // Not from a proxy: the client's own word.
            ("192.0.2.7", &[(xff, "1.1.1.1")], "192.0.2.7"),
            ("10.0.0.1", &[(xff, "1.1.1.1, unknown")], "10.0.0.1"),
            ("10.0.0.1", &[(xff, "1.1.1.1,")], "10.0.0.1"),
            (
                "10.0.0.1",
                &[(
                    "Forwarded",
                    "for=1.1.1.1, For=\"[2001:db8::1]:443\";proto=https",
                )],
                "2001:db8::1",
            ),
            (
                "10.0.0.1",
                &[("Forwarded", "for=1.1.1.1, for=_hidden")],
                "10.0.0.1",
            ),
            (
                "10.0.0.1",
                &[(xff, "192.0.2.1"), ("Forwarded", "for=1.1.1.1")],
                "192.0.2.1",
            ),
        ] {
            assert_eq!(client(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn a_proxy_tells_that_a_client_came_in_clear() {
        for (peer, name, value, expected) in [
            ("10.0.0.1", "X-Forwarded-Proto", "http", true),
            ("10.0.0.1", "X-Forwarded-Proto", "https, HTTP", true),
            ("10.0.0.1", "X-Forwarded-Proto", "https", false),
            ("10.0.0.1", "Forwarded", "for=1.1.1.1;proto=http", true),
            ("10.0.0.1", "Forwarded", "for=1.1.1.1", false),
            ("192.0.2.7", "X-Forwarded-Proto", "http", false),
        ] {
            let found = proxies().came_in_clear(peer.parse().unwrap(), &headers(&[(name, value)]));
            assert_eq!(found, expected, "{peer} {name}: {value}");
        }
        let relaxed = Proxies::new(proxies().trusted, false);
        let clear = headers(&[("X-Forwarded-Proto", "http")]);
        assert!(!relaxed.came_in_clear("10.0.0.1".parse().unwrap(), &clear));
    }
}
