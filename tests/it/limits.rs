//! Limits: what a tenant may ask of its upstreams, who waits for whom, and what an upstream that
//! asks to wait gets.

use std::os::unix::process::ExitStatusExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use locum::domain::clock::SystemClock;
use locum::sandbox::{Endpoint, Fault, FaultRule, Sandbox, Settings};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::set_credential;
use crate::support::client::{McpClient, Reply};
use crate::support::commands::{clinic, words};
use crate::support::load::spread;
use crate::support::process::{end, serve_logged, soon, within};

/// The day's count is written every five seconds, which a busy machine may be late with.
const WRITTEN: Duration = Duration::from_secs(30);

async fn ask(client: &McpClient) -> Reply {
    let arguments = json!({"clinic_id": "C2001"});
    client.call("get_clinic_details_basic", arguments).await
}

/// The code of a call's error; nothing when it succeeded.
fn code(reply: &Reply) -> &str {
    reply.failure()["error_code"].as_str().unwrap_or_default()
}

/// Requests that [`ask`] led to, logins aside.
fn requests(sandbox: &Sandbox) -> usize {
    let seen = sandbox.requests();
    let api = seen.iter().filter(|seen| seen.endpoint == Endpoint::Clinic);
    api.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minute_has_no_more_requests_than_the_limit() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .config("[limits]\ntenant_per_minute = 3\n")
        .start()
        .await;
    let client = app.client(&["north", "south"], &[]).await;
    let north = client.at("north", "dev");
    let answers = spread(20, 20, {
        let north = north.clone();
        move |_| {
            let north = north.clone();
            async move { ask(&north).await }
        }
    })
    .await;
    assert_eq!(answers.iter().filter(|reply| reply.is_ok()).count(), 3);
    assert_eq!(requests(&app.sandbox), 3);
    let refused = answers.iter().find(|reply| !reply.is_ok()).unwrap();
    let mut failure = refused.failure().clone();
    assert!(failure["request_id"].take().is_string());
    insta::assert_json_snapshot!(failure, @r#"
    {
      "message": "The limit of 3 upstream requests a minute for organization `north` in environment `dev` is used up. Retry after 60 seconds.",
      "status_code": null,
      "error_code": "limited_per_minute",
      "retry_after": 60,
      "request_id": null
    }
    "#);
    assert!(
        ask(&client.at("south", "dev")).await.is_ok(),
        "south has its own limit"
    );
    app.clock.advance(Duration::from_secs(59));
    assert_eq!(ask(&north).await.failure()["retry_after"], 1);
    app.clock.advance(Duration::from_secs(1));
    assert!(ask(&north).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_count_outlives_the_process_and_limits_change_while_it_serves() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let set = async |limit: &str| {
        let set = words("org set north --env dev --per-day", &[limit]);
        program.json(&set).await
    };
    assert_eq!(set("2").await["limits"][0]["per_day"], 2);
    for expected in ["", "limited_per_day"] {
        let (mut server, log) = serve_logged(&program, &[]).await;
        let north = McpClient::new(&server.url, &key);
        for _ in 0..2 {
            assert_eq!(code(&ask(&north).await), expected);
        }
        assert_eq!(code(&ask(&north).await), "limited_per_day");
        assert!(end(&mut server.child, Signal::TERM).await.success());
        let log = std::fs::read_to_string(log).unwrap();
        assert!(log.contains("limited_per_day"), "{log}");
    }
    let (server, _) = serve_logged(&program, &[]).await;
    let north = McpClient::new(&server.url, &key);
    assert_eq!(code(&ask(&north).await), "limited_per_day");
    set("off").await;
    soon("no limit", async || code(&ask(&north).await).is_empty()).await;
    set("3").await;
    soon("a limit", async || {
        code(&ask(&north).await) == "limited_per_day"
    })
    .await;
    let shown = program.json(&["org", "show", "north"]).await;
    insta::assert_json_snapshot!(shown["limits"], @r#"
    [
      {
        "environment": "dev",
        "per_minute": "default",
        "per_day": 3,
        "concurrency": "default"
      }
    ]
    "#);
    assert_eq!(set("default").await["limits"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_days_count_that_was_written_down_outlives_kill_9() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    program
        .ok(&words("org set north --env dev --per-day 3", &[]))
        .await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let north = McpClient::new(&server.url, &key);
    for _ in 0..2 {
        assert_eq!(code(&ask(&north).await), "");
    }
    within(WRITTEN, "two requests that are written down", async || {
        let usage = program.json(&["usage"]).await;
        usage["items"][0]["requests"] == 2
    })
    .await;
    let ended = end(&mut server.child, Signal::KILL).await;
    assert_eq!(ended.signal(), Some(Signal::KILL.as_raw()));
    let (server, _) = serve_logged(&program, &[]).await;
    let north = McpClient::new(&server.url, &key);
    for expected in ["", "limited_per_day"] {
        assert_eq!(code(&ask(&north).await), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_cannot_be_are_refused() {
    let (program, _sandbox) = clinic().await;
    let cases = [
        (2, "org set north", "required"),
        (2, "org set north --per-day 5", "--env"),
        (2, "org set north --env dev", "--per-minute"),
        (
            2,
            "org set north --env dev --per-day 0",
            "from 1 to 1000000",
        ),
        (
            1,
            "org set north --env live --per-day 5",
            "no provider has an environment `live`",
        ),
        (
            1,
            "org set nort --env dev --per-day 5",
            "did you mean `north`?",
        ),
    ];
    for (exit, command, said) in cases {
        let (code, text) = program.fails(&words(command, &[])).await;
        assert_eq!(code, exit, "{command}: {text}");
        assert!(text.contains(said), "{command}: {text}");
    }
    program.configure("[limits]\ntenant_per_day = 0\n");
    let (code, text) = program.fails(&["check"]).await;
    assert_eq!(code, 78);
    assert!(
        text.contains("locum.toml:8: limits.tenant_per_day: from 1"),
        "{text}"
    );
}

/// A sandbox whose API answers after 30 ms, and what it saw: how many at once, and whose.
struct Busy {
    url: String,
    most: Arc<AtomicUsize>,
    order: Arc<Mutex<Vec<String>>>,
}

async fn busy_upstream() -> Busy {
    let most = Arc::new(AtomicUsize::new(0));
    let order = Arc::new(Mutex::new(Vec::new()));
    let now = Arc::new(AtomicUsize::new(0));
    let (seen, arrived) = (most.clone(), order.clone());
    let slow = from_fn(move |request: Request, next: Next| {
        let (now, seen, arrived) = (now.clone(), seen.clone(), arrived.clone());
        async move {
            if request.uri().path().contains("auth") {
                return next.run(request).await;
            }
            let uri = request.uri().to_string();
            arrived.lock().unwrap().push(uri);
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(30)).await;
            let answer = next.run(request).await;
            now.fetch_sub(1, Ordering::SeqCst);
            answer
        }
    });
    let sandbox = Sandbox::new(Settings::default(), Arc::new(SystemClock));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = sandbox.router().layer(slow);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Busy { url, most, order }
}

async fn search(client: &McpClient, prefix: &str) -> Reply {
    client
        .call("search_patients", json!({"prefix": prefix}))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenants_calls_wait_for_its_own_slots() {
    let upstream = busy_upstream().await;
    let app = TestApp::builder()
        .org("north", &["dev"])
        .upstream(&upstream.url)
        .config("[limits]\ntenant_concurrency = 2\n")
        .start()
        .await;
    let north = app.client(&["north"], &[]).await;
    let answers = spread(30, 30, move |_| {
        let north = north.clone();
        async move { search(&north, "a").await.is_ok() }
    })
    .await;
    assert!(answers.into_iter().all(|ok| ok));
    assert_eq!(upstream.most.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_too_long_is_told_to_come_again() {
    let upstream = busy_upstream().await;
    let app = TestApp::builder()
        .org("north", &["dev"])
        .upstream(&upstream.url)
        .config("[limits]\ntenant_concurrency = 1\nqueue_timeout = \"50ms\"\n")
        .start()
        .await;
    let north = app.client(&["north"], &[]).await;
    let mut codes = spread(20, 20, move |_| {
        let north = north.clone();
        async move { code(&search(&north, "a").await).to_owned() }
    })
    .await;
    codes.sort();
    codes.dedup();
    assert_eq!(codes, ["", "limited_concurrency"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_with_many_calls_takes_turns_with_one_that_has_few() {
    let upstream = busy_upstream().await;
    let app = TestApp::builder()
        .org("many", &["dev"])
        .org("few", &["dev"])
        .upstream(&upstream.url)
        .config("[limits]\nupstream_concurrency = 2\n")
        .start()
        .await;
    let client = app.client(&["many", "few"], &[]).await;
    let (many, few) = (client.at("many", "dev"), client.at("few", "dev"));
    assert!(search(&few, "few").await.is_ok(), "logged in");
    let flood = tokio::spawn(spread(80, 80, move |_| {
        let many = many.clone();
        async move { search(&many, "many").await.is_ok() }
    }));
    let begun = |count| move |order: &Mutex<Vec<String>>| order.lock().unwrap().len() > count;
    while !begun(8)(&upstream.order) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let before = upstream.order.lock().unwrap().len();
    assert!(search(&few, "few").await.is_ok());
    let order = upstream.order.lock().unwrap().clone();
    let place = order[before..].iter().position(|uri| uri.contains("few"));
    assert!(
        place.unwrap() <= 4,
        "few waited for {place:?} of many: {order:?}"
    );
    assert!(flood.await.unwrap().into_iter().all(|ok| ok));
    assert_eq!(upstream.most.load(Ordering::SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_asks_to_wait_is_not_asked_until_then() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north", "south"], &[]).await;
    let (north, south) = (client.at("north", "dev"), client.at("south", "dev"));
    let limited = || FaultRule {
        client_id: Some("north-dev".to_owned()),
        method: None,
        path: None,
        login: false,
        count: Some(1),
        fault: Fault::RateLimited {
            retry_after_s: Some(30),
        },
    };
    assert!(app.sandbox.add_fault(limited()));
    let status = |reply: &Reply| reply.failure()["status_code"].clone();
    let first = ask(&north).await;
    assert_eq!(status(&first), 429, "{first:?}");
    assert_eq!(first.failure()["retry_after"], 30);
    let second = ask(&north).await;
    assert_eq!(status(&second), Value::Null, "{second:?}");
    assert_eq!(code(&second), "upstream_rate_limited");
    assert_eq!(second.failure()["retry_after"], 30);
    assert_eq!(requests(&app.sandbox), 1);
    assert!(ask(&south).await.is_ok(), "south was not asked to wait");
    app.clock.advance(Duration::from_secs(30));
    assert!(ask(&north).await.is_ok());

    assert!(app.sandbox.add_fault(limited()));
    assert_eq!(status(&ask(&north).await), 429);
    set_credential(&app.admin(), "north", "dev", "another").await;
    app.settle().await;
    assert!(
        ask(&north).await.is_ok(),
        "another credential was not asked to wait"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_503_with_a_time_asks_to_wait_and_one_without_does_not() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let north = app.client(&["north"], &[]).await;
    let unavailable = |retry_after_s| FaultRule {
        count: Some(1),
        ..FaultRule::every(Fault::ServerError {
            status: 503,
            retry_after_s,
        })
    };
    let status = |reply: &Reply| reply.failure()["status_code"].clone();
    assert!(app.sandbox.add_fault(unavailable(None)));
    assert_eq!(status(&ask(&north).await), 503);
    assert!(ask(&north).await.is_ok(), "it was not asked to wait");

    assert!(app.sandbox.add_fault(unavailable(Some(30))));
    let first = ask(&north).await;
    assert_eq!(status(&first), 503, "{first:?}");
    let second = ask(&north).await;
    assert_eq!(status(&second), Value::Null, "{second:?}");
    assert_eq!(code(&second), "upstream_rate_limited");
    assert_eq!(second.failure()["retry_after"], 30);
    assert_eq!(requests(&app.sandbox), 3);
    app.clock.advance(Duration::from_secs(30));
    assert!(ask(&north).await.is_ok());
}
