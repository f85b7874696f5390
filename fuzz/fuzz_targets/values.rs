//! Small texts: `Retry-After`, the parent of a trace, durations and sizes, names, hosts, templates.
//! What is read is what was written, and within its bounds.

#![no_main]

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use locum::domain::address::AddressKind;
use locum::domain::destination::{Destinations, HostName};
use locum::domain::slug::Slug;
use locum::domain::span::ParentContext;
use locum::domain::template::{TextTemplate, Values};
use locum::domain::tool::ToolName;
use locum::domain::units::{parse_duration, parse_size};
use locum::net::retry_after;
use locum::traces::fuzzing as traces;
use url::Url;

const SENT: HeaderValue = HeaderValue::from_static("Fri, 15 Jan 2027 08:00:00 GMT");

fuzz_target!(|data: &[u8]| {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    check_retry_after(text);
    check_parent(text);
    check_units(text);
    check_names(text);
    check_hosts(text);
    check_template(text);
});

fn check_retry_after(text: &str) {
    let Ok(value) = HeaderValue::from_str(text) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert("retry-after", value);
    let without_date = retry_after(&headers);
    headers.insert("date", SENT);
    let wait = retry_after(&headers);
    assert!(wait.is_none_or(|wait| wait.as_secs() <= 86_400), "{wait:?}");
    // A header's space is ASCII; other space makes it no number.
    let digits = text.trim_ascii();
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    assert_eq!(
        without_date.is_some(),
        is_number,
        "a date alone says nothing"
    );
    if is_number {
        let seconds = digits.parse().unwrap_or(u64::MAX).min(86_400);
        assert_eq!(wait.map(|wait| wait.as_secs()), Some(seconds));
    }
}

/// The first line is `traceparent`, the rest `tracestate`.
fn check_parent(text: &str) {
    let (parent, state) = text.split_once('\n').unwrap_or((text, ""));
    let context = ParentContext {
        traceparent: Some(Cow::Borrowed(parent)),
        tracestate: Some(Cow::Borrowed(state)),
    };
    let Some(taken) = traces::parent(&context) else {
        return;
    };
    let (version, rest) = parent.split_once('-').expect("a version");
    assert!(version.len() == 2 && version != "ff", "{version}");
    let ids = format!("{}-{}-", taken.trace, taken.span);
    assert!(rest.starts_with(&ids), "{ids}");
    assert!(
        [&taken.trace, &taken.span]
            .iter()
            .all(|id| id.bytes().any(|byte| byte != b'0'))
    );
    let flags = u8::from_str_radix(&rest[ids.len()..][..2], 16).expect("flags");
    assert_eq!(taken.is_sampled, flags & 1 == 1);
    assert!(taken.state.len() <= 512 && !taken.state.contains(char::is_control));
}

fn check_units(text: &str) {
    if let Ok(duration) = parse_duration(text) {
        let written = format!("{}ms", duration.as_millis());
        assert_eq!(parse_duration(&written), Ok(duration), "{written}");
        assert!(text.trim().ends_with(['s', 'm', 'h', 'd', 'y']), "{text}");
    }
    if let Ok(size) = parse_size(text) {
        assert_eq!(parse_size(&format!("{size} B")), Ok(size));
        assert!(text.trim().ends_with('B'), "{text}");
    }
}

fn check_names(text: &str) {
    if let Ok(slug) = Slug::parse(text) {
        assert_eq!(slug.as_str(), text);
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(text.len() <= 63 && text.chars().all(inner), "{text}");
    }
    if let Ok(name) = ToolName::parse(text) {
        assert_eq!(name.as_str(), text);
        assert!(
            text.len() <= 128 && !text.contains(['/', ' ', '%']),
            "{text}"
        );
    }
}

/// Without a word of the operator's nothing is reached but the public internet and, where a URL says
/// so, this machine.
fn check_hosts(text: &str) {
    if let Ok(host) = HostName::parse(text) {
        assert_eq!(
            HostName::parse(&host.to_string()),
            Ok(host.clone()),
            "{host}"
        );
    }
    let Ok(url) = Url::parse(text) else {
        return;
    };
    if Destinations::default().check_base(&url).is_err() {
        return;
    }
    let host = HostName::of(&url).expect("a host");
    assert!(url.query().is_none() && url.username().is_empty(), "{url}");
    assert!(url.scheme() == "https" || host.is_loopback(), "{url}");
    let kind = host.address().map(AddressKind::of);
    assert!(
        kind.is_none_or(|kind| kind == AddressKind::Public || host.is_loopback()),
        "{url}"
    );
}

/// Each name stands for itself in braces.
struct Braced;

impl Values for Braced {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        Some(Cow::Owned(format!("{{{name}}}")))
    }

    fn write_json(&self, _: &str, _: &mut Vec<u8>) -> bool {
        false
    }
}

fn check_template(text: &str) {
    let escaped = text.replace('{', "{{").replace('}', "}}");
    let literal = TextTemplate::parse(&escaped).expect("no name in it");
    assert_eq!(literal.render(&Braced).as_deref(), Some(text));
    let Ok(template) = TextTemplate::parse(text) else {
        return;
    };
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    assert!(
        template
            .names()
            .all(|name| !name.is_empty() && name.chars().all(inner))
    );
    if !text.contains("{{") && !text.contains("}}") {
        assert_eq!(
            template.render(&Braced).as_deref(),
            Some(text),
            "names in their places"
        );
    }
}
