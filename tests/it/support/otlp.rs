//! A collector of the test's own: takes OTLP over HTTP on loopback and keeps what it was sent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::net::TcpListener;

/// What came in one request.
#[derive(Clone)]
pub struct Delivery {
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// A collector that runs as long as the test does.
pub struct Collector {
    /// `http://ADDRESS`, what `traces.endpoint` is to be.
    pub url: String,
    deliveries: Arc<Mutex<Vec<Delivery>>>,
}

impl Collector {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let deliveries: Arc<Mutex<Vec<Delivery>>> = Arc::default();
        let routes = axum::Router::new()
            .route("/v1/traces", post(take))
            .with_state(deliveries.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, deliveries }
    }

    pub fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.lock().unwrap().clone()
    }

    /// All spans that came, in the order of their arrival.
    pub fn spans(&self) -> Vec<Span> {
        let batches = self
            .deliveries()
            .into_iter()
            .map(|delivery| decoded(&delivery));
        let of_resource = batches.flat_map(|batch| batch.resource_spans);
        let of_scope = of_resource.flat_map(|spans| spans.scope_spans);
        of_scope.flat_map(|spans| spans.spans).collect()
    }

    /// The attributes of the resource that spans came from.
    pub fn resource(&self) -> BTreeMap<String, String> {
        let batch = decoded(&self.deliveries()[0]);
        attributes(
            &batch.resource_spans[0]
                .resource
                .as_ref()
                .unwrap()
                .attributes,
        )
    }
}

async fn take(
    State(deliveries): State<Arc<Mutex<Vec<Delivery>>>>,
    headers: HeaderMap,
    body: Bytes,
) {
    deliveries.lock().unwrap().push(Delivery { headers, body });
}

fn decoded(delivery: &Delivery) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest::decode(delivery.body.clone()).unwrap()
}

/// Attributes as texts, by name.
pub fn attributes(list: &[KeyValue]) -> BTreeMap<String, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    list.iter()
        .map(|pair| (pair.key.clone(), text(pair)))
        .collect()
}
