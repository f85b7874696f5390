//! What proxies say about a client, and which hosts and origins are answered. The word of a trusted
//! proxy wins over whatever the client wrote, and no name but ours passes. The first line of an
//! input is the address of the connection and the request's URI.

#![no_main]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use libfuzzer_sys::fuzz_target;
use locum::domain::network::Networks;
use locum::http::hosts::HostPolicy;
use locum::http::proxies::Proxies;
use locum_fuzz::{Message, sole};
use url::{Host, Url};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: &str = "mcp.example";
const ORIGIN: &str = "https://app.example";

static TRUSTED: LazyLock<Networks> = LazyLock::new(|| {
    let text = "trusted = [\"10.0.0.0/8\", \"fd00::1\"]";
    let mut table: BTreeMap<String, Networks> = toml::from_str(text).expect("networks");
    table.remove("trusted").expect("networks")
});

static PROXIES: LazyLock<Proxies> = LazyLock::new(|| Proxies::new(TRUSTED.clone(), true));

static HOSTS: LazyLock<HostPolicy> =
    LazyLock::new(|| HostPolicy::new([HOST.to_owned()], [ORIGIN.to_owned()]));

fuzz_target!(|data: &[u8]| {
    let Message { first, headers, .. } = Message::read(data);
    let (peer, uri) = first.split_once(' ').unwrap_or((first, "/mcp"));
    if let Ok(peer) = peer.parse() {
        check_client(peer, &headers);
    }
    if let Ok(uri) = uri.parse() {
        check_hosts(&uri, &headers);
    }
});

fn check_client(peer: IpAddr, headers: &HeaderMap) {
    let client = PROXIES.client(peer, headers);
    assert_eq!(client, client.to_canonical(), "one form of an address");
    if !TRUSTED.contains(peer) {
        assert_eq!(client, peer.to_canonical(), "a stranger speaks for nobody");
        return assert!(!PROXIES.came_in_clear(peer, headers));
    }
    let (nearest, forged) = ("203.0.113.9", "198.51.100.1");
    let added = with(headers, &FORWARDED_FOR, nearest);
    assert_eq!(
        PROXIES.client(peer, &added).to_string(),
        nearest,
        "what the proxy saw"
    );
    if headers.contains_key(FORWARDED_FOR) {
        let mut forgery = HeaderMap::new();
        forgery.append(FORWARDED_FOR, HeaderValue::from_static(forged));
        let lines = headers
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()));
        forgery.extend(lines);
        let believed = PROXIES.client(peer, &forgery);
        let through_proxies = TRUSTED.contains(client) && believed.to_string() == forged;
        assert!(
            believed == client || through_proxies,
            "{believed} instead of {client}"
        );
    }
    for (proto, is_clear) in [("http", true), ("https", false)] {
        let added = with(headers, &FORWARDED_PROTO, proto);
        assert_eq!(PROXIES.came_in_clear(peer, &added), is_clear, "{proto}");
    }
}

fn with(headers: &HeaderMap, name: &HeaderName, value: &'static str) -> HeaderMap {
    let mut headers = headers.clone();
    headers.append(name, HeaderValue::from_static(value));
    headers
}

fn check_hosts(uri: &Uri, headers: &HeaderMap) {
    if HOSTS.check(uri, headers).is_err() {
        return;
    }
    let text = |name| sole(headers, name).map(|value| str::from_utf8(value).expect("a text"));
    let count = |name: &str| headers.get_all(name).iter().count();
    assert!(count("host") <= 1 && count("origin") <= 1);
    let authority = uri.authority().map(|authority| authority.as_str());
    let host = text("host").or(authority).expect("a host");
    let digits = |c: char| c.is_ascii_digit();
    let name = host
        .trim_end_matches(digits)
        .strip_suffix(':')
        .unwrap_or(host);
    let url = Url::parse(&format!("http://{name}/")).expect("a host for browsers too");
    assert!(url.host_str() == Some(HOST) || is_loopback(&url), "{host}");
    assert!(!host.contains('@'), "{host}");
    // Browsers send origins in one form only; what is none comes from no page.
    let origin = text("origin").filter(|origin| !origin.eq_ignore_ascii_case(ORIGIN));
    let Some(Ok(page)) = origin.map(Url::parse) else {
        return;
    };
    if Some(page.origin().ascii_serialization().as_str()) == origin {
        assert!(is_loopback(&page), "{page}");
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
