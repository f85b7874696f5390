//! The edge: HTTP in, HTTP out; knows protocols, no SQL and no secrets.

pub mod admin;
mod bearer;
pub mod cors;
pub mod floods;
pub mod health;
pub mod hosts;
pub mod mcp;
pub mod metrics;
mod problem;
pub mod proxies;
pub mod router;
pub mod server;
pub mod tls;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};

/// A JSON answer.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<axum::body::Body> {
    let mut response = Response::new(axum::body::Body::from(body.into()));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}
