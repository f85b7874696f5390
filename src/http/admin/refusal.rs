//! The one table of refusals: HTTP status, code, text.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, StatusCode};

use crate::admin::{AdminError, ErrorKind};
use crate::http::problem::problem;

/// What the database does not take now it may take after so long: a guess.
const STORE_RETRY: Duration = Duration::from_secs(5);

/// Why a request has no other answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    #[error("an admin token that works is needed: Authorization: Bearer lat_…")]
    Unauthenticated,
    #[error("too many requests without a valid token from this address")]
    RateLimited(Duration),
    #[error("the header {0} occurs more than once")]
    Duplicate(HeaderName),
    #[error("the body is JSON: Content-Type: application/json")]
    ContentType,
    #[error("the body is larger than {0} bytes")]
    BodyTooLarge(usize),
    #[error("the body did not arrive in time")]
    BodyTooSlow,
    #[error("the body did not arrive whole")]
    BodyBroken,
    /// Never with what the body held: that may be a secret.
    #[error("{0}")]
    Body(String),
    #[error("{0}")]
    Query(String),
    #[error("cursor: there is no such page; take the `next` of a former page of this list")]
    NoPage,
    #[error("the header {header} {message}")]
    Header {
        header: &'static str,
        message: &'static str,
    },
    #[error(transparent)]
    Admin(#[from] AdminError),
}

impl Refusal {
    fn row(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated"),
            Self::RateLimited(_) => (StatusCode::TOO_MANY_REQUESTS, "rate_limited"),
            Self::Duplicate(_) => (StatusCode::BAD_REQUEST, "header_duplicate"),
            Self::ContentType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content_type"),
            Self::BodyTooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            Self::BodyTooSlow => (StatusCode::REQUEST_TIMEOUT, "body_timeout"),
            Self::BodyBroken => (StatusCode::BAD_REQUEST, "body_broken"),
            Self::Body(_) => (StatusCode::BAD_REQUEST, "body_invalid"),
            Self::Query(_) => (StatusCode::BAD_REQUEST, "query_invalid"),
            Self::NoPage => (StatusCode::NOT_FOUND, "page_not_found"),
            Self::Header { .. } => (StatusCode::BAD_REQUEST, "header_invalid"),
            Self::Admin(error) => (status(error.kind()), error.code()),
        }
    }

    /// What went wrong inside is for the log: the answer says no more than that it did.
    fn text(&self) -> String {
        match self {
            Self::Admin(error) if error.kind() == ErrorKind::Internal => {
                tracing::error!(%error, "an admin request failed");
                "the gateway failed on this request; its log says why".to_owned()
            }
            refusal => refusal.to_string(),
        }
    }
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Changed => StatusCode::PRECONDITION_FAILED,
        ErrorKind::Upstream => StatusCode::BAD_GATEWAY,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, code) = self.row();
        let mut response = problem(status, code, &self.text());
        let headers = response.headers_mut();
        match self {
            Self::Unauthenticated => {
                let challenge = HeaderValue::from_static("Bearer realm=\"locum-admin\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::RateLimited(wait) => {
                let seconds = wait.as_secs().saturating_add(1);
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            Self::Admin(error) if error.kind() == ErrorKind::Unavailable => {
                headers.insert(RETRY_AFTER, HeaderValue::from(STORE_RETRY.as_secs()));
            }
            _ => {}
        }
        response
    }
}

pub(super) async fn no_such_path() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "not_found",
        "nothing is served at this path; /admin/v1/openapi.json lists what is",
    )
}

/// The router adds `Allow`.
pub(super) async fn no_such_method(method: Method) -> Response {
    problem(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        &format!("{method} is not served at this path; the header Allow lists what is"),
    )
}
