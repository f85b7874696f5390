//! What both listeners read from a request's headers.

use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap};

use crate::domain::bearer_secret::{FormedKey, PresentedKey, SecretKind};

/// The secret of `Authorization: Bearer …` (RFC 6750, section 2.1), if it is one.
pub(super) fn presented(headers: &HeaderMap, kind: SecretKind) -> Option<PresentedKey<'_>> {
    formed(headers, kind)?.checked()
}

/// The same by its form alone.
pub(super) fn formed(headers: &HeaderMap, kind: SecretKind) -> Option<FormedKey<'_>> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, key) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return None;
    }
    FormedKey::parse(kind, key.trim_start_matches(' '))
}

/// Whether the body is said to be JSON.
pub(super) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let essence = value.split(';').next().unwrap_or("").trim();
    essence.eq_ignore_ascii_case("application/json")
}
