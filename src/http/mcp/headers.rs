//! What the front door reads from headers and path: key, tenant, and the mirrors of the body.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use http::request::Parts;

use super::McpSettings;
use super::refusal::Rejection;
use crate::domain::bearer_secret::{PresentedKey, SecretKind};
use crate::gateway::{Refusal, Selection};

pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(super) const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// A header that two readers could each take another value of: `Authorization`, `Content-Type` and
/// everything of MCP. `Host` and the tenant's are counted where they are read.
pub(super) fn refuse_duplicates(headers: &HeaderMap) -> Result<(), Rejection> {
    let single = |name: &&HeaderName| {
        **name == AUTHORIZATION || **name == CONTENT_TYPE || name.as_str().starts_with("mcp-")
    };
    let twice = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
    match headers.keys().filter(single).find(twice) {
        Some(name) => Err(Rejection::Duplicate(name.clone())),
        None => Ok(()),
    }
}

/// The gateway key of `Authorization: Bearer …` (RFC 6750, section 2.1), if it is formed like one.
pub(super) fn presented_key(headers: &HeaderMap) -> Option<PresentedKey> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    PresentedKey::parse(SecretKind::GatewayKey, key.trim_start_matches(' '))
}

/// What path and headers name, as raw bytes: nothing is decoded or trimmed.
pub(super) fn selection(parts: &Parts, settings: &McpSettings) -> Result<Selection, Refusal> {
    let named = |name: &HeaderName| {
        parts
            .headers
            .get_all(name)
            .iter()
            .map(http::HeaderValue::as_bytes)
    };
    let (organization, environment) = path_names(parts.uri.path());
    Selection::read(
        (organization, named(&settings.organization_header)),
        (environment, named(&settings.environment_header)),
    )
    .map_err(|_| Refusal::TenantInvalid)
}

/// `/t/{organization}/mcp` and `/t/{organization}/{environment}/mcp`. Other paths below `/t/` name
/// something that is no slug.
fn path_names(path: &str) -> (Option<&str>, Option<&str>) {
    let Some(rest) = path.strip_prefix("/t/") else {
        return (None, None);
    };
    let names = rest.strip_suffix("/mcp").unwrap_or("");
    match names.split_once('/') {
        Some((organization, environment)) => (Some(organization), Some(environment)),
        None => (Some(names), None),
    }
}

pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// A header's text; `Err` when it holds bytes that a header of MCP cannot hold.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    headers
        .get(name)
        .map(|value| value.to_str().map_err(|_| ()))
        .transpose()
}
