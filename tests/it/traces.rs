//! Traces: what arrives at a collector, whose child it is, and that calls do not care whether
//! anything arrives at all.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::support::commands::{clinic, free_address};
use crate::support::load::eventually;
use crate::support::otlp::{Collector, attributes};
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::{McpClient, TestApp};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "00f067aa0ba902b7";
const TRACEPARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

async fn traced(collector: &Collector, more: &str) -> (TestApp, McpClient) {
    let config = format!("[traces]\nendpoint = \"{}\"\n{more}", collector.url);
    let app = TestApp::builder().org("north", &["dev"]).config(&config);
    let app = app.start().await;
    let client = app.client(&["north"], &["dev"]).await;
    (app, client)
}

/// A legacy call with this in `_meta`.
async fn call(
    client: &McpClient,
    tool: &str,
    arguments: Value,
    meta: Value,
) -> crate::support::Reply {
    let params = json!({"name": tool, "arguments": arguments, "_meta": meta});
    client.legacy("tools/call", params).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The only span of this name.
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let mut found = spans.iter().filter(|span| span.name == name);
    let span = found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {spans:?}"));
    assert!(found.next().is_none(), "one {name} in {spans:?}");
    span
}

fn failed(span: &Span) -> bool {
    let status = span.status.as_ref();
    status.is_some_and(|status| status.code() == StatusCode::Error)
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    pairs.iter().map(owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_its_login_and_its_upstream_request_are_one_trace_below_the_clients_span() {
    let collector = Collector::start().await;
    let (app, client) = traced(&collector, "service_name = \"clinic\"\n").await;
    let meta =
        json!({"traceparent": TRACEPARENT, "tracestate": "vendor=1", "baggage": "patient=x"});
    let reply = call(&client, "search_patients", json!({"prefix": "a"}), meta).await;
    assert!(reply.is_ok(), "{reply:?}");
    let id = reply.headers["x-request-id"].to_str().unwrap();
    // Ending sends what waits.
    app.running.stop().await.unwrap();
    let spans = collector.spans();
    assert_eq!(spans.len(), 3, "{spans:?}");

    let request = named(&spans, "tools/call");
    assert_eq!(
        (hex(&request.trace_id), hex(&request.parent_span_id)),
        (TRACE.into(), PARENT.into())
    );
    assert_eq!(request.trace_state, "vendor=1");
    assert_eq!(request.kind(), SpanKind::Server);
    let expected = map(&[
        ("locum.request_id", id),
        ("locum.organization", "north"),
        ("locum.environment", "dev"),
        ("locum.provider", "eka-care"),
        ("gen_ai.tool.name", "search_patients"),
        ("locum.outcome", "ok"),
    ]);
    assert_eq!(attributes(&request.attributes), expected);

    let login = named(&spans, "login");
    let expected = map(&[
        ("locum.environment", "dev"),
        ("locum.provider", "eka-care"),
        ("locum.outcome", "ok"),
    ]);
    assert_eq!(attributes(&login.attributes), expected);
    let upstream = named(&spans, "upstream request");
    let expected = map(&[
        ("locum.outcome", "ok"),
        ("http.response.status_code", "200"),
    ]);
    assert_eq!(attributes(&upstream.attributes), expected);
    for step in [login, upstream] {
        assert_eq!(step.parent_span_id, request.span_id);
        assert_eq!(step.trace_id, request.trace_id);
        assert_eq!(step.kind(), SpanKind::Client);
    }
    assert!(
        spans
            .iter()
            .all(|span| !failed(span) && span.events.is_empty() && span.links.is_empty())
    );
    let resource = map(&[
        ("service.name", "clinic"),
        ("service.version", env!("CARGO_PKG_VERSION")),
    ]);
    assert_eq!(collector.resource(), resource);
}

#[tokio::test(flavor = "multi_thread")]
async fn revision_2026_07_28_keeps_a_traces_context_beside_what_it_demands() {
    let collector = Collector::start().await;
    let (app, client) = traced(&collector, "").await;
    let meta = json!({"traceparent": TRACEPARENT, "tracestate": "vendor=1"});
    let arguments = json!({"prefix": "a"});
    let params = json!({"name": "search_patients", "arguments": arguments, "_meta": meta});
    let reply = client.modern("tools/call", params).await;
    assert!(reply.is_ok(), "{reply:?}");
    let reply = client.modern("server/discover", json!({"_meta": meta}));
    assert_eq!(reply.await.status, 200);
    app.running.stop().await.unwrap();
    let spans = collector.spans();
    for name in ["tools/call", "server/discover"] {
        let request = named(&spans, name);
        assert_eq!(hex(&request.trace_id), TRACE, "{name}");
        assert_eq!(hex(&request.parent_span_id), PARENT, "{name}");
        assert_eq!(request.trace_state, "vendor=1", "{name}");
    }
    assert!(spans.iter().all(|span| hex(&span.trace_id) == TRACE));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_trace_context_is_as_if_it_were_not_there() {
    let collector = Collector::start().await;
    let (app, client) = traced(&collector, "").await;
    let metas = [
        json!({}),
        json!({"traceparent": 7}),
        json!({"traceparent": null}),
        json!({"traceparent": "00-zz"}),
        json!({"traceparent": TRACEPARENT.to_uppercase()}),
        json!({"traceparent": TRACEPARENT.replace(PARENT, "0000000000000000")}),
        json!({"tracestate": "vendor=1"}),
        json!({"io.modelcontextprotocol.traceparent": TRACEPARENT}),
    ];
    for meta in &metas {
        let reply = call(
            &client,
            "search_patients",
            json!({"prefix": "a"}),
            meta.clone(),
        )
        .await;
        assert!(reply.is_ok(), "{meta}: {reply:?}");
    }
    app.running.stop().await.unwrap();
    let spans = collector.spans();
    let requests: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "tools/call")
        .collect();
    assert_eq!(requests.len(), metas.len());
    let mut traces: Vec<_> = requests.iter().map(|span| hex(&span.trace_id)).collect();
    assert!(
        requests
            .iter()
            .all(|span| span.parent_span_id.is_empty() && span.trace_state.is_empty())
    );
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), metas.len(), "each a trace of its own");
    assert!(!traces.contains(&TRACE.to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_went_wrong_is_in_the_span_as_a_word() {
    let collector = Collector::start().await;
    let (app, client) = traced(&collector, "").await;
    let search = async |tool, arguments| call(&client, tool, arguments, json!({})).await;
    search("search_patients", json!({"prefix": 7})).await;
    search("invented_tool", json!({"prefix": "a"})).await;
    client.legacy("invented/method", json!({})).await;
    client.legacy("ping", json!({})).await;
    // No message of somebody who may come in: no span.
    client.with_key("lgk_no").legacy("ping", json!({})).await;
    app.running.stop().await.unwrap();
    let told = |span: &Span| {
        let attributes = attributes(&span.attributes);
        let outcome = attributes.get("locum.outcome").cloned().unwrap_or_default();
        (
            span.name.clone(),
            outcome,
            failed(span),
            attributes.contains_key("gen_ai.tool.name"),
        )
    };
    let spans: Vec<_> = collector.spans().iter().map(told).collect();
    let expected = [
        ("tools/call", "invalid_arguments", true, true),
        ("tools/call", "unknown_tool", true, false),
        ("other", "unknown_method", true, false),
        ("ping", "", false, false),
    ];
    let expected =
        expected.map(|(name, word, failed, tool)| (name.to_owned(), word.to_owned(), failed, tool));
    assert_eq!(spans, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_decides_about_its_own_trace_and_the_ratio_about_the_rest() {
    for (ratio, meta, expected) in [
        ("0.0", json!({}), 0),
        ("0.0", json!({"traceparent": TRACEPARENT}), 1),
        (
            "1.0",
            json!({"traceparent": TRACEPARENT.replace("-01", "-00")}),
            0,
        ),
        ("1.0", json!({}), 1),
    ] {
        let collector = Collector::start().await;
        let (app, client) = traced(&collector, &format!("sample_ratio = {ratio}\n")).await;
        client.legacy("ping", json!({"_meta": meta})).await;
        app.running.stop().await.unwrap();
        assert_eq!(collector.spans().len(), expected, "{ratio} {meta}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_a_step_of_the_request_that_caused_it() {
    let collector = Collector::start().await;
    let (app, client) = traced(&collector, "").await;
    let search = async || {
        call(
            &client,
            "search_patients",
            json!({"prefix": "a"}),
            json!({}),
        )
        .await
    };
    assert!(search().await.is_ok());
    app.clock.advance(Duration::from_secs(1_700));
    assert!(search().await.is_ok());
    eventually("a refresh", || app.sandbox.stats().refreshes == 1).await;
    eventually("its span", || collector.spans().len() == 6).await;
    let spans = collector.spans();
    let logins: Vec<_> = spans.iter().filter(|span| span.name == "login").collect();
    let requests: Vec<_> = spans
        .iter()
        .filter(|span| span.name == "tools/call")
        .collect();
    assert_eq!((logins.len(), requests.len()), (2, 2));
    for (login, request) in logins.iter().zip(&requests) {
        assert_eq!(login.parent_span_id, request.span_id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_collector_gets_the_headers_of_the_file() {
    let collector = Collector::start().await;
    let program = Program::init().await;
    program.organization("north", &["dev"]).await;
    let key = program.key(&["north"]).await;
    fs::write(
        program.path("headers"),
        "# the collector's\nAuthorization: Basic synthetic\n",
    )
    .unwrap();
    let section = format!(
        "[traces]\nendpoint = \"{}/\"\nheaders_file = \"headers\"\n",
        collector.url
    );
    program.configure(&section);
    let (mut server, _) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key);
    client.legacy("ping", json!({})).await;
    // Within a second or so, not only at the end.
    eventually("a span", || collector.spans().len() == 1).await;
    client.legacy("ping", json!({})).await;
    assert!(end(&mut server.child, Signal::TERM).await.success());
    assert_eq!(
        collector.spans().len(),
        2,
        "the last ones are sent at the end"
    );
    for delivery in collector.deliveries() {
        assert_eq!(delivery.headers["authorization"], "Basic synthetic");
        assert_eq!(delivery.headers["content-type"], "application/x-protobuf");
    }
    fs::write(program.path("headers"), "no header\n").unwrap();
    let (code, text) = program.fails(&["serve"]).await;
    assert_eq!(code, 78, "{text}");
    assert!(
        text.contains("headers:1: write one header a line"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_not_there_costs_a_line_and_no_call() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    // A place where nobody listens, and one where nobody answers.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hanging = format!("http://{}", silent.local_addr().unwrap());
    let absent = format!("http://{}", free_address());
    for endpoint in [absent, hanging] {
        let variables = [("LOCUM__TRACES__ENDPOINT", endpoint.as_str())];
        let (mut server, log) = serve_logged(&program, &variables).await;
        let client = McpClient::new(&server.url, &key).at("north", "dev");
        // Over several batches.
        for _ in 0..40 {
            let reply = call(
                &client,
                "search_patients",
                json!({"prefix": "a"}),
                json!({}),
            )
            .await;
            assert!(reply.is_ok(), "{reply:?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        // The end waits for the collector for some seconds, and no longer.
        assert!(end(&mut server.child, Signal::TERM).await.success());
        let log = fs::read_to_string(log).unwrap();
        let complaints = log
            .lines()
            .filter(|line| line.contains("collector"))
            .count();
        assert!(
            (1..=2).contains(&complaints),
            "{endpoint}: {complaints} lines"
        );
        assert!(!log.contains(&endpoint), "{endpoint}");
    }
}

#[tokio::test]
async fn mistakes_in_the_section_are_named() {
    let program = Program::init().await;
    for (section, complaint) in [
        (
            "endpoint = \"http://10.0.0.1:4318\"",
            "upstream.allow_http_hosts",
        ),
        (
            "endpoint = \"https://x.example/?key=1\"",
            "no user, query or fragment",
        ),
        ("endpoint = \"grpc://x.example\"", "use https"),
        ("sample_ratio = 1.5", "between 0 and 1"),
        ("sample_ratio = nan", "between 0 and 1"),
        ("service_name = \" \"", "a name is needed"),
        ("headers = \"a\"", "known here: endpoint, headers_file"),
    ] {
        program.configure(&format!("[traces]\n{section}\n"));
        let (code, text) = program.fails(&["serve"]).await;
        assert_eq!(code, 78, "{section}: {text}");
        assert!(
            text.contains("locum.toml:8") && text.contains(complaint),
            "{section}: {text}"
        );
    }
}
