//! Spans: what a request and its steps leave in a trace, for whoever collects traces.
//!
//! What a span can say is a closed list of types: there is no way to put an argument, a result, a
//! URL or a header into one.

use std::borrow::Cow;
use std::sync::Arc;

use super::organization::OrganizationSlug;
use super::origin::RequestId;
use super::provider::ProviderName;
use super::tenant::Environment;
use super::tool::ToolName;

/// Begins the span of a request.
pub trait Tracer: Send + Sync + 'static {
    /// `None` when this request is not to be traced.
    fn request(&self, method: &'static str, parent: &ParentContext<'_>) -> Option<Arc<dyn Span>>;
}

/// Where a client says that its request belongs (W3C Trace Context), as it came and unchecked.
#[derive(Debug, Default)]
pub struct ParentContext<'a> {
    pub traceparent: Option<Cow<'a, str>>,
    pub tracestate: Option<Cow<'a, str>>,
}

/// A span that has begun.
pub trait Span: Send + Sync + 'static {
    /// Begins the span of a step within this one.
    fn step(&self, step: Step) -> Arc<dyn Span>;

    fn note(&self, attribute: Attribute<'_>);

    /// The first end counts.
    fn end(&self);
}

/// What takes time within a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Login,
    UpstreamRequest,
    /// A step of a tool that has several.
    ToolStep,
}

/// All that a span may say.
#[derive(Debug, Clone, Copy)]
pub enum Attribute<'a> {
    RequestId(&'a RequestId),
    Organization(&'a OrganizationSlug),
    Environment(&'a Environment),
    Provider(&'a ProviderName),
    Tool(&'a ToolName),
    /// A step as the profile names it.
    ToolStep(&'a str),
    /// `ok`, or a stable word for what went wrong: then the span counts as failed.
    Outcome(&'static str),
    /// The status that an upstream answered.
    Status(u16),
}

/// Ends a span when it is dropped; holds none where nothing is traced.
#[must_use = "the span ends when this is dropped"]
pub struct ActiveSpan(pub(super) Option<Arc<dyn Span>>);

impl ActiveSpan {
    pub fn note(&self, attribute: Attribute<'_>) {
        if let Some(span) = &self.0 {
            span.note(attribute);
        }
    }
}

impl Drop for ActiveSpan {
    fn drop(&mut self) {
        if let Some(span) = &self.0 {
            span.end();
        }
    }
}
