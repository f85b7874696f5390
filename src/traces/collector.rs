//! The way to the collector: one batch of spans, one request (OTLP 1.9, "OTLP/HTTP").
//!
//! A batch that does not arrive is lost. That is said in the log at its beginning and then once a
//! minute, and counted.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use http::header::{CONTENT_TYPE, HeaderMap};
use http::{HeaderValue, Method};
use jiff::{SignedDuration, Timestamp};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_proto::transform::trace::tonic::group_spans_by_resource_and_scope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use prost::Message;
use tokio::runtime::Handle;
use url::Url;

use super::TraceSettings;
use crate::domain::clock::SharedClock;
use crate::domain::meter::{Counter, Meters};
use crate::net::Net;

const PATH: &str = "/v1/traces";
/// Answers are small, and nothing in them is needed.
const MAX_ANSWER: usize = 64 * 1024;
const REPEAT: SignedDuration = SignedDuration::from_mins(1);

/// Sends batches of spans.
pub(super) struct Collector {
    net: Net,
    /// The SDK's thread is none of the runtime's.
    runtime: Handle,
    url: Url,
    headers: HeaderMap,
    resource: ResourceAttributesWithSchema,
    clock: SharedClock,
    sent: Counter,
    lost: Counter,
    trouble: Mutex<Trouble>,
}

/// What was lost since the collector last took something, and when that was last said.
#[derive(Default)]
struct Trouble {
    lost: usize,
    said: Option<Timestamp>,
}

impl Collector {
    pub(super) fn new(
        settings: TraceSettings,
        net: Net,
        clock: SharedClock,
        meters: &Meters,
    ) -> Self {
        let spans = |result| {
            let help = "Spans handed to the collector, by whether it took them";
            meters.counter("locum_trace_spans_total", help, &[("result", result)])
        };
        let mut headers = settings.headers;
        let protobuf = HeaderValue::from_static("application/x-protobuf");
        headers.insert(CONTENT_TYPE, protobuf);
        let mut url = settings.endpoint;
        url.set_path(&format!("{}{PATH}", url.path().trim_end_matches('/')));
        Self {
            net,
            runtime: Handle::current(),
            url,
            headers,
            resource: ResourceAttributesWithSchema::default(),
            clock,
            sent: spans("sent"),
            lost: spans("lost"),
            trouble: Mutex::default(),
        }
    }

    async fn send(&self, batch: Vec<SpanData>) -> Result<(), String> {
        let resource_spans = group_spans_by_resource_and_scope(batch, &self.resource);
        let body = ExportTraceServiceRequest { resource_spans }.encode_to_vec();
        let mut request = reqwest::Request::new(Method::POST, self.url.clone());
        request.headers_mut().extend(self.headers.clone());
        *request.body_mut() = Some(body.into());
        let net = self.net.clone();
        let sending = async move { net.send(request, MAX_ANSWER).await };
        match self.runtime.spawn(sending).await {
            Ok(Ok(answer)) if answer.status.is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("it answered HTTP {}", answer.status.as_u16())),
            Ok(Err(failure)) => Err(failure.to_string()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn took(&self, spans: usize) {
        self.sent.add(spans as u64);
        let trouble = std::mem::take(&mut *self.lock());
        if trouble.lost > 0 {
            let lost = trouble.lost;
            tracing::info!(lost, "the trace collector takes spans again");
        }
    }

    fn lost(&self, spans: usize, reason: &str) {
        self.lost.add(spans as u64);
        let now = self.clock.now();
        let mut trouble = self.lock();
        trouble.lost += spans;
        let due = |said: Timestamp| now.duration_since(said) >= REPEAT;
        if trouble.said.is_none_or(due) {
            trouble.said = Some(now);
            let lost = trouble.lost;
            tracing::warn!(lost, reason, "the trace collector did not take spans");
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SpanExporter for Collector {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = batch.len();
        match self.send(batch).await {
            Ok(()) => {
                self.took(spans);
                Ok(())
            }
            Err(reason) => {
                self.lost(spans, &reason);
                Err(OTelSdkError::InternalFailure(reason))
            }
        }
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.resource = resource.into();
    }
}

/// Without the headers, which may hold a secret.
impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Collector")
    }
}
