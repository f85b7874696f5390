//! A clock that is wrong: the gateway's jumps by hours and years while its upstream's goes on.
//! Calls go on too, with at most one login or refresh a jump; nothing waits for the clock to come back.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use locum::admin::{GrantRequest, KeyRequest};
use locum::domain::bearer_secret::reveal;
use locum::domain::clock::Clock;
use locum::sandbox::{Fault, FaultRule};
use serde_json::json;

use crate::support::app::org;
use crate::support::load::{eventually, spread};
use crate::support::{McpClient, Reply, TestApp};

const HOUR: i64 = 3_600;
const YEAR: i64 = 366 * 86_400;
const JUMPS: [i64; 8] = [
    HOUR,
    -2 * HOUR,
    10 * YEAR,
    -YEAR,
    -20 * YEAR,
    40 * YEAR,
    -48 * HOUR,
    -1,
];

async fn north() -> (TestApp, McpClient) {
    configured("").await
}

async fn configured(config: &str) -> (TestApp, McpClient) {
    let builder = TestApp::builder().org("north", &["dev"]).two_clocks();
    let app = builder.config(config).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    (app, client)
}

async fn read(client: &McpClient) -> Reply {
    let arguments = json!({"clinic_id": "C2001"});
    client.call("get_clinic_details_basic", arguments).await
}

async fn ok(client: &McpClient) {
    let reply = read(client).await;
    assert!(reply.is_ok(), "{}", reply.body);
}

/// A call that a limit refuses; in how many seconds it may be made again.
async fn limited(client: &McpClient, code: &str) -> u64 {
    let reply = read(client).await;
    assert_eq!(reply.failure()["error_code"], code, "{}", reply.body);
    reply.failure()["retry_after"].as_u64().unwrap()
}

/// Tokens that upstream gave, by login or refresh.
fn tokens(app: &TestApp) -> u64 {
    let stats = app.sandbox.stats();
    stats.logins + stats.refreshes
}

/// Moves the gateway's clock alone.
fn jump(app: &TestApp, seconds: i64) {
    let time = app.clock.now() + SignedDuration::from_secs(seconds);
    app.clock.set(time);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_jump_costs_one_token_at_most_and_no_call() {
    let (app, client) = north().await;
    ok(&client).await;
    for seconds in JUMPS {
        let before = tokens(&app);
        jump(&app, seconds);
        let caller = client.clone();
        let replies = spread(200, 50, move |_| {
            let client = caller.clone();
            async move { read(&client).await.is_ok() }
        });
        assert!(replies.await.into_iter().all(|ok| ok), "{seconds}");
        // What is renewed in the background is there before the next jump.
        let skewed = seconds.abs() > 60;
        eventually("the token of a jump", || !skewed || tokens(&app) > before).await;
        ok(&client).await;
        assert_eq!(tokens(&app) - before, u64::from(skewed), "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_from_the_future_ends_when_upstream_says_so() {
    let (app, client) = north().await;
    ok(&client).await;
    // The endpoint is down while the clock goes back: the old token has to do as long as it can.
    let down = Fault::ServerError {
        status: 503,
        retry_after_s: None,
    };
    app.sandbox.add_fault(FaultRule {
        login: true,
        ..FaultRule::every(down)
    });
    jump(&app, -YEAR);
    ok(&client).await;
    app.upstream_clock.advance(Duration::from_secs(2 * 3_600));
    assert!(!read(&client).await.is_ok(), "upstream ended that token");
    app.sandbox.clear_faults();
    // The longest pause and its jitter, by a clock that is a year behind.
    jump(&app, 76);
    ok(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_after_a_failed_login_does_not_last_as_long_as_the_clock_went_back() {
    let (app, client) = north().await;
    let down = Fault::ServerError {
        status: 503,
        retry_after_s: None,
    };
    app.sandbox.add_fault(FaultRule {
        login: true,
        ..FaultRule::every(down)
    });
    for _ in 0..5 {
        assert!(!read(&client).await.is_ok());
        jump(&app, 30);
    }
    app.sandbox.clear_faults();
    let before = app.sandbox.requests().len();
    jump(&app, -5 * HOUR);
    for _ in 0..20 {
        assert!(!read(&client).await.is_ok());
    }
    assert_eq!(app.sandbox.requests().len(), before, "the pause holds");
    jump(&app, 76);
    ok(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_lives_by_the_clock_as_it_is() {
    let (app, _) = north().await;
    let start: Timestamp = app.clock.now();
    let request = KeyRequest {
        name: "an hour".to_owned(),
        grants: vec![GrantRequest::everything(org("north"))],
        expires: Some(start + SignedDuration::from_secs(HOUR)),
    };
    let issued = app.admin().create_key(&request).await.unwrap();
    app.settle().await;
    let client = McpClient::new(&app.url(), reveal(&issued.key));
    for (seconds, status) in [(0, 200), (YEAR, 401), (-2 * YEAR, 200), (YEAR + HOUR, 401)] {
        jump(&app, seconds);
        assert_eq!(read(&client).await.status, status, "{seconds}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_during_which_the_clock_goes_back_ends_well() {
    let (app, client) = north().await;
    app.sandbox.add_fault(FaultRule {
        count: Some(1),
        ..FaultRule::every(Fault::Slow { delay_ms: 300 })
    });
    let call = tokio::spawn(async move { read(&client).await.is_ok() });
    eventually("the call reaches upstream", || {
        app.sandbox.stats().logins == 1
    })
    .await;
    jump(&app, -YEAR);
    assert!(call.await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_entered_after_the_clock_went_back_is_noticed() {
    let (app, _) = north().await;
    jump(&app, -YEAR);
    let client = app.client(&["north"], &["dev"]).await;
    ok(&client).await;
    crate::support::app::set_credential(&app.admin(), "north", "dev", "another").await;
    app.settle().await;
    ok(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_leaves_the_day_and_comes_back_does_not_free_its_limit() {
    let (app, client) = configured("[limits]\ntenant_per_day = 2\n").await;
    for _ in 0..2 {
        ok(&client).await;
    }
    limited(&client, "limited_per_day").await;
    for _ in 0..2 {
        jump(&app, 24 * HOUR);
        ok(&client).await;
        jump(&app, -24 * HOUR);
        let wait = limited(&client, "limited_per_day").await;
        assert_eq!(wait, 18 * HOUR as u64, "until midnight");
    }
    jump(&app, 24 * HOUR);
    limited(&client, "limited_per_day").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_goes_back_neither_frees_a_minutes_limit_nor_makes_it_longer() {
    let (app, client) = configured("[limits]\ntenant_per_minute = 2\n").await;
    for seconds in [-1, -HOUR, -24 * HOUR, -YEAR] {
        for _ in 0..2 {
            ok(&client).await;
        }
        jump(&app, seconds);
        for wait in [60, 1] {
            let told = limited(&client, "limited_per_minute").await;
            assert_eq!(told, wait, "{seconds}");
            jump(&app, 59);
        }
    }
    ok(&client).await;
}
