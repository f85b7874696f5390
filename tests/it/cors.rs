//! Pages in browsers: preflights, and which answers a page may read.

use crate::support::TestApp;
use crate::support::wire::{self, Answer, Draft};

const BODY: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
const PAGE: &str = "https://app.example";

async fn app() -> TestApp {
    TestApp::builder()
        .org("north", &["dev"])
        .config("[tenancy]\nheader = \"X-Clinic\"\n")
        .variable("LOCUM__SERVER__ALLOWED_ORIGINS", &format!("[\"{PAGE}\"]"))
        .start()
        .await
}

fn preflight(path: &str, origin: &str) -> Draft {
    Draft::request("OPTIONS", path, "")
        .without("Content-Type")
        .with(format!("Origin: {origin}"))
        .with("Access-Control-Request-Method: POST")
        .with(
            "Access-Control-Request-Headers: authorization,content-type,mcp-param-clinic_id,x-evil",
        )
}

/// All headers of CORS, and `Vary`.
fn cors(answer: &Answer) -> Vec<&str> {
    let relevant = |line: &&String| line.starts_with("access-control-") || line.starts_with("vary");
    let mut lines: Vec<_> = answer
        .head
        .iter()
        .filter(relevant)
        .map(String::as_str)
        .collect();
    lines.sort_unstable();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_of_an_allowed_page_is_answered() {
    let app = app().await;
    for path in ["/mcp", "/t/north/mcp", "/t/north/dev/mcp"] {
        let answer = wire::exchange(&app.url(), &preflight(path, PAGE).bytes()).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        assert_eq!(answer.body, b"");
        assert_eq!(
            cors(&answer),
            [
                "access-control-allow-headers: authorization, content-type, accept, \
                 last-event-id, traceparent, tracestate, baggage, mcp-protocol-version, \
                 mcp-session-id, mcp-method, mcp-name, x-clinic, x-tenant-env, \
                 mcp-param-clinic_id",
                "access-control-allow-methods: POST, GET, DELETE",
                "access-control-allow-origin: https://app.example",
                "access-control-expose-headers: x-request-id, www-authenticate, retry-after, \
                 mcp-session-id",
                "access-control-max-age: 7200",
                "vary: Origin, Access-Control-Request-Headers",
            ],
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preflight_from_elsewhere_is_refused() {
    let app = app().await;
    let foreign_host = preflight("/mcp", PAGE)
        .without("Host")
        .with("Host: evil.example");
    let cases = [
        ("another origin", preflight("/mcp", "https://evil.example")),
        ("no origin at all", preflight("/mcp", "null")),
        (
            "a longer name",
            preflight("/mcp", "https://app.example.evil"),
        ),
        ("another scheme", preflight("/mcp", "http://app.example")),
        (
            "two",
            preflight("/mcp", PAGE).with("Origin: https://evil.example"),
        ),
        ("another host", foreign_host),
    ];
    for (name, draft) in cases {
        let answer = wire::exchange(&app.url(), &draft.bytes()).await;
        assert_eq!(answer.status, 403, "{name}: {answer:?}");
        assert_eq!(
            cors(&answer),
            ["vary: Origin, Access-Control-Request-Headers"],
            "{name}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allowed_page_reads_answers_and_refusals() {
    let app = app().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let post = |path: &str| Draft::post(path, BODY).with(format!("Origin: {PAGE}"));
    let served = post("/mcp").with(format!("Authorization: Bearer {key}"));
    let cases = [
        (200, served.clone()),
        (401, post("/mcp")),
        (
            400,
            served
                .clone()
                .with("X-Clinic: north")
                .with("X-Clinic: north"),
        ),
        (403, served.with("X-Clinic: south")),
        (404, post("/nowhere")),
    ];
    for (status, draft) in cases {
        let answer = wire::exchange(&app.url(), &draft.bytes()).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert_eq!(answer.header("access-control-allow-origin"), Some(PAGE));
        assert!(answer.header("access-control-expose-headers").is_some());
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_gets_a_header_of_cors() {
    let app = app().await;
    let foreign = Draft::post("/mcp", BODY).with("Origin: https://evil.example");
    let answer = wire::exchange(&app.url(), &foreign.bytes()).await;
    assert_eq!(answer.status, 403);
    assert_eq!(
        cors(&answer),
        ["vary: Origin, Access-Control-Request-Headers"]
    );
    let no_page = wire::exchange(&app.url(), &Draft::post("/mcp", BODY).bytes()).await;
    assert_eq!(cors(&no_page), Vec::<&str>::new());

    let admin = format!("http://{}", app.running.admin);
    let health = Draft::request("GET", "/healthz", "").with(format!("Origin: {PAGE}"));
    let answer = wire::exchange(&admin, &health.bytes()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(cors(&answer), Vec::<&str>::new());
    let answer = wire::exchange(&admin, &preflight("/healthz", PAGE).bytes()).await;
    assert_eq!(answer.status, 405, "{answer:?}");
    assert_eq!(cors(&answer), Vec::<&str>::new());
}
