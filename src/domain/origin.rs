//! [`Origin`]: the MCP request that a call, a login or an upstream request is made for.

use std::fmt;
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

use super::span::{ActiveSpan, Attribute, Span, Step};

/// Carries a request's id: back to the client, and to the upstream. It is the one header towards an
/// upstream that no profile has a say in.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that Locum gives a request: in its answer, its log lines, its errors and its upstream
/// requests. Never a client's value. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(HeaderValue);

impl RequestId {
    pub fn new(id: Uuid) -> Self {
        let mut buffer = Uuid::encode_buffer();
        let text = id.simple().encode_lower(&mut buffer);
        HeaderValue::from_str(text).map_or_else(|_| Self::default(), Self)
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Puts the id into the headers of a request or an answer.
    pub fn sign(&self, headers: &mut HeaderMap) {
        headers.insert(REQUEST_ID, self.0.clone());
    }
}

impl Default for RequestId {
    /// Of a request that was never given one.
    fn default() -> Self {
        Self(HeaderValue::from_static(""))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is known of a request wherever something is done for it: its id and, where it is traced,
/// its span. Cheap to clone.
#[derive(Clone)]
pub struct Origin {
    id: RequestId,
    span: Option<Arc<dyn Span>>,
}

impl Origin {
    pub fn new(id: RequestId) -> Self {
        Self { id, span: None }
    }

    /// The same request, traced.
    pub fn traced(&self, span: Arc<dyn Span>) -> Self {
        span.note(Attribute::RequestId(&self.id));
        Self {
            id: self.id.clone(),
            span: Some(span),
        }
    }

    pub fn id(&self) -> &RequestId {
        &self.id
    }

    /// Says something about the request in its span.
    pub fn note(&self, attribute: Attribute<'_>) {
        if let Some(span) = &self.span {
            span.note(attribute);
        }
    }

    /// The request's own span, which ends with what comes back.
    pub fn span(&self) -> ActiveSpan {
        ActiveSpan(self.span.clone())
    }

    /// Begins the span of a step of the request.
    pub fn step(&self, step: Step) -> ActiveSpan {
        ActiveSpan(self.span.as_ref().map(|span| span.step(step)))
    }
}
