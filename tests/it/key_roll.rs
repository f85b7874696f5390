//! Rolling gateway keys: another key with the same name, grants and length of life, and a grace in
//! which both work.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use locum::admin::{GrantRequest, KeyRequest, KeySummary};
use locum::domain::bearer_secret::reveal;
use locum::domain::clock::Clock;
use locum::domain::principal::Scope;
use locum::domain::tenant::Environment;
use locum::domain::tool::ToolName;
use serde_json::{Value, json};

use crate::support::app::org;
use crate::support::commands::{clinic, words};
use crate::support::{McpClient, TestApp};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// A key with a grant of every kind; its id and text.
async fn key(app: &TestApp, life: Option<Duration>) -> (String, String) {
    let now = app.clock.now();
    let request = KeyRequest {
        name: "front desk".to_owned(),
        grants: vec![
            GrantRequest {
                organization: org("north"),
                environments: Scope::Only([Environment::parse("dev").unwrap()].into()),
                tools: Scope::Only([ToolName::parse("search_patients").unwrap()].into()),
                read_only: true,
            },
            GrantRequest::everything(org("south")),
        ],
        expires: life.map(|life| now.checked_add(life).unwrap()),
    };
    let issued = app.admin().create_key(&request).await.unwrap();
    (issued.summary.id.clone(), reveal(&issued.key).to_owned())
}

async fn clinics() -> TestApp {
    let builder = TestApp::builder().org("north", &["dev"]);
    builder.org("south", &["dev"]).start().await
}

/// The HTTP status that a key gets.
async fn status(app: &TestApp, key: &str) -> u16 {
    app.running.refresh().await.unwrap();
    let client = McpClient::new(&app.url(), key).at("north", "dev");
    client.legacy("ping", json!({})).await.status
}

async fn summary(app: &TestApp, id: &str) -> KeySummary {
    let keys = app.admin().keys().await.unwrap();
    keys.into_iter().find(|key| key.id == id).unwrap()
}

