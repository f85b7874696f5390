//! CORS for pages of allowed origins on the MCP listener (Fetch standard, section 3.3): preflights
//! are answered, and answers may be read. Never `*`, and never credentials: a page sends its key
//! itself, a browser adds nothing.

use axum::body::Body;
use axum::extract::Request;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD, HeaderMap, ORIGIN, VARY,
};
use http::{HeaderName, HeaderValue, Method, Response, StatusCode};

use super::hosts::HostPolicy;

const METHODS: HeaderValue = HeaderValue::from_static("POST, GET, DELETE");
const EXPOSED: HeaderValue =
    HeaderValue::from_static("x-request-id, www-authenticate, retry-after, mcp-session-id");
/// Two hours, the most that Chromium keeps a preflight for.
const MAX_AGE: HeaderValue = HeaderValue::from_static("7200");
const VARIES: HeaderValue = HeaderValue::from_static("Origin, Access-Control-Request-Headers");
/// What MCP clients send besides `Mcp-…` and the tenant's headers; the last three are those of a
/// trace (W3C Trace Context, W3C Baggage).
const HEADERS: [&str; 7] = [
    "authorization",
    "content-type",
    "accept",
    "last-event-id",
    "traceparent",
    "tracestate",
    "baggage",
];
const MCP_HEADERS: [&str; 4] = [
    "mcp-protocol-version",
    "mcp-session-id",
    "mcp-method",
    "mcp-name",
];

/// Whose pages may come, and with which headers.
pub struct Cors {
    hosts: HostPolicy,
    headers: String,
}

/// A page that sent a request.
pub(super) struct Page {
    origin: HeaderValue,
    known: bool,
}

impl Cors {
    /// `tenant` are the headers that name a tenant.
    pub fn new(hosts: HostPolicy, tenant: [&HeaderName; 2]) -> Self {
        let tenant = tenant.map(HeaderName::as_str);
        let names: Vec<_> = HEADERS
            .iter()
            .chain(&MCP_HEADERS)
            .chain(&tenant)
            .copied()
            .collect();
        Self {
            hosts,
            headers: names.join(", "),
        }
    }

    /// The page that a request comes from; others come from none, and pass as they are.
    pub(super) fn page(&self, request: &Request) -> Option<Page> {
        let origin = request.headers().get(ORIGIN)?.clone();
        let known = self.hosts.check(request.uri(), request.headers()).is_ok();
        Some(Page { origin, known })
    }

    /// The answer to a preflight of a page that may come. One from elsewhere is refused like every
    /// request from there.
    pub(super) fn preflight(&self, page: &Page, request: &Request) -> Option<Response<Body>> {
        let asks = request.method() == Method::OPTIONS
            && request
                .headers()
                .contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        (page.known && asks).then(|| self.allowance(request))
    }

    fn allowance(&self, request: &Request) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        let mut names = self.headers.clone();
        for name in asked(request.headers()) {
            names.push_str(", ");
            names.push_str(&name);
        }
        if let Ok(names) = HeaderValue::try_from(names) {
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
        }
        response
    }
}

impl Page {
    /// Lets the page read an answer, if it may come.
    pub(super) fn let_read(self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        headers.append(VARY, VARIES);
        if self.known {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Further headers of MCP that a preflight asks for: `Mcp-Param-…` has a name of the tool's own.
fn asked(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let lines = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).into_iter();
    let names = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(','))
        .filter_map(|name| HeaderName::from_bytes(name.trim().as_bytes()).ok());
    names
        .map(|name| name.as_str().to_owned())
        .filter(|name| name.starts_with("mcp-") && !MCP_HEADERS.contains(&name.as_str()))
}
