//! What the front door reads from headers and path: key, tenant, and the mirrors of the body.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName};
use http::request::Parts;

use super::McpSettings;
use super::refusal::Rejection;
use crate::gateway::{Refusal, Selection};

pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const MCP_METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(super) const MCP_NAME: HeaderName = HeaderName::from_static("mcp-name");

/// A header that two readers could each take another value of: `Authorization`, `Content-Type` and
/// everything of MCP. `Host` and the tenant's are counted where they are read.
pub(super) fn refuse_duplicates(headers: &HeaderMap) -> Result<(), Rejection> {
    if headers.len() == headers.keys_len() {
        return Ok(());
    }
    let single = |name: &&HeaderName| {
        **name == AUTHORIZATION || **name == CONTENT_TYPE || name.as_str().starts_with("mcp-")
    };
    let twice = |name: &&HeaderName| headers.get_all(*name).iter().nth(1).is_some();
    match headers.keys().filter(single).find(twice) {
        Some(name) => Err(Rejection::Duplicate(name.clone())),
        None => Ok(()),
    }
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

/// A header's text; `Err` when it holds bytes that a header of MCP cannot hold.
pub(super) fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, ()> {
    headers
        .get(name)
        .map(|value| value.to_str().map_err(|_| ()))
        .transpose()
}