fn grants(summary: &KeySummary) -> Value {
    serde_json::to_value(&summary.grants).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_keys_work_until_the_grace_is_over_and_open_the_same() {
    let app = clinics().await;
    let (id, old) = key(&app, Some(30 * DAY)).await;
    app.clock.advance(10 * DAY);
    let now = app.clock.now();
    let rolled = app.admin().roll_key(&id, 7 * DAY, None).await.unwrap();
    let new = reveal(&rolled.key).to_owned();
    assert_eq!(rolled.summary.replaces.as_deref(), Some(id.as_str()));
    assert_eq!(rolled.summary.name, "front desk");
    let former = summary(&app, &id).await;
    assert_eq!(grants(&rolled.summary), grants(&former));
    assert_eq!(rolled.summary.grants.len(), 2);
    let end = |days: i64| Some(now + SignedDuration::from_hours(24 * days));
    assert_eq!((former.expires, rolled.summary.expires), (end(7), end(30)));
    assert_eq!(
        grants(&summary(&app, &rolled.summary.id).await),
        grants(&former)
    );
    app.clock.advance(7 * DAY - Duration::from_millis(1));
    assert_eq!(
        [status(&app, &old).await, status(&app, &new).await],
        [200, 200]
    );
    app.clock.advance(Duration::from_millis(1));
    assert_eq!(
        [status(&app, &old).await, status(&app, &new).await],
        [401, 200]
    );
    let actions = app.audit().await.into_iter();
    let of: BTreeSet<_> = actions
        .filter(|event| event.action == "key.roll")
        .map(|event| (event.organization.unwrap(), event.target.unwrap()))
        .collect();
    let target = format!("{id} {}", rolled.summary.id);
    let both = ["north", "south"].map(|slug| (slug.to_owned(), target.clone()));
    assert_eq!(of, BTreeSet::from(both));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_ends_sooner_keeps_its_end_and_a_new_one_may_have_its_own() {
    let app = clinics().await;
    let (id, _) = key(&app, Some(3 * DAY)).await;
    let own_end = summary(&app, &id).await.expires;
    let end = app.clock.now() + SignedDuration::from_hours(24);
    let rolled = app.admin().roll_key(&id, 7 * DAY, Some(end)).await.unwrap();
    assert_eq!(summary(&app, &id).await.expires, own_end);
    assert_eq!(rolled.summary.expires, Some(end));
    let (id, _) = key(&app, None).await;
    let rolled = app.admin().roll_key(&id, DAY, None).await.unwrap();
    assert_eq!(
        rolled.summary.expires, None,
        "it never ends, like the one before"
    );
    assert!(summary(&app, &id).await.expires.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_grace_the_former_key_ends_at_once() {
    let app = clinics().await;
    let (id, old) = key(&app, None).await;
    let rolled = app
        .admin()
        .roll_key(&id, Duration::ZERO, None)
        .await
        .unwrap();
    let new = reveal(&rolled.key).to_owned();
    assert_eq!(
        [status(&app, &old).await, status(&app, &new).await],
        [401, 200]
    );
    assert_eq!(summary(&app, &id).await.state, "revoked");
}

/// One row that cannot be read would keep the gateway from reading the others.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_may_end_when_time_does() {
    let app = clinics().await;
    let end: Timestamp = "9999-12-30T22:00:00.5Z".parse().unwrap();
    let (id, _) = key(&app, None).await;
    let rolled = app.admin().roll_key(&id, 7 * DAY, Some(end)).await.unwrap();
    let (id, text) = (&rolled.summary.id, reveal(&rolled.key).to_owned());
    assert_eq!(status(&app, &text).await, 200);
    assert!(summary(&app, id).await.expires.is_some());
    app.clock.advance(DAY);
    let again = app.admin().roll_key(id, DAY, None).await.unwrap();
    let admin = app.admin();
    assert_eq!(status(&app, reveal(&again.key)).await, 200);
    admin.revoke_key(id).await.unwrap();
    assert_eq!(status(&app, &text).await, 401);
    let long = admin.roll_key(&again.summary.id, 366 * DAY, None).await;
    assert_eq!(long.err().unwrap().code(), "field_invalid");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rolled_once_and_while_it_works() {
    let app = clinics().await;
    let (id, _) = key(&app, Some(30 * DAY)).await;
    let rolled = app.admin().roll_key(&id, 7 * DAY, None).await.unwrap();
    let again = app
        .admin()
        .roll_key(&id, 7 * DAY, None)
        .await
        .err()
        .unwrap();
    assert_eq!(again.code(), "key_rolled");
    assert!(again.to_string().contains(&rolled.summary.id), "{again}");
    // Its successor is over: there may be another.
    app.admin().revoke_key(&rolled.summary.id).await.unwrap();
    let second = app.admin().roll_key(&id, 7 * DAY, None).await.unwrap();
    assert!(
        app.admin()
            .roll_key(&second.summary.id, DAY, None)
            .await
            .is_ok()
    );
    app.clock.advance(8 * DAY);
    for over in [&id, &rolled.summary.id] {
        let error = app.admin().roll_key(over, DAY, None).await.err().unwrap();
        assert_eq!(error.code(), "key_not_found", "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_rolled_at_the_command_line() {
    let (program, _sandbox) = clinic().await;
    let line = "key create --name desk --org north --env dev --read-only --expires 90d";
    let created = program.json(&words(line, &[])).await;
    let id = created["id"].as_str().unwrap();
    let rolled = program.json(&["key", "roll", id, "--grace", "7d"]).await;
    assert_eq!(rolled["replaces"], id);
    let key = rolled["key"].as_str().unwrap();
    assert!(key.starts_with(&format!("lgk_{}_", rolled["id"].as_str().unwrap())));
    assert_eq!(
        (&rolled["grants"], &rolled["name"]),
        (&created["grants"], &created["name"])
    );
    let (_, twice) = program.fails(&["key", "roll", id, "--grace", "7d"]).await;
    assert!(twice.contains("was rolled already"), "{twice}");
    let next = rolled["id"].as_str().unwrap();
    let text = program.ok(&["key", "roll", next, "--grace", "0s"]).await;
    assert!(
        text.contains(&format!("It takes the place of {next}, which is revoked.")),
        "{text}"
    );
    let (code, _) = program.fails(&["key", "roll", id]).await;
    assert_eq!(code, 2, "a grace has to be named");
}
