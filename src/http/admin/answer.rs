//! Answers that are no refusals.

use axum::response::Response;
use http::header::{CACHE_CONTROL, ETAG, LOCATION};
use http::{HeaderName, HeaderValue, StatusCode};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::Value;

use super::refusal::Refusal;
use crate::domain::bearer_secret::reveal;
use crate::http::json;

const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// What an endpoint answers.
pub(super) type Answer = Result<Response, Refusal>;

pub(super) fn ok(data: &impl Serialize) -> Response {
    with_status(StatusCode::OK, data)
}

/// Something new, and where it is from now on.
pub(super) fn created(location: &str, data: &impl Serialize) -> Response {
    let mut response = with_status(StatusCode::CREATED, data);
    if let Ok(location) = HeaderValue::from_str(&format!("/admin/v1{location}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// What the first of equal requests was answered, without the secret.
pub(super) fn replayed(status: StatusCode, first: &Value) -> Response {
    let mut response = with_status(status, first);
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Data with a secret that is shown this once.
pub(super) fn with_secret(data: &impl Serialize, name: &str, secret: &SecretString) -> Value {
    let mut data = serde_json::to_value(data).unwrap_or_default();
    data[name] = reveal(secret).into();
    data
}

/// With the tag of what it shows, for `If-Match`.
pub(super) fn tagged(tag: &str, mut response: Response) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

fn with_status(status: StatusCode, data: &impl Serialize) -> Response {
    let body = serde_json::to_vec(data).unwrap_or_default();
    let mut response = json(status, body);
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
