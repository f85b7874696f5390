//! Seeing from outside: one request followed by its id, what is counted, and what is traced.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use locum::sandbox::{Fault, FaultRule};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::app::{TestApp, enter_credential, reqwest_client, set_credential};
use crate::support::commands::clinic;
use crate::support::load::eventually;
use crate::support::otlp::Collector;
use crate::support::process::{end, serve_logged, soon};
use crate::support::program::Program;
use crate::support::scrape::Scrape;
use crate::support::wire::{self, Draft};
use crate::support::{McpClient, Reply};

fn search() -> Value {
    json!({"prefix": "a"})
}

async fn scrape(app: &TestApp) -> Scrape {
    Scrape::of(&format!("http://{}", app.running.admin)).await
}

/// Locum's id of the request that was answered.
fn request_id(reply: &Reply) -> String {
    let id = reply.headers.get("x-request-id").unwrap();
    id.to_str().unwrap().to_owned()
}

/// The lines of a log, each of which is to be one JSON object.
fn lines(log: &str) -> Vec<Value> {
    let object = |line: &str| {
        let value: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value.is_object(), "{line}");
        value
    };
    log.lines().map(object).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_id_leads_from_the_answer_through_the_log_to_the_upstream() {
    let (program, sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (mut server, log) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    // A client's own id is not taken over.
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                      "params": {"name": "search_patients", "arguments": search()}});
    let own = [("x-request-id", "of-the-client")];
    let mut ids = Vec::new();
    for _ in 0..2 {
        let reply = client.post("/mcp", &own, &call).await;
        assert!(reply.is_ok(), "{reply:?}");
        ids.push(request_id(&reply));
    }
    let requests = reqwest_client().get(format!("{}/_sandbox/requests", sandbox.url));
    let seen: Value = requests.send().await.unwrap().json().await.unwrap();
    let seen = seen["requests"].as_array().unwrap();
    let sent: Vec<(&str, &str)> = seen
        .iter()
        .map(|seen| (seen["endpoint"].as_str(), seen["request_id"].as_str()))
        .map(|(endpoint, id)| (endpoint.unwrap(), id.unwrap()))
        .collect();
    // The first call logs in, and its login carries its id.
    let expected = [
        ("login", &*ids[0]),
        ("patient-search", &ids[0]),
        ("patient-search", &ids[1]),
    ];
    assert_eq!(sent, expected);

    assert!(end(&mut server.child, Signal::TERM).await.success());
    let log = lines(&fs::read_to_string(log).unwrap());
    let calls: Vec<_> = log
        .iter()
        .filter(|line| line["message"] == "call")
        .collect();
    assert_eq!(calls.len(), 2, "{log:?}");
    for (line, id) in calls.iter().zip(&ids) {
        assert_eq!(line["request_id"], **id);
        assert_eq!(line["tenant"], "north/dev");
        assert_eq!(line["tool"], "search_patients");
        assert_eq!(line["outcome"], "ok");
        assert_eq!(line["status"], 200);
        assert_eq!(line["level"], "INFO");
        assert!(
            line["timestamp"].is_string() && line["micros"].is_u64(),
            "{line}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrators_login_is_made_for_no_request() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let slug = crate::support::app::org("north");
    let environment = "dev".parse().unwrap();
    let admin = app.admin();
    let report = admin.test_credential(&slug, &environment, "eka-care");
    assert!(report.await.unwrap().ok);
    let seen = &app.sandbox.requests()[0];
    assert_eq!(seen.request_id, None, "{seen:?}");
}

#[tokio::test]
async fn no_profile_defines_the_request_id() {
    let program = Program::empty();
    let built_in = fs::read_to_string("profiles/eka-care.toml").unwrap();
    let mine = program.path("mine.toml");
    for name in ["X-Request-Id", "x-request-id"] {
        let header = format!("[[headers]]\nname = \"{name}\"\nvalue = \"mine\"\n[result]");
        fs::write(&mine, built_in.replacen("[result]", &header, 1)).unwrap();
        let (code, text) = program
            .fails(&["catalog", "check", mine.to_str().unwrap()])
            .await;
        assert_eq!(code, 78, "{text}");
        assert!(text.contains("Locum's own id of the request"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_end_of_a_call_moves_its_counters_and_no_others() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("wrong", &[])
        // Records of calls are counted when they are written, a moment later.
        .config("[limits]\ncall_timeout = \"1s\"\n[audit]\ncalls = \"off\"\n")
        .start()
        .await;
    let wrong = ("client_secret", "wrong-secret");
    let entered = enter_credential(&app.admin(), "wrong", "dev", None, &[wrong]).await;
    entered.unwrap();
    let client = app.client(&["north", "wrong"], &[]).await;
    let north = client.at("north", "dev");
    let mut before = scrape(&app).await;
    let mut moved = async |what: &str| {
        let now = scrape(&app).await;
        let moved = now.counted_since(&before);
        before = now;
        let lines: Vec<_> = moved
            .iter()
            .map(|(name, by)| format!("{name} {by}"))
            .collect();
        format!("{what}: {}", lines.join(" | "))
    };

    assert!(north.call("search_patients", search()).await.is_ok());
    assert_eq!(
        moved("the first call logs in").await,
        "the first call logs in: locum_calls_total{dev,ok,eka-care,search_patients} 1 | \
         locum_logins_total{dev,ok,eka-care} 1 | locum_mcp_requests_total{tools/call} 1 | \
         locum_token_lookups_total{dev,eka-care,miss} 1 | \
         locum_upstream_requests_total{dev,eka-care,2xx} 1"
    );

    let unavailable = Fault::ServerError {
        status: 503,
        retry_after_s: None,
    };
    app.sandbox.add_fault(FaultRule::every(unavailable));
    assert!(north.call("search_patients", search()).await.is_error());
    app.sandbox.clear_faults();
    assert_eq!(
        moved("an upstream error").await,
        "an upstream error: locum_calls_total{dev,upstream_error,eka-care,search_patients} 1 | \
         locum_mcp_requests_total{tools/call} 1 | locum_token_lookups_total{dev,eka-care,hit} 1 | \
         locum_upstream_requests_total{dev,eka-care,5xx} 1"
    );

    assert!(
        north
            .call("search_patients", json!({"prefix": 7}))
            .await
            .is_error()
    );
    assert_eq!(
        moved("arguments that do not fit").await,
        "arguments that do not fit: \
         locum_calls_total{dev,invalid_arguments,eka-care,search_patients} 1 | \
         locum_mcp_requests_total{tools/call} 1"
    );

    let wrong = client.at("wrong", "dev");
    assert!(wrong.call("search_patients", search()).await.is_error());
    assert_eq!(
        moved("a login that is refused").await,
        "a login that is refused: \
         locum_calls_total{dev,credential_refused,eka-care,search_patients} 1 | \
         locum_logins_total{dev,credential_refused,eka-care} 1 | \
         locum_mcp_requests_total{tools/call} 1 | locum_token_lookups_total{dev,eka-care,miss} 1"
    );

    let unnamed = client.call("search_patients", search()).await;
    assert_eq!(unnamed.code(), "tenant_required");
    let stranger = north.with_key("lgk_no");
    let refused = stranger.call("search_patients", search()).await;
    assert_eq!(refused.code(), "unauthenticated");
    assert_eq!(
        moved("refusals").await,
        "refusals: locum_refusals_total{tenant_required} 1 | locum_refusals_total{unauthenticated} 1"
    );

    north.call("no_such_tool", search()).await;
    north.legacy("no/such/method", json!({})).await;
    north.post_bytes("/mcp", &[], b"{".to_vec()).await;
    assert_eq!(
        moved("errors").await,
        "errors: locum_mcp_errors_total{parse_error} 1 | locum_mcp_errors_total{unknown_method} 1 | \
         locum_mcp_errors_total{unknown_tool} 1 | locum_mcp_requests_total{other} 1 | \
         locum_mcp_requests_total{tools/call} 1"
    );

    app.sandbox.add_fault(FaultRule::every(Fault::Hang {}));
    north.call("search_patients", search()).await;
    assert_eq!(
        moved("a call that does not end in time").await,
        "a call that does not end in time: \
         locum_calls_total{dev,aborted,eka-care,search_patients} 1 | \
         locum_mcp_errors_total{call_timeout} 1 | locum_mcp_requests_total{tools/call} 1 | \
         locum_token_lookups_total{dev,eka-care,hit} 1"
    );
    let labels = [
        ("tool", "search_patients"),
        ("provider", "eka-care"),
        ("environment", "dev"),
    ];
    let durations = before.value("locum_call_duration_seconds_count", &labels);
    assert_eq!(durations, 5.0, "of every call of a known tool");
    let site = [("provider", "eka-care"), ("environment", "dev")];
    let durations = before.value("locum_upstream_request_duration_seconds_count", &site);
    assert_eq!(durations, 2.0, "of every request that was answered");
    assert_eq!(before.value("locum_calls_in_flight", &[]), 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_in_the_background_is_counted_as_one() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    assert!(client.call("search_patients", search()).await.is_ok());
    app.clock.advance(Duration::from_secs(1_700));
    assert!(client.call("search_patients", search()).await.is_ok());
    eventually("a refresh", || app.sandbox.stats().refreshes == 1).await;
    let site = [("provider", "eka-care"), ("environment", "dev")];
    let ok = [&site[..], &[("outcome", "ok")]].concat();
    soon("a login counted", async || {
        scrape(&app).await.value("locum_logins_total", &ok) == 2.0
    })
    .await;
    let scrape = scrape(&app).await;
    assert_eq!(scrape.value("locum_token_renewals_total", &site), 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn ages_and_numbers_are_of_the_present_directory() {
    let app = TestApp::builder()
        .org("north", &["dev", "prod"])
        .start()
        .await;
    let client = app.client(&["north"], &["dev"]).await;
    assert!(client.call("search_patients", search()).await.is_ok());
    app.clock.advance(Duration::from_secs(76 * 86_400));
    set_credential(&app.admin(), "north", "prod", "new-secret").await;
    app.settle().await;
    let scrape = scrape(&app).await;
    let site = |environment| [("provider", "eka-care"), ("environment", environment)];
    let oldest =
        |environment| scrape.value("locum_credential_oldest_age_seconds", &site(environment));
    assert_eq!((oldest("dev"), oldest("prod")), (76.0 * 86_400.0, 0.0));
    for (environment, age, number) in [
        ("dev", "60d_to_90d", 1.0),
        ("dev", "under_30d", 0.0),
        ("prod", "under_30d", 1.0),
        ("prod", "over_90d", 0.0),
    ] {
        let labels = [&site(environment)[..], &[("age", age)]].concat();
        assert_eq!(
            scrape.value("locum_credentials", &labels),
            number,
            "{environment} {age}"
        );
    }
    let state = |state| scrape.value("locum_organizations", &[("state", state)]);
    assert_eq!((state("active"), state("suspended")), (1.0, 0.0));
    assert_eq!(scrape.value("locum_gateway_keys", &[]), 1.0);
    assert_eq!(scrape.value("locum_directory_stale", &[]), 0.0);
    assert!(scrape.value("locum_directory_revision", &[]) > 0.0);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(scrape.value("locum_build_info", &version), 1.0);
    // The client keeps its connection, and so does whoever asked for the settled revision.
    let open = |listener| scrape.value("locum_open_connections", &[("listener", listener)]);
    assert!(open("mcp") >= 1.0 && open("admin") >= 1.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_what_profiles_and_the_code_name() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await;
    for tool in ["search_patients", "invented_tool", "'); drop"] {
        client
            .at("north", "dev")
            .call(tool, json!({"prefix": "qanaryarg"}))
            .await;
        client.at("north", "invented").call(tool, search()).await;
        client.at("nowhere", "dev").call(tool, search()).await;
        client.legacy(tool, json!({})).await;
    }
    let scrape = scrape(&app).await;
    let foreign: Vec<_> = ["north", "nowhere", "invent", "drop", "qanary", "lgk"]
        .into_iter()
        .filter(|word| {
            scrape
                .label_values()
                .iter()
                .any(|value| value.contains(word))
        })
        .collect();
    assert_eq!(foreign, Vec::<&str>::new());
    let lines = scrape.text.lines().count();
    assert!(lines < 3_100, "{lines} lines");
}

/// The families in the table of `docs/observability.md`: the kind of each, and its labels.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = include_str!("../../docs/observability.md");
    let rows = page.lines().filter(|line| line.starts_with("| `locum_"));
    let families = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[3].split_whitespace();
        let labels = labels.map(|label| label.trim_matches('`').to_owned());
        let name = cells[1].trim_matches('`').to_owned();
        (name, (cells[2].to_owned(), labels.collect()))
    });
    families.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_lists_the_metrics_that_are_served() {
    let collector = Collector::start().await;
    let config = format!("[traces]\nendpoint = \"{}\"\n", collector.url);
    let app = TestApp::builder().org("north", &["dev"]).config(&config);
    let app = app.start().await;
    soon("what is due is counted", async || {
        scrape(&app).await.text.contains("locum_credentials_due{")
    })
    .await;
    assert_eq!(scrape(&app).await.families(), documented());
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_and_health_answer_known_hosts_only_and_only_on_the_admin_listener() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let admin = format!("http://{}", app.running.admin);
    for path in ["/metrics", "/healthz", "/readyz"] {
        let draft = Draft::request("GET", path, "");
        assert_eq!(wire::exchange(&admin, &draft.bytes()).await.status, 200);
        let foreign = draft.clone().without("Host").with("Host: evil.example");
        let answer = wire::exchange(&admin, &foreign.bytes()).await;
        assert_eq!(answer.json()["code"], "host_forbidden", "{path}");
        assert_eq!(answer.status, 403, "{path}");
        let answer = wire::exchange(&app.url(), &draft.bytes()).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_read_is_not_ready_and_counted_as_stale() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    let admin = format!("http://{}", app.running.admin);
    let status = async |path| {
        let draft = Draft::request("GET", path, "");
        wire::exchange(&admin, &draft.bytes()).await.status
    };
    assert_eq!(status("/readyz").await, 200);
    // What closing does to the store is what a lost disk does: no reading succeeds.
    app.running.app().close().await;
    soon("not ready", async || status("/readyz").await == 503).await;
    assert_eq!(status("/healthz").await, 200);
    let stale = scrape(&app).await.value("locum_directory_stale", &[]);
    assert_eq!(stale, 1.0);
    assert_eq!(client.legacy("ping", json!({})).await.status, 200);
}
