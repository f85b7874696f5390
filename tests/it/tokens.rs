//! Access tokens: one login for any number of calls, renewal before expiry, and what happens when
//! the token endpoint fails, lies, or knows better.

mod stampede;

use std::time::Duration;

use locum::domain::organization::OrganizationState;
use locum::domain::tenant::Environment;
use locum::sandbox::{ClientSettings, ClientStats, Endpoint, Fault, FaultRule, Sandbox};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::{PROVIDER, enter_credential, org, set_credential};
use crate::support::client::{McpClient, Reply};
use crate::support::load::{eventually, spread};

/// What the sandbox's tokens live, and a time within the last tenth of it.
const LIFE: Duration = Duration::from_secs(1800);
const IN_MARGIN: Duration = Duration::from_secs(1700);

async fn read(client: &McpClient) -> Reply {
    let arguments = json!({"clinic_id": "C2001"});
    client.call("get_clinic_details_basic", arguments).await
}

/// A read that succeeds.
async fn ok(client: &McpClient) {
    let reply = read(client).await;
    assert!(reply.is_ok(), "{}", reply.body);
}

async fn north() -> (TestApp, McpClient) {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    (app, client)
}

fn stats(sandbox: &Sandbox, client_id: &str) -> ClientStats {
    let stats = sandbox.stats();
    stats.clients.get(client_id).cloned().unwrap_or_default()
}

/// Requests to the token endpoints, granted or not.
fn attempts(sandbox: &Sandbox, client_id: &str) -> u64 {
    let endpoints = stats(sandbox, client_id).endpoints;
    let of = |endpoint| endpoints.get(&endpoint).copied().unwrap_or(0);
    of(Endpoint::Login) + of(Endpoint::QuickLogin) + of(Endpoint::Refresh)
}

/// Ends a version of north's credential at once.
async fn revoke(app: &TestApp, version: i64) {
    let (admin, north) = (app.admin(), org("north"));
    let env = Environment::parse("dev").unwrap();
    let revoked = admin.revoke_credential(&north, &env, PROVIDER, Some(version));
    revoked.await.unwrap();
}

/// A fault of one client id's token endpoints.
fn login_fault(sandbox: &Sandbox, client_id: &str, count: Option<u64>, fault: Fault) {
    let added = sandbox.add_fault(FaultRule {
        client_id: Some(client_id.to_owned()),
        login: true,
        count,
        ..FaultRule::every(fault)
    });
    assert!(added);
}

