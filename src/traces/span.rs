//! Spans of the OpenTelemetry SDK behind the domain's trait.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::SystemTime;

use opentelemetry::trace::{SpanBuilder, SpanKind, Status, TraceContextExt, Tracer};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

use crate::domain::clock::SharedClock;
use crate::domain::span::{Attribute, Span, Step};

pub(super) struct OtelSpan {
    context: Context,
    tracer: SdkTracer,
    clock: SharedClock,
}

/// Begins a span of this name and kind within what the context says.
pub(super) fn begin(
    tracer: &SdkTracer,
    clock: &SharedClock,
    (name, kind): (&'static str, SpanKind),
    parent: &Context,
) -> OtelSpan {
    let builder = SpanBuilder::from_name(name)
        .with_kind(kind)
        .with_start_time(SystemTime::from(clock.now()));
    let span = tracer.build_with_context(builder, parent);
    OtelSpan {
        context: parent.with_span(span),
        tracer: tracer.clone(),
        clock: clock.clone(),
    }
}

impl OtelSpan {
    pub(super) fn is_recorded(&self) -> bool {
        self.context.span().is_recording()
    }
}

impl Span for OtelSpan {
    fn step(&self, step: Step) -> Arc<dyn Span> {
        let kind = match step {
            Step::Login => ("login", SpanKind::Client),
            Step::UpstreamRequest => ("upstream request", SpanKind::Client),
            Step::ToolStep => ("tool step", SpanKind::Internal),
        };
        Arc::new(begin(&self.tracer, &self.clock, kind, &self.context))
    }

    fn note(&self, attribute: Attribute<'_>) {
        let span = self.context.span();
        let text = |key, value: &str| span.set_attribute(KeyValue::new(key, value.to_owned()));
        match attribute {
            Attribute::RequestId(id) => text("locum.request_id", id.as_str()),
            Attribute::Organization(slug) => text("locum.organization", slug.as_str()),
            Attribute::Environment(name) => text("locum.environment", name.as_str()),
            Attribute::Provider(name) => text("locum.provider", name.as_str()),
            Attribute::Tool(name) => text("gen_ai.tool.name", name.as_str()),
            Attribute::ToolStep(name) => text("locum.step", name),
            Attribute::Outcome(word) => {
                text("locum.outcome", word);
                if !matches!(word, "ok" | "repeated") {
                    let description = Cow::Borrowed(word);
                    span.set_status(Status::Error { description });
                }
            }
            Attribute::Status(status) => {
                let status = i64::from(status);
                span.set_attribute(KeyValue::new("http.response.status_code", status));
            }
        }
    }

    fn end(&self) {
        let now = SystemTime::from(self.clock.now());
        self.context.span().end_with_timestamp(now);
    }
}
