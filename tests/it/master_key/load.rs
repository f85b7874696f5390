//! The master key changes while 200 calls a second are made, each tenant logs in again and again,
//! and the server stores credentials: no call fails, nothing is left under an old key.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::support::app::set_credential;
use crate::support::{McpClient, TestApp};

const TENANTS: usize = 20;
const ROTATIONS: usize = 5;
/// 200 calls a second; a machine that is too slow for them makes as many as it can.
const PERIOD: Duration = Duration::from_millis(5);
const IN_FLIGHT: usize = 16;

fn slug(number: usize) -> String {
    format!("clinic-{}", number % TENANTS)
}

/// A command of the real program on the same files.
async fn command(app: &TestApp, arguments: &[&str]) -> Value {
    let database = app.running.app().loaded.database().unwrap();
    let config = database.ancestors().nth(2).unwrap().join("locum.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_locum"));
    command
        .arg("--config")
        .arg(config)
        .arg("--json")
        .args(arguments);
    let output = command.output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Calls until `done`; how many there were, and what was wrong.
async fn calls(client: McpClient, done: Arc<AtomicBool>) -> (usize, Vec<Value>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut made, mut wrong) = (0, Vec::new());
    let mut running: JoinSet<Option<Value>> = JoinSet::new();
    while !done.load(Ordering::SeqCst) || !running.is_empty() {
        let more = !done.load(Ordering::SeqCst) && running.len() < IN_FLIGHT;
        tokio::select! {
            Some(ended) = running.join_next() => wrong.extend(ended.unwrap()),
            _ = ticks.tick(), if more => {
                let client = client.at(&slug(made), "dev");
                running.spawn(async move {
                    let arguments = json!({"clinic_id": "C2001"});
                    let reply = client.call("get_clinic_details_basic", arguments).await;
                    (!reply.is_ok()).then_some(reply.body)
                });
                made += 1;
            }
        }
    }
    (made, wrong)
}

/// Ends the tokens of one tenant after another, each of which logs in again: its credential is
/// opened, under whichever key it is just then.
async fn end_tokens(app: Arc<TestApp>, done: Arc<AtomicBool>) {
    for number in 0.. {
        if done.load(Ordering::SeqCst) {
            return;
        }
        app.sandbox
            .revoke_tokens(Some(&format!("{}-dev", slug(number))));
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Credentials of new tenants, by the server's own hands; how many.
async fn enter(app: Arc<TestApp>, done: Arc<AtomicBool>, entered: Arc<AtomicUsize>) {
    for number in 0..TENANTS {
        if done.load(Ordering::SeqCst) {
            return;
        }
        set_credential(&app.admin(), &slug(number), "prod", "synthetic-secret").await;
        entered.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_master_key_changes_under_load_and_no_call_fails() {
    let mut builder = TestApp::builder();
    for number in 0..TENANTS {
        builder = builder.org(&slug(number), &["dev"]);
    }
    let app = Arc::new(builder.start().await);
    let slugs: Vec<String> = (0..TENANTS).map(slug).collect();
    let slugs: Vec<&str> = slugs.iter().map(String::as_str).collect();
    let client = app.client(&slugs, &[]).await;
    let (done, entered) = (Arc::new(AtomicBool::new(false)), Arc::default());
    let load = tokio::spawn(calls(client, done.clone()));
    let ends = tokio::spawn(end_tokens(app.clone(), done.clone()));
    let entering = tokio::spawn(enter(app.clone(), done.clone(), Arc::clone(&entered)));
    for _ in 0..ROTATIONS {
        let report = command(&app, &["master-key", "rotate"]).await;
        assert!(
            report["organization_keys"].as_u64() >= Some(TENANTS as u64),
            "{report}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    done.store(true, Ordering::SeqCst);
    let (made, wrong) = load.await.unwrap();
    ends.await.unwrap();
    entering.await.unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {made}: {:?}",
        wrong.len(),
        wrong.first()
    );
    let logins = app.sandbox.stats();
    assert!(
        made > 100 && entered.load(Ordering::SeqCst) > 3,
        "{made} {entered:?}"
    );
    assert_eq!(logins.refused_logins, 0);
    let status = command(&app, &["master-key", "status"]).await;
    assert_eq!(status["complete"], true, "{status}");
    assert_eq!(status["keys"].as_array().unwrap().len(), ROTATIONS + 1);
    let all = TENANTS + entered.load(Ordering::SeqCst);
    let in_use = status["keys"].as_array().unwrap().iter();
    let mut in_use = in_use.filter(|key| key["in_use"] == true);
    assert_eq!(in_use.next().unwrap()["organization_keys"], all, "{status}");
}