fn down() -> Fault {
    Fault::ServerError {
        status: 503,
        retry_after_s: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_logs_in_before_the_first_call() {
    let (app, client) = north().await;
    let list = client.legacy("tools/list", json!({})).await;
    assert_eq!(list.body["result"]["tools"].as_array().unwrap().len(), 31);
    assert!(app.sandbox.requests().is_empty());
    ok(&client).await;
    assert_eq!(app.sandbox.stats().logins, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_logs_in_for_arguments_that_make_no_request() {
    let (app, client) = north().await;
    for bad in ["", ".", "..", &"x".repeat(9_000)] {
        let arguments = json!({"clinic_id": bad});
        let reply = client.call("get_clinic_details_basic", arguments).await;
        assert_eq!(reply.failure()["error_code"], "invalid_arguments", "{bad}");
    }
    assert!(app.sandbox.requests().is_empty());
}

/// A call in flight holds four sockets of this process: a thousand are under way at a time, some twenty
/// of each organization. `stampede` has all of them at once.
#[tokio::test(flavor = "multi_thread")]
async fn fifty_organizations_with_a_thousand_calls_each_at_expiry_log_in_once_each() {
    const ORGANIZATIONS: usize = 50;
    const CALLS: usize = 50_000;
    const IN_FLIGHT: usize = 1_000;
    let slugs: Vec<String> = (0..ORGANIZATIONS)
        .map(|n| format!("clinic-{n:02}"))
        .collect();
    let names: Vec<&str> = slugs.iter().map(String::as_str).collect();
    let mut builder = TestApp::builder();
    for slug in &slugs {
        builder = builder.org(slug, &["dev"]);
    }
    let app = builder.start().await;
    for slug in &slugs {
        // Without a refresh token that counts, only a login helps.
        let settings = ClientSettings {
            refresh_life_s: Some(60),
            ..ClientSettings::default()
        };
        assert!(app.sandbox.set_client(&format!("{slug}-dev"), settings));
    }
    let client = app.client(&names, &["dev"]).await;
    let clients: Vec<McpClient> = names.iter().map(|slug| client.at(slug, "dev")).collect();
    for client in &clients {
        ok(client).await;
    }
    app.clock.advance(LIFE);
    let replies = spread(CALLS, IN_FLIGHT, move |number| {
        let client = clients[number % ORGANIZATIONS].clone();
        async move { read(&client).await.is_ok() }
    })
    .await;
    assert_eq!(replies.iter().filter(|ok| **ok).count(), CALLS);
    for slug in &slugs {
        let seen = stats(&app.sandbox, &format!("{slug}-dev"));
        assert_eq!((seen.logins, seen.refreshes), (2, 0), "{slug}");
        assert_eq!((seen.requests, seen.unauthorized), (1_001, 0), "{slug}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_of_one_organization_at_expiry_share_one_refresh() {
    const CALLS: usize = 1_000;
    let (app, client) = north().await;
    ok(&client).await;
    app.clock.advance(LIFE);
    let replies = spread(CALLS, CALLS, move |_| {
        let client = client.clone();
        async move { read(&client).await.is_ok() }
    })
    .await;
    assert_eq!(replies.iter().filter(|ok| **ok).count(), CALLS);
    let seen = stats(&app.sandbox, "north-dev");
    assert_eq!((seen.logins, seen.refreshes, seen.unauthorized), (1, 1, 0));
    assert_eq!(attempts(&app.sandbox, "north-dev"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_calls_whose_token_is_revoked_in_flight_share_one_login() {
    const CALLS: u64 = 500;
    let (app, client) = north().await;
    ok(&client).await;
    // The upstream takes its time before it looks at the token: long enough to revoke it.
    app.sandbox.add_fault(FaultRule {
        count: Some(CALLS),
        ..FaultRule::every(Fault::Slow { delay_ms: 4_000 })
    });
    let calls = tokio::spawn(spread(500, 500, move |_| {
        let client = client.clone();
        async move { read(&client).await.is_ok() }
    }));
    let sandbox = app.sandbox.clone();
    eventually("500 calls in flight", || {
        sandbox.stats().requests == CALLS + 1
    })
    .await;
    app.sandbox.revoke_tokens(None);
    let replies = calls.await.unwrap();
    assert_eq!(replies.iter().filter(|ok| **ok).count(), 500);
    let seen = stats(&app.sandbox, "north-dev");
    assert_eq!((seen.logins, seen.unauthorized), (2, CALLS));
    assert_eq!(seen.requests, 1 + 2 * CALLS, "one retry each");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_in_the_background_and_no_call_waits_for_it() {
    let (app, client) = north().await;
    ok(&client).await;
    app.clock.advance(IN_MARGIN);
    let slow = Fault::Slow { delay_ms: 2_000 };
    login_fault(&app.sandbox, "north-dev", None, slow);
    for _ in 0..5 {
        ok(&client).await;
    }
    assert_eq!(app.sandbox.stats().refreshes, 0, "the calls did not wait");
    let sandbox = app.sandbox.clone();
    eventually("a renewal", || sandbox.stats().refreshes == 1).await;
    // Here the first token expires; the second one is there already.
    app.clock.advance(LIFE - IN_MARGIN);
    ok(&client).await;
    let seen = stats(&app.sandbox, "north-dev");
    assert_eq!((seen.logins, seen.refreshes, seen.unauthorized), (1, 1, 0));
    assert_eq!(attempts(&app.sandbox, "north-dev"), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_refresh_is_followed_by_a_login() {
    let (app, client) = north().await;
    ok(&client).await;
    app.sandbox.revoke_tokens(None);
    app.clock.advance(LIFE);
    ok(&client).await;
    let seen = stats(&app.sandbox, "north-dev");
    assert_eq!((seen.logins, seen.refreshes), (2, 0));
    assert_eq!(seen.endpoints[&Endpoint::Refresh], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_endpoint_that_is_down_does_not_matter_before_expiry_and_fails_fast_after() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north", "south"], &["dev"]).await;
    let (north, south) = (client.at("north", "dev"), client.at("south", "dev"));
    ok(&north).await;
    ok(&south).await;
    login_fault(&app.sandbox, "north-dev", None, down());
    let sandbox = app.sandbox.clone();
    let attempts = || attempts(&sandbox, "north-dev");

    app.clock.advance(IN_MARGIN);
    ok(&north).await;
    eventually("a renewal that fails", || attempts() == 2).await;
    for _ in 0..20 {
        ok(&north).await;
    }
    assert_eq!(attempts(), 2, "the back-off counts in the background too");

    app.clock.advance(LIFE - IN_MARGIN);
    let reply = read(&north).await;
    assert!(reply.is_error());
    assert_eq!(reply.failure()["error_code"], "login_unavailable");
    assert_eq!(reply.failure()["status_code"], 503);
    for _ in 0..20 {
        assert!(read(&north).await.is_error());
        ok(&south).await;
    }
    assert_eq!(attempts(), 3, "no attempt during a back-off");

    // A minute of calls: attempts come after 2, 4, 8, … seconds and not more often.
    for _ in 0..60 {
        app.clock.advance(Duration::from_secs(1));
        assert!(read(&north).await.is_error());
        ok(&south).await;
    }
    assert!((5..=8).contains(&attempts()), "{}", attempts());

    app.sandbox.clear_faults();
    app.clock.advance(Duration::from_secs(75));
    ok(&north).await;
    assert_eq!(stats(&app.sandbox, "south-dev").unauthorized, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_costs_one_attempt_a_step_from_the_margin_on_and_ends_by_itself() {
    const MARGIN: u64 = 180;
    let (app, client) = north().await;
    ok(&client).await;
    login_fault(&app.sandbox, "north-dev", None, down());
    app.clock.advance(LIFE - Duration::from_secs(MARGIN));
    let mut tried_at = Vec::new();
    for second in 0..600 {
        let reply = read(&client).await;
        assert_eq!(reply.is_ok(), second < MARGIN, "{second}: {}", reply.body);
        // A renewal in the background is no part of the call.
        tokio::time::sleep(Duration::from_millis(5)).await;
        let attempts = attempts(&app.sandbox, "north-dev") - 1;
        assert!(attempts <= tried_at.len() as u64 + 1, "twice in a second");
        if attempts > tried_at.len() as u64 {
            tried_at.push(second);
        }
        app.clock.advance(Duration::from_secs(1));
    }
    for (failures, pair) in tried_at.windows(2).enumerate() {
        let step = (1 << failures.min(6)).min(60);
        // One that was seen a second late makes the next pause look shorter.
        assert!(pair[1] - pair[0] + 1 >= step, "{tried_at:?}");
    }
    assert!((10..=16).contains(&tried_at.len()), "{tried_at:?}");

    app.sandbox.clear_faults();
    let mut seconds = 0;
    while !read(&client).await.is_ok() {
        app.clock.advance(Duration::from_secs(1));
        seconds += 1;
        assert!(seconds <= 75, "it does not recover by itself");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_told_when_to_come_back_comes_back_then() {
    let (app, client) = north().await;
    let fault = Fault::RateLimited {
        retry_after_s: Some(120),
    };
    login_fault(&app.sandbox, "north-dev", Some(1), fault);
    let reply = read(&client).await;
    assert_eq!(reply.failure()["error_code"], "login_rate_limited");
    assert_eq!(reply.failure()["status_code"], 429);
    let message = reply.failure()["message"].as_str().unwrap();
    assert!(message.contains("Retry after 120 seconds."), "{message}");
    app.clock.advance(Duration::from_secs(119));
    assert!(read(&client).await.is_error());
    assert_eq!(attempts(&app.sandbox, "north-dev"), 1);
    app.clock.advance(Duration::from_secs(1));
    ok(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_lives_of_tokens_lead_to_working_calls() {
    // A `null` leaves the field out.
    let odd = [
        json!(null),
        json!(0),
        json!(-5),
        json!(1799.5),
        json!("1800"),
        json!("soon"),
        json!(""),
        json!(1e300),
        json!(u64::MAX),
        json!({}),
        json!([1800]),
        json!(true),
    ];
    let slugs: Vec<String> = (0..odd.len()).map(|n| format!("odd-{n}")).collect();
    let mut builder = TestApp::builder();
    for slug in &slugs {
        builder = builder.org(slug, &["dev"]);
    }
    let app = builder.start().await;
    let names: Vec<&str> = slugs.iter().map(String::as_str).collect();
    let client = app.client(&names, &["dev"]).await;
    for (slug, life) in slugs.iter().zip(odd) {
        let settings = ClientSettings {
            expires_in: Some(life),
            ..ClientSettings::default()
        };
        assert!(app.sandbox.set_client(&format!("{slug}-dev"), settings));
    }
    for step in [0, 0, 1, 299, 2_000] {
        app.clock.advance(Duration::from_secs(step));
        for slug in &slugs {
            ok(&client.at(slug, "dev")).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_unstated_life_counts_until_its_own_expiry_if_it_has_one() {
    let app = TestApp::builder()
        .org("opaque", &["dev"])
        .org("jwt", &["dev"])
        .start()
        .await;
    let client = app.client(&["opaque", "jwt"], &["dev"]).await;
    for (slug, jwt) in [("opaque", false), ("jwt", true)] {
        let settings = ClientSettings {
            expires_in: Some(Value::Null),
            jwt,
            ..ClientSettings::default()
        };
        assert!(app.sandbox.set_client(&format!("{slug}-dev"), settings));
        ok(&client.at(slug, "dev")).await;
    }
    // Longer than what is assumed where nothing is stated, shorter than the token's `exp`.
    app.clock.advance(Duration::from_secs(1_000));
    ok(&client.at("opaque", "dev")).await;
    ok(&client.at("jwt", "dev")).await;
    assert_eq!(attempts(&app.sandbox, "opaque-dev"), 2);
    assert_eq!(attempts(&app.sandbox, "jwt-dev"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upstream_that_rejects_every_token_is_not_flooded_with_logins() {
    let (app, client) = north().await;
    app.sandbox
        .add_fault(FaultRule::every(Fault::Unauthorized {}));
    for _ in 0..20 {
        let reply = read(&client).await;
        assert!(reply.is_error());
        assert_eq!(reply.failure()["status_code"], 401);
    }
    assert_eq!(app.sandbox.stats().logins, 2);
    for _ in 0..60 {
        app.clock.advance(Duration::from_secs(1));
        assert!(read(&client).await.is_error());
    }
    let logins = app.sandbox.stats().logins;
    assert!(logins <= 2 + 7, "{logins}");
    app.sandbox.clear_faults();
    ok(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_accepted_again_ends_the_pauses_after_rejections() {
    let (app, client) = north().await;
    let reject = |requests| {
        app.sandbox.add_fault(FaultRule {
            count: Some(requests),
            ..FaultRule::every(Fault::Unauthorized {})
        })
    };
    // Each time both the token and that of a fresh login: the pauses grow to a minute.
    for _ in 0..8 {
        reject(2);
        assert!(read(&client).await.is_error());
        app.clock.advance(Duration::from_secs(75));
    }
    reject(1);
    ok(&client).await;
    // A relapse pauses for a second again, not for a minute.
    reject(2);
    assert!(read(&client).await.is_error());
    app.clock.advance(Duration::from_secs(2));
    reject(1);
    ok(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_tried_once_a_back_off_and_named_as_the_cause() {
    let (app, client) = north().await;
    set_credential(&app.admin(), "north", "dev", "wrong-secret").await;
    // Or calls would go on with the version before.
    revoke(&app, 1).await;
    app.settle().await;
    for _ in 0..10 {
        let reply = read(&client).await;
        assert_eq!(reply.failure()["error_code"], "credential_refused");
        assert_eq!(reply.failure()["status_code"], 401);
        assert!(!reply.body.to_string().contains("wrong-secret"));
    }
    assert_eq!(attempts(&app.sandbox, "north-dev"), 1);
    set_credential(&app.admin(), "north", "dev", "right-secret").await;
    app.settle().await;
    ok(&client).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_login_flows_work_and_one_needs_an_api_key() {
    let (app, client) = north().await;
    let secret = ("client_secret", "synthetic-secret");
    let without = enter_credential(&app.admin(), "north", "dev", Some("token"), &[secret]).await;
    assert!(without.unwrap_err().to_string().contains("api_key"));
    let fields = [secret, ("api_key", "synthetic-key")];
    let with = enter_credential(&app.admin(), "north", "dev", Some("token"), &fields).await;
    assert_eq!(with.unwrap().version, 2);
    app.settle().await;
    for _ in 0..3 {
        ok(&client).await;
    }
    // This flow has no refresh: at expiry it logs in again.
    app.clock.advance(2 * LIFE);
    ok(&client).await;
    let seen = stats(&app.sandbox, "north-dev");
    assert_eq!(seen.endpoints.get(&Endpoint::QuickLogin), Some(&2));
    assert_eq!(seen.endpoints.get(&Endpoint::Login), None);
    let requests = app.sandbox.requests();
    let login = requests
        .iter()
        .find(|seen| seen.endpoint == Endpoint::QuickLogin)
        .unwrap();
    assert!(login.headers.contains(&"x-api-key".to_owned()));
    assert_eq!(
        login.body.as_ref().unwrap()["grant_type"],
        "client_credentials"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_credential_is_used_at_once_and_the_old_token_never_again() {
    let (app, client) = north().await;
    ok(&client).await;
    app.sandbox
        .pin_secrets("north-dev", vec!["second".to_owned()]);
    set_credential(&app.admin(), "north", "dev", "second").await;
    app.settle().await;
    // Whoever used the first version's token now would be answered 401.
    app.sandbox.revoke_tokens(Some("north-dev"));
    for _ in 0..10 {
        ok(&client).await;
    }
    let seen = stats(&app.sandbox, "north-dev");
    assert_eq!(
        (seen.logins, seen.refused_logins, seen.unauthorized),
        (2, 0, 0)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_has_to_log_in_while_its_credential_is_replaced_uses_the_new_one() {
    let (app, client) = north().await;
    for version in 1..=5 {
        // The gateway has not noticed yet, and the former version's values are gone already.
        set_credential(&app.admin(), "north", "dev", &format!("secret-{version}")).await;
        revoke(&app, version).await;
        app.sandbox.revoke_tokens(None);
        ok(&client).await;
    }
    assert_eq!(stats(&app.sandbox, "north-dev").logins, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_and_a_suspended_organization_are_noticed_while_serving() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let north = app.client(&["north"], &["dev"]).await;
    let south = app.client(&["south"], &["dev"]).await;
    ok(&north).await;
    ok(&south).await;

    for (state, status, code) in [
        (OrganizationState::Suspended, 403, "organization_suspended"),
        (OrganizationState::Active, 200, ""),
    ] {
        app.set_state("north", state).await;
        app.settle().await;
        let reply = read(&north).await;
        assert_eq!((reply.status, reply.code()), (status, code));
        ok(&south).await;
    }
    assert_eq!(
        stats(&app.sandbox, "north-dev").logins,
        1,
        "suspension loses nothing"
    );

    let admin = app.admin();
    let keys = admin.keys().await.unwrap();
    let of_north = |key: &&locum::admin::KeySummary| key.grants[0].organization == "north";
    let key = keys.iter().find(of_north).unwrap();
    admin.revoke_key(&key.id).await.unwrap();
    app.settle().await;
    let reply = read(&north).await;
    assert_eq!((reply.status, reply.code()), (401, "unauthenticated"));
    ok(&south).await;
}
