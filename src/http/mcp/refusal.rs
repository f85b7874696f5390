//! The one table of refusals: HTTP status, JSON-RPC code, `data.code`, text.

use std::net::IpAddr;
use std::time::Duration;

use axum::body::Body;
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Response, StatusCode};
use rmcp::model::ErrorCode;
use serde_json::value::RawValue;

use super::meters::McpMeters;
use super::reply;
use crate::gateway::Refusal;
use crate::http::hosts::HostRefusal;

/// The values of [`Rejection::code`].
pub(super) const CODES: &[&str] = &[
    "unauthenticated",
    "tenant_required",
    "tenant_invalid",
    "tenant_forbidden",
    "organization_suspended",
    "host_invalid",
    "host_forbidden",
    "origin_forbidden",
    "header_duplicate",
    "method_not_allowed",
    "content_type",
    "body_too_large",
    "body_timeout",
    "body_broken",
    "https_required",
    "rate_limited",
    "too_many_listeners",
];

/// What is said when as many clients listen as may.
pub(super) const LISTENERS: &str =
    "as many streams are open as there may be; ask for the list from time to time instead";

/// Why a request is refused before it is a JSON-RPC request.
#[derive(Debug, Clone)]
pub(super) enum Rejection {
    Gateway(Refusal),
    Host(HostRefusal),
    /// A proxy says that the client came by plain http.
    InClear,
    /// Too many requests without a valid key; how long to wait.
    RateLimited(Duration),
    /// A header that may occur once occurs twice.
    Duplicate(HeaderName),
    /// As many clients listen as may.
    Listeners,
    Method,
    ContentType,
    BodyTooLarge(usize),
    BodyTooSlow,
    BodyBroken,
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Gateway(refusal)
    }
}

impl From<HostRefusal> for Rejection {
    fn from(refusal: HostRefusal) -> Self {
        Self::Host(refusal)
    }
}

impl Rejection {
    fn status(&self) -> StatusCode {
        match self {
            Self::Gateway(Refusal::Unauthenticated) => StatusCode::UNAUTHORIZED,
            Self::Gateway(Refusal::TenantRequired | Refusal::TenantInvalid) => {
                StatusCode::BAD_REQUEST
            }
            Self::Gateway(Refusal::TenantForbidden | Refusal::OrganizationSuspended) => {
                StatusCode::FORBIDDEN
            }
            Self::Host(HostRefusal::Malformed) | Self::Duplicate(_) => StatusCode::BAD_REQUEST,
            Self::Host(HostRefusal::Host | HostRefusal::Origin) | Self::InClear => {
                StatusCode::FORBIDDEN
            }
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Listeners => StatusCode::SERVICE_UNAVAILABLE,
            Self::Method => StatusCode::METHOD_NOT_ALLOWED,
            Self::ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::BodyTooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::BodyTooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::BodyBroken => StatusCode::BAD_REQUEST,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Gateway(refusal) => refusal.code(),
            Self::Host(HostRefusal::Malformed) => "host_invalid",
            Self::Host(HostRefusal::Host) => "host_forbidden",
            Self::Host(HostRefusal::Origin) => "origin_forbidden",
            Self::InClear => "https_required",
            Self::RateLimited(_) => "rate_limited",
            Self::Duplicate(_) => "header_duplicate",
            Self::Listeners => "too_many_listeners",
            Self::Method => "method_not_allowed",
            Self::ContentType => "content_type",
            Self::BodyTooLarge(_) => "body_too_large",
            Self::BodyTooSlow => "body_timeout",
            Self::BodyBroken => "body_broken",
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Gateway(refusal) => refusal.to_string(),
            Self::Host(HostRefusal::Malformed) => "exactly one Host header is needed".to_owned(),
            Self::Host(HostRefusal::Host) => {
                "this Host is not served here; an administrator adds it to server.allowed_hosts"
                    .to_owned()
            }
            Self::Host(HostRefusal::Origin) => {
                "this Origin may not come here; an administrator adds it to server.allowed_origins"
                    .to_owned()
            }
            Self::InClear => "this request came by plain http, and its key with it: use https, \
                              and have the key replaced"
                .to_owned(),
            Self::RateLimited(wait) => format!(
                "too many requests without a valid key from this address; try again in {} s",
                seconds(*wait)
            ),
            Self::Duplicate(name) => format!("the header {name} occurs more than once"),
            Self::Listeners => LISTENERS.to_owned(),
            Self::Method => "POST one JSON-RPC message, or GET a stream of changes with Accept: \
                             text/event-stream (up to revision 2025-11-25); there are no sessions \
                             to DELETE here"
                .to_owned(),
            Self::ContentType => "the body is JSON: Content-Type: application/json".to_owned(),
            Self::BodyTooLarge(limit) => format!("the body is larger than {limit} bytes"),
            Self::BodyTooSlow => "the body did not arrive in time".to_owned(),
            Self::BodyBroken => "the body did not arrive whole".to_owned(),
        }
    }

    pub(super) fn log(&self, request_id: &str, client: IpAddr) {
        tracing::debug!(request_id, %client, code = self.code(), "request refused");
    }

    /// The answer to a refused request, which is counted.
    pub(super) fn respond(
        &self,
        meters: &McpMeters,
        id: Option<&RawValue>,
        request_id: &str,
    ) -> Response<Body> {
        meters.refusals.count(self.code());
        let data = serde_json::json!({"code": self.code(), "request_id": request_id});
        let text = self.text();
        let mut response = reply::error(
            self.status(),
            id,
            ErrorCode::INVALID_REQUEST,
            &text,
            Some(&data),
        );
        let headers = response.headers_mut();
        match self {
            Self::Gateway(Refusal::Unauthenticated) => {
                let challenge = HeaderValue::from_static("Bearer realm=\"locum\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            Self::Method => {
                headers.insert(ALLOW, HeaderValue::from_static("POST, GET"));
            }
            Self::RateLimited(wait) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds(*wait)));
            }
            _ => {}
        }
        response
    }
}

fn seconds(wait: Duration) -> u64 {
    wait.as_millis()
        .div_ceil(1_000)
        .try_into()
        .unwrap_or(u64::MAX)
}
