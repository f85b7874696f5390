//! Every step from every state: what it comes to, that it may be repeated, and that a refused or
//! repeated one changes and records nothing.

use std::time::Duration;

use locum::domain::credential::CredentialState as State;
use locum::domain::credential::CredentialVersionId;

use super::{Profile, Step, north};
use crate::support::TestApp;
use crate::support::app::org;
use crate::support::commands::{self, PLACE, clinic, words};
use crate::support::process::{serve_logged, soon};

/// What a step comes to: the state after it, or the code of the refusal.
type Outcome = Result<State, &'static str>;

const OVER: Outcome = Err("rotation_state");

/// What the rows are about. Version 1 was active before; `Retiring` is about that one.
const STARTS: [&str; 7] = [
    "staged",
    "verified",
    "refused",
    "active",
    "retiring",
    "revoked",
    "cancelled",
];

/// A row for each step, a column for each start.
const TABLE: [(Option<Step>, [Outcome; 7]); 6] = [
    (
        Some(Step::Verify),
        [
            Ok(State::Staged),
            Ok(State::Staged),
            Ok(State::Refused),
            Ok(State::Active),
            OVER,
            OVER,
            OVER,
        ],
    ),
    (
        Some(Step::Promote { unverified: false }),
        [
            Err("rotation_unverified"),
            Ok(State::Active),
            OVER,
            Ok(State::Active),
            OVER,
            OVER,
            OVER,
        ],
    ),
    (
        Some(Step::Promote { unverified: true }),
        [
            Ok(State::Active),
            Ok(State::Active),
            OVER,
            Ok(State::Active),
            OVER,
            OVER,
            OVER,
        ],
    ),
    (
        Some(Step::Rollback),
        [
            Ok(State::Staged),
            Ok(State::Staged),
            OVER,
            Ok(State::Staged),
            OVER,
            OVER,
            OVER,
        ],
    ),
    (
        Some(Step::Cancel),
        [
            Ok(State::Cancelled),
            Ok(State::Cancelled),
            Ok(State::Cancelled),
            OVER,
            OVER,
            OVER,
            Ok(State::Cancelled),
        ],
    ),
    // Revoke, which goes by the version's number.
    (
        None,
        [
            Ok(State::Revoked),
            Ok(State::Revoked),
            Ok(State::Revoked),
            Ok(State::Revoked),
            Ok(State::Revoked),
            Ok(State::Revoked),
            Ok(State::Cancelled),
        ],
    ),
];

/// A profile whose version 2 (retiring: 1) is as a column says, and that version's id.
async fn start(app: &TestApp, slug: &str, column: usize) -> (Profile, CredentialVersionId) {
    let created = app.admin().create_organization(org(slug), slug).await;
    created.unwrap();
    let profile = Profile::new(app, slug);
    profile.set("v-1", "synthetic-secret").await;
    let secret = if STARTS[column] == "refused" {
        "wrong-secret"
    } else {
        "synthetic-secret"
    };
    let id = profile.stage("v-2", secret).await;
    match STARTS[column] {
        "staged" => {}
        "verified" | "refused" => drop(profile.take(Step::Verify, id).await.unwrap()),
        "revoked" => drop(profile.revoke(Some(2)).await.unwrap()),
        "cancelled" => drop(profile.take(Step::Cancel, id).await.unwrap()),
        _ => {
            let promote = Step::Promote { unverified: true };
            profile.take(promote, id).await.unwrap();
        }
    }
    if STARTS[column] != "retiring" {
        return (profile, id);
    }
    let versions = profile.admin.credentials(Some(&profile.organization)).await;
    let first = versions.unwrap().into_iter().find(|one| one.version == 1);
    (profile, first.unwrap().id)
}

