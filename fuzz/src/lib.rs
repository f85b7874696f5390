//! What the targets share: inputs that read as HTTP, and one provider with one call at it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use locum::catalog::Catalog;
use locum::domain::clock::{ManualClock, SharedClock};
use locum::domain::destination::Destinations;
use locum::domain::document::Complaint;
use locum::domain::organization::{OrganizationId, OrganizationSlug};
use locum::domain::principal::{Grant, Principal, Scope, ToolFilter};
use locum::domain::tenant::{Environment, Tenant};
use locum::net::{Net, NetSettings, SystemResolver};
use uuid::Uuid;

/// An input as text: a first line, `Name: value` lines, an empty line, a body. What is no header is
/// passed over.
pub struct Message<'a> {
    pub first: &'a str,
    pub headers: HeaderMap,
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    pub fn read(input: &'a [u8]) -> Self {
        let (head, body) = parts(input, b"\n\n");
        let mut lines = head.split(|byte| *byte == b'\n');
        let first = lines.next().unwrap_or_default();
        Self {
            first: std::str::from_utf8(first).unwrap_or_default(),
            headers: lines.filter_map(header).collect(),
            body,
        }
    }
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let value = line[colon + 1..].trim_ascii_start();
    let name = HeaderName::from_bytes(&line[..colon]).ok()?;
    Some((name, HeaderValue::from_bytes(value).ok()?))
}

/// What is before and after the first `mark`.
pub fn parts<'a>(input: &'a [u8], mark: &[u8]) -> (&'a [u8], &'a [u8]) {
    let at = input.windows(mark.len()).position(|window| window == mark);
    at.map_or((input, &[]), |at| (&input[..at], &input[at + mark.len()..]))
}

/// The only value of a header, where there is exactly one.
pub fn sole<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.as_bytes();
    values.next().is_none().then_some(value)
}

/// Whether bytes are JSON, however deeply nested.
pub fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<&serde_json::value::RawValue>(bytes).is_ok()
}

/// A complaint about `text` leads to the place: file, a line that the text has, words.
pub fn check_complaint(complaint: &Complaint, text: &str) {
    let last = text.matches('\n').count() + 1;
    let line = complaint.line.expect("a line");
    assert!((1..=last).contains(&line), "line {line} of {last}");
    assert!(!complaint.message.is_empty(), "words");
    let column = complaint
        .column
        .map_or_else(String::new, |column| format!(":{column}"));
    let place = format!("{}:{line}{column}: ", complaint.file.display());
    assert!(complaint.to_string().starts_with(&place), "{complaint}");
}

pub const PROFILE: &str = include_str!("../seeds/profiles/acme.toml");

/// The catalog with the one provider `acme`.
pub fn acme() -> Catalog {
    let mut catalog = Catalog::default();
    let (path, anywhere) = (Path::new("acme.toml"), Destinations::default());
    catalog.add(path, PROFILE, &anywhere).expect("a profile");
    catalog
}

pub fn tenant() -> Tenant {
    Tenant {
        organization: OrganizationId(Uuid::from_u128(1)),
        slug: OrganizationSlug::parse("clinic").expect("a slug"),
        environment: Environment::parse("dev").expect("a slug"),
    }
}

/// Somebody who may call every tool for that tenant.
pub fn principal(tenant: &Tenant) -> Principal {
    let filter = ToolFilter {
        tools: Scope::All,
        read_only: false,
    };
    let grant = Grant {
        organization: tenant.organization,
        environments: Arc::new(Scope::All),
        filter: Arc::new(filter),
        ends_at: None,
        revoked: false,
    };
    Principal {
        kind: locum::domain::principal::PrincipalKind::Key,
        id: "fuzz".into(),
        name: "fuzz".into(),
        grants: [grant].into(),
        expires_at: None,
    }
}

pub fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("a time")
}

pub fn clock() -> SharedClock {
    Arc::new(ManualClock::new(now()))
}

/// A client that nothing is sent with.
pub fn net() -> Net {
    static NET: LazyLock<Net> = LazyLock::new(|| {
        locum::app::install_crypto_provider();
        let settings = NetSettings {
            connect_timeout: Duration::from_secs(1),
            request_timeout: Duration::from_secs(1),
            destinations: Destinations::default(),
            proxy: None,
            extra_roots: Vec::new(),
        };
        Net::new(settings, Arc::new(SystemResolver)).expect("a client")
    });
    NET.clone()
}

/// Lines of `NAME=value`.
pub fn variables(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once('='));
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}
