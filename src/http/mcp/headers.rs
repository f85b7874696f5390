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

/// Headers that two readers could each take another value of.
const SINGLE: [(HeaderName, &str); 6] = [
    (AUTHORIZATION, "Authorization"),
    (PROTOCOL_VERSION, "MCP-Protocol-Version"),
    (MCP_METHOD, "Mcp-Method"),
    (MCP_NAME, "Mcp-Name"),
    (HeaderName::from_static("mcp-session-id"), "Mcp-Session-Id"),
    (CONTENT_TYPE, "Content-Type"),
];

pub(super) fn refuse_duplicates(headers: &HeaderMap) -> Result<(), Rejection> {
    let twice = |name: &HeaderName| headers.get_all(name).iter().nth(1).is_some();
    match SINGLE.iter().find(|(name, _)| twice(name)) {
        Some((_, name)) => Err(Rejection::Duplicate(name)),
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

/// `/t/{organization}/mcp` and `/t/{organization}/{environment}/mcp`.
fn path_names(path: &str) -> (Option<&str>, Option<&str>) {
    let Some(rest) = path.strip_prefix("/t/") else {
        return (None, None);
    };
    let Some(names) = rest.strip_suffix("/mcp") else {
        return (None, None);
    };
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