async fn outcome(
    profile: &Profile,
    step: Option<Step>,
    id: CredentialVersionId,
    number: i64,
) -> Outcome {
    let result = match step {
        Some(step) => profile.take(step, id).await,
        None => profile.revoke(Some(number)).await,
    };
    match result {
        Ok(rotation) => {
            assert_eq!(rotation.credential.id, id);
            Ok(rotation.credential.state)
        }
        Err(error) => Err(error.code()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_from_every_state_is_as_the_table_says_and_may_be_repeated() {
    let app = TestApp::builder().start().await;
    for (row, (step, outcomes)) in TABLE.iter().enumerate() {
        for (column, expected) in outcomes.iter().enumerate() {
            let what = format!("{step:?} of {}", STARTS[column]);
            let (profile, id) = start(&app, &format!("org-{row}-{column}"), column).await;
            let number = if STARTS[column] == "retiring" { 1 } else { 2 };
            let before = (app.revision_of_store().await, app.audit().await.len());
            assert_eq!(
                outcome(&profile, *step, id, number).await,
                *expected,
                "{what}"
            );
            let states = profile.states().await;
            let after = (app.revision_of_store().await, app.audit().await.len());
            if expected.is_err() {
                assert_eq!(before, after, "{what} was refused and changed something");
            }
            // A login may be repeated; nothing else has anything to do the second time.
            if *step == Some(Step::Verify) && *expected == Ok(State::Staged) {
                continue;
            }
            let unverified = *expected == Err("rotation_unverified");
            assert!(unverified || outcome(&profile, *step, id, number).await == *expected);
            assert_eq!(profile.states().await, states, "{what} again");
            let again = (app.revision_of_store().await, app.audit().await.len());
            assert_eq!(after, again, "{what} again changed or recorded something");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_is_on_record_with_what_it_ended() {
    let (app, profile, _client) = north().await;
    let begun = app.audit().await.len();
    let two = profile.promote_next("v-2").await;
    let three = profile.stage("v-3", "synthetic-secret").await;
    for step in [
        Step::Verify,
        Step::Promote { unverified: false },
        Step::Rollback,
        Step::Cancel,
    ] {
        // The rollback would go back to version 2, which is retiring then.
        profile.take(step, three).await.unwrap();
    }
    let four = profile.stage("v-4", "wrong-secret").await;
    profile.take(Step::Verify, four).await.unwrap();
    let five = profile.stage("v-5", "synthetic-secret").await;
    profile.revoke(None).await.unwrap();
    let versions = app.admin().credentials(None).await.unwrap();
    let one = versions.iter().find(|version| version.version == 1);
    let one = one.unwrap().id;
    let records = app.audit().await.into_iter().skip(begun);
    let seen: Vec<_> = records
        .map(|event| (event.action, event.version, event.outcome, event.target))
        .collect();
    let ok = |action: &str, version| {
        let CredentialVersionId(version) = version;
        (action.to_owned(), Some(version), "ok".to_owned(), None)
    };
    let unverified =
        |(action, version, outcome, _)| (action, version, outcome, Some("unverified".to_owned()));
    let refused =
        |(action, version, _, target)| (action, version, "credential_refused".to_owned(), target);
    assert_eq!(
        seen,
        [
            ok("credential.stage", two),
            unverified(ok("credential.promote", two)),
            ok("credential.stage", three),
            ok("credential.verify", three),
            ok("credential.promote", three),
            ok("credential.revoke", one),
            ok("credential.rollback", three),
            ok("credential.cancel", three),
            ok("credential.stage", four),
            refused(ok("credential.verify", four)),
            ok("credential.stage", five),
            ok("credential.revoke", four),
            ok("credential.revoke", two),
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_change_of_a_profile_at_a_time() {
    let (app, profile, _client) = north().await;
    let staged = profile.stage("v-2", "synthetic-secret").await;
    let another = super::fields("v-3", "synthetic-secret");
    let refused = profile.admin.stage_credential(profile.input(true), another);
    assert_eq!(refused.await.unwrap_err().code(), "rotation_open");
    let another = super::fields("v-3", "synthetic-secret");
    let refused = profile.admin.set_credential(profile.input(false), another);
    let refused = refused.await.unwrap_err();
    assert!(
        refused.to_string().contains("locum credential cancel"),
        "{refused}"
    );
    assert_eq!(profile.states().await, [State::Active, State::Staged]);
    // Another profile is another matter.
    let created = app.admin().create_organization(org("south"), "south").await;
    created.unwrap();
    Profile::new(&app, "south")
        .stage("v-9", "synthetic-secret")
        .await;
    // While the former one retires, the next may be staged; then there is no way back to it.
    let promote = Step::Promote { unverified: true };
    profile.take(promote, staged).await.unwrap();
    let next = profile.stage("v-3", "synthetic-secret").await;
    let error = profile.take(Step::Rollback, staged).await.unwrap_err();
    assert_eq!(error.code(), "rotation_open");
    profile.take(Step::Cancel, next).await.unwrap();
    profile.take(Step::Rollback, staged).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_version_keeps_the_endpoints_words_and_makes_room_for_the_next() {
    let (_app, profile, _client) = north().await;
    let refused = profile.stage("v-2", "wrong-secret").await;
    let rotation = profile.take(Step::Verify, refused).await.unwrap();
    let words = rotation.credential.refused.unwrap().message;
    assert!(
        words.contains("401") && words.contains("invalid"),
        "{words}"
    );
    assert!(!words.contains("wrong-secret"), "{words}");
    assert_eq!(rotation.active_version, Some(1));
    let promote = Step::Promote { unverified: true };
    assert!(
        profile.take(promote, refused).await.is_err(),
        "never promoted"
    );
    profile.stage("v-3", "synthetic-secret").await;
    let states = [State::Active, State::Revoked, State::Staged];
    assert_eq!(profile.states().await, states);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_whose_grace_is_over_is_revoked_by_the_clock() {
    let (app, profile, client) = north().await;
    let two = profile.promote_next("v-2").await;
    let grace = Duration::from_secs(24 * 3600);
    app.clock.advance(grace - Duration::from_millis(1));
    // Longer than the task's period: it has looked, and has left it as it is.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(profile.states().await, [State::Retiring, State::Active]);
    app.clock.advance(Duration::from_millis(1));
    // Whether the task has come by or not.
    let error = profile.take(Step::Rollback, two).await.unwrap_err();
    assert_eq!(error.code(), "no_way_back");
    soon("the end of its grace", async || {
        profile.states().await == [State::Revoked, State::Active]
    })
    .await;
    let last = app.audit().await.pop().unwrap();
    assert_eq!(
        (last.action.as_str(), last.actor.as_str()),
        ("credential.grace_end", "locum")
    );
    assert_eq!(super::used_now(&app, &client).await, Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_grace_is_made_up_for_at_the_start() {
    let (program, _sandbox) = clinic().await;
    let fields = "client_id = \"v-2\"\nclient_secret = \"synthetic-secret\"\n";
    let mut set = program.command(&words("credential set --from-file -", &PLACE));
    set.env("LOCUM__ROTATION__GRACE", "1ms");
    let set = commands::feed(set, fields).await;
    assert!(set.status.success());
    let states = async || {
        let list = program.json(&["credential", "list", "--all"]).await;
        let items = list["items"].as_array().unwrap().iter();
        items
            .map(|item| item["state"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        states().await,
        ["active", "retiring"],
        "nobody has looked yet"
    );
    let (_server, _) = serve_logged(&program, &[]).await;
    soon("the end of its grace", async || {
        states().await == ["active", "revoked"]
    })
    .await;
}
