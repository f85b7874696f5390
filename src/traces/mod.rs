//! Traces over OTLP (HTTP, protobuf) to the collector that the operator names.
//!
//! Spans that have ended wait in a bounded queue for a thread of the SDK's own, which hands them to
//! the collector in batches: no call waits for it, and what does not fit is dropped. The SDK would
//! read `OTEL_…` variables; everything that it would read is set here instead.

mod collector;
#[cfg(fuzzing)]
pub mod fuzzing;
mod headers;
mod parent;
mod span;

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use opentelemetry::trace::{SpanKind, TracerProvider};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider, SpanLimits,
};
use url::Url;

use collector::Collector;
pub use headers::{HeadersFileError, read_headers};

use crate::domain::clock::SharedClock;
use crate::domain::meter::Meters;
use crate::domain::span::{ParentContext, Span, Tracer};
use crate::net::Net;

/// Spans that wait beyond this are dropped.
const QUEUE: usize = 2_048;
const BATCH: usize = 512;
/// A batch is sent after this at the latest.
const DELAY: Duration = Duration::from_secs(1);
/// What waits when Locum stops is sent within this.
const FLUSH: Duration = Duration::from_secs(5);

/// Where spans go, and which.
pub struct TraceSettings {
    /// The collector's base: `/v1/traces` is appended.
    pub endpoint: Url,
    pub headers: HeaderMap,
    /// The share of requests that is traced where the client has not decided, from 0 to 1.
    pub sample_ratio: f64,
    pub service_name: String,
}

/// Traces requests until it is stopped.
pub struct Traces {
    provider: SdkTracerProvider,
    tracer: SdkTracer,
    clock: SharedClock,
}

impl Traces {
    /// Starts the exporting thread. The collector is not contacted before the first span.
    pub fn start(settings: TraceSettings, net: Net, clock: SharedClock, meters: &Meters) -> Self {
        let resource = Resource::builder_empty()
            .with_attributes([
                KeyValue::new("service.name", settings.service_name.clone()),
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            ])
            .build();
        let sampler = Sampler::TraceIdRatioBased(settings.sample_ratio);
        let collector = Collector::new(settings, net, clock.clone(), meters);
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(QUEUE)
            .with_max_export_batch_size(BATCH)
            .with_scheduled_delay(DELAY)
            .build();
        let processor = BatchSpanProcessor::builder(collector)
            .with_batch_config(batches)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampler::ParentBased(Box::new(sampler)))
            .with_span_limits(SpanLimits::default())
            .with_span_processor(processor)
            .build();
        let scope = InstrumentationScope::builder("locum").build();
        Self {
            tracer: provider.tracer_with_scope(scope),
            provider,
            clock,
        }
    }

    /// Sends what waits, for a few seconds at most.
    pub async fn stop(&self) {
        let provider = self.provider.clone();
        let shutdown = move || provider.shutdown_with_timeout(FLUSH);
        if let Ok(Err(error)) = tokio::task::spawn_blocking(shutdown).await {
            tracing::warn!(%error, "not all spans reached the collector");
        }
    }
}

impl Tracer for Traces {
    fn request(&self, method: &'static str, parent: &ParentContext<'_>) -> Option<Arc<dyn Span>> {
        let context = parent::context(parent).unwrap_or_default();
        let span = span::begin(
            &self.tracer,
            &self.clock,
            (method, SpanKind::Server),
            &context,
        );
        span.is_recorded().then(|| Arc::new(span) as Arc<dyn Span>)
    }
}
