//! A client's word about its trace, for `fuzz/`: exists with `--cfg fuzzing` only.

use opentelemetry::trace::TraceContextExt;

use super::parent;
use crate::domain::span::ParentContext;

/// What was taken over.
pub struct Parent {
    pub trace: String,
    pub span: String,
    pub is_sampled: bool,
    pub state: String,
}

pub fn parent(parent: &ParentContext<'_>) -> Option<Parent> {
    let context = parent::context(parent)?;
    let span = context.span();
    let taken = span.span_context();
    Some(Parent {
        trace: taken.trace_id().to_string(),
        span: taken.span_id().to_string(),
        is_sampled: taken.is_sampled(),
        state: taken.trace_state().header(),
    })
}
