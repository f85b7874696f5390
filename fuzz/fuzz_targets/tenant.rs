//! Path and headers that name tenant and key. What is selected is what every byte says, and no key
//! but the issued one is taken for it. `{key}` in an input stands for a gateway key.

#![no_main]

use std::sync::LazyLock;

use http::{HeaderName, Request};
use libfuzzer_sys::fuzz_target;
use locum::domain::bearer_secret::{IssuedSecret, SecretKind, reveal};
use locum::http::mcp::{McpSettings, fuzzing as mcp};
use locum_fuzz::{Message, parts};

const ORGANIZATION: &str = "x-tenant-id";
const ENVIRONMENT: &str = "x-tenant-env";

static SETTINGS: LazyLock<McpSettings> = LazyLock::new(|| McpSettings {
    organization_header: HeaderName::from_static(ORGANIZATION),
    environment_header: HeaderName::from_static(ENVIRONMENT),
});

static ISSUED: LazyLock<IssuedSecret> =
    LazyLock::new(|| IssuedSecret::from_random(SecretKind::GatewayKey, &[7; 32], &[3; 32]));

fuzz_target!(|data: &[u8]| {
    let (before, after) = parts(data, b"{key}");
    let key = match before.len() == data.len() {
        true => "",
        false => reveal(&ISSUED.secret),
    };
    let input = [before, key.as_bytes(), after].concat();
    let Message { first, headers, .. } = Message::read(&input);
    let Ok(request) = Request::get(first).body(()) else {
        return;
    };
    let (mut request, ()) = request.into_parts();
    request.headers = headers;
    check_selection(&request);
    check_key(&request);
    let once = |name: &&HeaderName| {
        let known = ["authorization", "content-type"].contains(&name.as_str());
        known || name.as_str().starts_with("mcp-")
    };
    let twice = |name| request.headers.get_all(name).iter().count() > 1;
    let expected = request.headers.keys().filter(once).any(twice);
    assert_eq!(mcp::has_duplicates(&request.headers), expected);
});

fn check_selection(request: &http::request::Parts) {
    let path = request.uri.path();
    let values = |name| request.headers.get_all(name).iter().collect::<Vec<_>>();
    let is_named = path.starts_with("/t/")
        || [ORGANIZATION, ENVIRONMENT]
            .iter()
            .any(|name| !values(*name).is_empty());
    let Some(selection) = mcp::selection(request, &SETTINGS) else {
        return assert!(is_named, "nothing was named that could be wrong");
    };
    let organization = selection.organization.as_ref().map(|name| name.as_str());
    let environment = selection.environment.as_ref().map(|name| name.as_str());
    for (header, name) in [(ORGANIZATION, organization), (ENVIRONMENT, environment)] {
        assert!(name.is_none_or(is_slug), "{name:?}");
        match values(header).as_slice() {
            [] => assert!(
                name.is_none() || path.starts_with("/t/"),
                "{name:?} from nowhere"
            ),
            [value] => assert_eq!(Some(value.as_bytes()), name.map(str::as_bytes)),
            _ => panic!("{header} was given twice"),
        }
    }
    if path.starts_with("/t/") {
        let organization = organization.expect("what the path names");
        let whole = environment.map(|name| format!("/t/{organization}/{name}/mcp"));
        assert!(path == format!("/t/{organization}/mcp") || Some(path) == whole.as_deref());
    }
}

fn is_slug(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    (1..=63).contains(&name.len()) && name.chars().all(inner) && name.trim_matches('-') == name
}

fn check_key(request: &http::request::Parts) {
    let presented = mcp::presented_key(&request.headers);
    let issued = reveal(&ISSUED.secret);
    let header = request.headers.get("authorization");
    let header = header
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let is_issued = presented.is_some_and(|key| key.hash().matches(&ISSUED.hash));
    if is_issued {
        let (scheme, key) = header.split_once(' ').expect("a scheme");
        assert!(scheme.eq_ignore_ascii_case("bearer") && key.trim_start_matches(' ') == issued);
    }
    assert!(
        is_issued || header != format!("Bearer {issued}"),
        "a good key was refused"
    );
}
