//! Two who change the same credential at once, the server's own administration and a command:
//! nobody's change is lost, and of two promotions one happens.

use locum::domain::clock::{Clock, SystemClock};
use locum::domain::credential::{CredentialState as State, CredentialVersionId};
use tokio::process::Command;

use super::{Profile, Step, fields, north};
use crate::support::TestApp;
use crate::support::commands::{PLACE, feed, words};

const FIELDS: &str = "client_id = \"v-9\"\nclient_secret = \"synthetic-secret\"\n";

/// A command beside the server, on its configuration.
fn command(app: &TestApp, line: &str) -> Command {
    let database = app.running.app().loaded.database().unwrap();
    let folder = database.parent().unwrap().parent().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_locum"));
    command
        .args(words(line, &PLACE))
        .arg("--config")
        .arg(folder.join("locum.toml"))
        .env_remove("LOCUM_CONFIG")
        .env_remove("LOCUM_MASTER_KEY")
        .kill_on_drop(true);
    command
}

/// North on the time that commands go by.
async fn present_north() -> (TestApp, Profile) {
    let (app, profile, _client) = north().await;
    app.clock.set(SystemClock.now());
    (app, profile)
}

/// How often a step with a version is on record.
async fn recorded(app: &TestApp, action: &str, id: CredentialVersionId) -> usize {
    let records = app.audit().await.into_iter();
    let of = records.filter(|event| event.action == action && event.version == Some(id.0));
    of.count()
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_promotions_at_once_one_happens_and_both_are_told_of_it() {
    let (app, profile) = present_north().await;
    for round in 2..10 {
        let id = profile
            .stage(&format!("v-{round}"), "synthetic-secret")
            .await;
        let promote = Step::Promote { unverified: true };
        let mut by_command = command(&app, "credential promote --unverified --json");
        let (mine, other, theirs) = tokio::join!(
            profile.take(promote, id),
            profile.take(promote, id),
            by_command.output(),
        );
        for rotation in [mine.unwrap(), other.unwrap()] {
            assert_eq!(rotation.credential.state, State::Active);
        }
        let theirs = theirs.unwrap();
        assert!(theirs.status.success(), "{theirs:?}");
        assert_eq!(recorded(&app, "credential.promote", id).await, 1);
        let states = profile.states().await;
        assert_eq!(
            states
                .iter()
                .filter(|state| **state == State::Active)
                .count(),
            1
        );
        assert_eq!(
            states
                .iter()
                .filter(|state| **state == State::Retiring)
                .count(),
            1
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_that_stage_at_once_one_is_told_of_the_other() {
    let (app, profile) = present_north().await;
    for _ in 0..5 {
        let mine = profile
            .admin
            .stage_credential(profile.input(true), fields("v-2", "good"));
        let theirs = feed(command(&app, "credential stage --from-file -"), FIELDS);
        let (mine, theirs) = tokio::join!(mine, theirs);
        assert_ne!(mine.is_ok(), theirs.status.success(), "{mine:?} {theirs:?}");
        if let Err(error) = mine {
            assert_eq!(error.code(), "rotation_open");
        }
        let cancelled = command(&app, "credential cancel").output().await.unwrap();
        assert!(cancelled.status.success(), "{cancelled:?}");
    }
    let states = profile.states().await;
    assert_eq!(
        states,
        [&[State::Active][..], &[State::Cancelled; 5]].concat()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_that_are_set_at_once_each_was_active_and_none_is_lost() {
    let (app, profile) = present_north().await;
    let set = |number: usize| {
        let fields = fields(&format!("v-{number}"), "synthetic-secret");
        profile.admin.set_credential(profile.input(true), fields)
    };
    let line = "credential set --from-file -";
    let (one, two, three, four) = tokio::join!(
        set(2),
        set(3),
        feed(command(&app, line), FIELDS),
        feed(command(&app, line), FIELDS),
    );
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    assert!(
        three.status.success() && four.status.success(),
        "{three:?} {four:?}"
    );
    let states = [
        State::Revoked,
        State::Revoked,
        State::Revoked,
        State::Retiring,
        State::Active,
    ];
    assert_eq!(profile.states().await, states);
}
