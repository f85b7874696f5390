//! Which revision a request speaks, and whether headers and body agree about it.
//!
//! Modern requests (2026-07-28 and later) carry their version and the client's capabilities in
//! `params._meta` and mirror method and name in headers. Older ones negotiate with `initialize`;
//! a request without a version is taken for 2025-03-26 (2025-11-25, transports).

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderMap;
use rmcp::model::{ErrorCode, ProtocolVersion};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::envelope::Envelope;
use super::headers::{self, MCP_METHOD, MCP_NAME, PROTOCOL_VERSION};

/// How a client is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// `initialize` and optional sessions: up to 2025-11-25.
    Legacy,
    /// Stateless: 2026-07-28.
    Modern,
}

/// Headers and body that do not fit together.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EraError {
    pub code: ErrorCode,
    pub message: String,
    pub unsupported: Option<String>,
}

impl EraError {
    /// A stable word, for metrics.
    pub(super) fn kind(&self) -> &'static str {
        match self.code {
            ErrorCode::HEADER_MISMATCH => "header_mismatch",
            ErrorCode::UNSUPPORTED_PROTOCOL_VERSION => "unsupported_version",
            _ => "invalid_params",
        }
    }
}

/// The revisions that are served, oldest first.
pub(super) fn supported() -> impl Iterator<Item = &'static ProtocolVersion> {
    ProtocolVersion::KNOWN_VERSIONS
        .iter()
        .filter(|version| version.as_str() >= ProtocolVersion::V_2025_03_26.as_str())
}

/// What of `params` concerns every method.
#[derive(Default, Deserialize)]
struct Common<'a> {
    #[serde(borrow, default)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "_meta", deserialize_with = "meta")]
    meta: Option<Meta<'a>>,
}

#[derive(Default, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default, rename = "io.modelcontextprotocol/protocolVersion")]
    version: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "io.modelcontextprotocol/clientCapabilities")]
    capabilities: Option<&'a RawValue>,
}

pub(super) fn of(headers: &HeaderMap, envelope: &Envelope<'_>) -> Result<Era, EraError> {
    let common = common(envelope)?;
    let header = header_text(headers, &PROTOCOL_VERSION, "MCP-Protocol-Version")?;
    let meta = common.meta.unwrap_or_default();
    let modern = ProtocolVersion::V_2026_07_28;
    let is_modern = meta.version.is_some()
        || header.is_some_and(|version| version >= modern.as_str())
        || envelope.method == "server/discover";
    // The handshake opens a legacy conversation, whatever headers a client tried before. Only `_meta`
    // makes it a modern request, for a method that is not there (2026-07-28, versioning).
    let is_handshake =
        envelope.method == "initialize" && meta.version.as_deref() < Some(modern.as_str());
    if is_handshake || !is_modern {
        if let Some(version) = header.filter(|_| !is_handshake) {
            check_supported(version)?;
        }
        check_mirrors(headers, envelope, common.name.as_deref(), false)?;
        return Ok(Era::Legacy);
    }
    let (Some(version), Some(_)) = (&meta.version, meta.capabilities) else {
        return Err(invalid_params(
            "params._meta needs io.modelcontextprotocol/protocolVersion and \
             io.modelcontextprotocol/clientCapabilities",
        ));
    };
    match header {
        Some(header) if header == version => {}
        Some(_) => return Err(mismatch("MCP-Protocol-Version and params._meta disagree")),
        None => return Err(mismatch("the MCP-Protocol-Version header is missing")),
    }
    check_supported(version)?;
    let required = version.as_ref() >= modern.as_str();
    check_mirrors(headers, envelope, common.name.as_deref(), required)?;
    Ok(if required { Era::Modern } else { Era::Legacy })
}

fn common<'a>(envelope: &Envelope<'a>) -> Result<Common<'a>, EraError> {
    match envelope.params {
        None => Ok(Common::default()),
        Some(params) => object(params)
            .ok_or_else(|| invalid_params("`params` is no object of the form that MCP describes")),
    }
}

fn meta<'de: 'a, 'a, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Meta<'a>>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    match raw.get() {
        "null" => Ok(None),
        _ => object(raw)
            .map(Some)
            .ok_or_else(|| D::Error::custom("`_meta` is to be an object")),
    }
}

/// Reads an object. serde would take an array too, as the members in order.
fn object<'a, T: Deserialize<'a>>(raw: &'a RawValue) -> Option<T> {
    let is_object = raw.get().starts_with('{');
    is_object.then(|| serde_json::from_str(raw.get()).ok())?
}

fn header_text<'a>(
    map: &'a HeaderMap,
    name: &http::HeaderName,
    shown: &str,
) -> Result<Option<&'a str>, EraError> {
    headers::text(map, name)
        .map_err(|()| mismatch(&format!("{shown} has characters that a header cannot have")))
}

/// `Mcp-Method` and `Mcp-Name` against the body: what an intermediary routed on is what is done.
fn check_mirrors(
    headers: &HeaderMap,
    envelope: &Envelope<'_>,
    name: Option<&str>,
    required: bool,
) -> Result<(), EraError> {
    let required = required && envelope.id.is_some();
    match header_text(headers, &MCP_METHOD, "Mcp-Method")? {
        Some(method) if method == envelope.method => {}
        Some(_) => return Err(mismatch("Mcp-Method and the body's method disagree")),
        None if required => return Err(mismatch("the Mcp-Method header is missing")),
        None => {}
    }
    if envelope.method != "tools/call" {
        return Ok(());
    }
    let header = header_text(headers, &MCP_NAME, "Mcp-Name")?.map(decoded);
    match (header, name) {
        (Some(None), _) => Err(mismatch("Mcp-Name is not valid Base64")),
        (Some(Some(header)), Some(name)) if header == name => Ok(()),
        (Some(Some(_)), _) => Err(mismatch("Mcp-Name and the body's params.name disagree")),
        (None, Some(_)) if required => Err(mismatch("the Mcp-Name header is missing")),
        (None, _) => Ok(()),
    }
}

/// A value as it was before it was made fit for a header (`=?base64?…?=`).
fn decoded(value: &str) -> Option<Cow<'_, str>> {
    let inner = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="));
    match inner {
        None => Some(Cow::Borrowed(value)),
        Some(inner) => {
            let bytes = STANDARD.decode(inner).ok()?;
            String::from_utf8(bytes).ok().map(Cow::Owned)
        }
    }
}

fn check_supported(version: &str) -> Result<(), EraError> {
    if supported().any(|known| known.as_str() == version) {
        return Ok(());
    }
    Err(EraError {
        code: ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
        message: "Unsupported protocol version".to_owned(),
        unsupported: Some(version.chars().take(64).collect()),
    })
}

fn mismatch(message: &str) -> EraError {
    EraError {
        code: ErrorCode::HEADER_MISMATCH,
        message: format!("Header mismatch: {message}"),
        unsupported: None,
    }
}

fn invalid_params(message: &str) -> EraError {
    EraError {
        code: ErrorCode::INVALID_PARAMS,
        message: message.to_owned(),
        unsupported: None,
    }
}
