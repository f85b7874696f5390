//! A thousand rotations in a row, while 500 calls a second are made.
//!
//! A call that begins after a version was promoted uses that one or a later one: so none is sent
//! with a version that was revoked before it began. What Locum revokes, the provider refuses from
//! then on, tokens too.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use locum::domain::actor::Role;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::{Profile, Step, north, read, version_used};
use crate::support::McpClient;
use crate::support::api::ApiClient;

const ROTATIONS: usize = 1_000;
/// 500 calls a second.
const PERIOD: Duration = Duration::from_millis(2);
/// A machine that is too slow for them makes as many as it can.
const IN_FLIGHT: usize = 16;

/// What was promoted last, and whether calls are to end.
#[derive(Default)]
struct Progress {
    promoted: AtomicUsize,
    done: AtomicBool,
}

/// A call, and what is wrong with it.
async fn judged(client: McpClient, progress: Arc<Progress>) -> Result<(), String> {
    let begun = progress.promoted.load(Ordering::SeqCst);
    let used = version_used(&read(&client).await)?;
    let known = progress.promoted.load(Ordering::SeqCst);
    // One that is being promoted may be in use before its promotion is acknowledged.
    if (begun..=known + 1).contains(&used) {
        return Ok(());
    }
    Err(format!("begun at {begun}, ended at {known}, used {used}"))
}

/// Calls until progress ends; how many there were, and what was wrong.
async fn calls(client: McpClient, progress: Arc<Progress>) -> (usize, Vec<String>) {
    let mut ticks = interval(PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut made, mut wrong) = (0, Vec::new());
    let mut running: JoinSet<Result<(), String>> = JoinSet::new();
    while !progress.done.load(Ordering::SeqCst) || !running.is_empty() {
        let more = !progress.done.load(Ordering::SeqCst) && running.len() < IN_FLIGHT;
        tokio::select! {
            Some(ended) = running.join_next() => wrong.extend(ended.unwrap().err()),
            _ = ticks.tick(), if more => {
                running.spawn(judged(client.clone(), progress.clone()));
                made += 1;
            }
        }
    }
    (made, wrong)
}

/// Stages, verifies and promotes the version of that number. It is the promotion by the admin API
/// that calls have to know of at once.
async fn rotate(profile: &Profile, api: &ApiClient, number: usize) {
    let id = profile
        .stage(&format!("v-{number}"), "synthetic-secret")
        .await;
    profile.take(Step::Verify, id).await.unwrap();
    let path = format!("/orgs/north/credentials/dev/eka-care/rotations/{id}/promote");
    let promoted = api.post(&path, json!({})).await.ok();
    assert_eq!(promoted["state"], "active");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_rotations_in_a_row_cost_no_call_and_none_uses_what_was_revoked() {
    let (app, profile, client) = north().await;
    let api = app.api(Role::Operator, Some("north")).await;
    let progress = Arc::new(Progress::default());
    progress.promoted.store(1, Ordering::SeqCst);
    let load = tokio::spawn(calls(client, progress.clone()));
    for number in 2..=ROTATIONS + 1 {
        rotate(&profile, &api, number).await;
        progress.promoted.store(number, Ordering::SeqCst);
        // The version before retires; the one before that is revoked.
        let revoked = format!("v-{}", number - 2);
        app.sandbox.pin_secrets(&revoked, Vec::new());
        app.sandbox.revoke_tokens(Some(&revoked));
    }
    progress.done.store(true, Ordering::SeqCst);
    let (made, wrong) = load.await.unwrap();
    assert!(
        wrong.is_empty(),
        "{} of {made}: {:?}",
        wrong.len(),
        &wrong[..wrong.len().min(5)]
    );
    assert!(made > ROTATIONS, "{made}");
    assert_eq!(app.sandbox.stats().refused_logins, 0);
    println!("{made} calls during {ROTATIONS} rotations");
}
