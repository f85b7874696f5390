//! What calls use while a credential changes, and the automatic return.

use std::time::Duration;

use locum::domain::credential::CredentialState as State;
use locum::domain::health::TokenState;
use locum::domain::notice::Urgency;
use locum::sandbox::{Endpoint, Fault, FaultRule, Sandbox};

use super::{Step, north, read, used_now, version_used};
use crate::support::load::{eventually, spread};

const PROMOTE: Step = Step::Promote { unverified: true };

/// Requests to the login endpoint, granted or not.
fn attempts(sandbox: &Sandbox, client_id: &str) -> u64 {
    let stats = sandbox.stats();
    let client = stats.clients.get(client_id);
    client.map_or(0, |client| {
        client.endpoints.get(&Endpoint::Login).copied().unwrap_or(0)
    })
}

/// The provider has nothing more to do with a client id: no login and no token of it counts.
fn refuse(sandbox: &Sandbox, client_id: &str) {
    assert!(sandbox.pin_secrets(client_id, Vec::new()));
    sandbox.revoke_tokens(Some(client_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_use_what_is_active_and_nothing_that_is_only_staged() {
    let (app, profile, client) = north().await;
    assert_eq!(used_now(&app, &client).await, Ok(1));
    let id = profile.stage("v-2", "synthetic-secret").await;
    assert_eq!(used_now(&app, &client).await, Ok(1));
    profile.take(Step::Verify, id).await.unwrap();
    assert_eq!(used_now(&app, &client).await, Ok(1));
    profile.take(PROMOTE, id).await.unwrap();
    assert_eq!(used_now(&app, &client).await, Ok(2));
    profile.take(Step::Rollback, id).await.unwrap();
    assert_eq!(used_now(&app, &client).await, Ok(1));
    assert_eq!(attempts(&app.sandbox, "v-1"), 1, "its token was kept");
    profile.take(PROMOTE, id).await.unwrap();
    profile.revoke(Some(1)).await.unwrap();
    assert_eq!(used_now(&app, &client).await, Ok(2));
    let revoked = profile.revoke(None).await.unwrap();
    assert_eq!(
        (revoked.credential.version, revoked.active_version),
        (2, None)
    );
    let failed = used_now(&app, &client).await.unwrap_err();
    assert!(failed.contains("no active credential"), "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_in_flight_finish_with_theirs_and_no_call_is_sent_with_a_revoked_one() {
    let (app, profile, client) = north().await;
    assert_eq!(used_now(&app, &client).await, Ok(1));
    // At the upstream when the version is promoted away.
    app.sandbox.add_fault(FaultRule {
        count: Some(20),
        ..FaultRule::every(Fault::Slow { delay_ms: 1_500 })
    });
    let slow = client.clone();
    let slow = tokio::spawn(spread(20, 20, move |_| {
        let client = slow.clone();
        async move { version_used(&read(&client).await) }
    }));
    let sandbox = app.sandbox.clone();
    eventually("twenty calls in flight", || sandbox.stats().requests == 21).await;
    profile.promote_next("v-2").await;
    assert_eq!(used_now(&app, &client).await, Ok(2));
    assert_eq!(slow.await.unwrap(), vec![Ok(1); 20]);
    // The gateway has not looked since, and has a token for what was revoked: the login of
    // version 3 cannot end before version 2 has.
    app.sandbox.add_fault(FaultRule {
        login: true,
        client_id: Some("v-3".to_owned()),
        count: Some(1),
        ..FaultRule::every(Fault::Slow { delay_ms: 1_500 })
    });
    profile.promote_next("v-3").await;
    app.running.refresh().await.unwrap();
    let waiting = client.clone();
    let waiting = tokio::spawn(async move { version_used(&read(&waiting).await) });
    let sandbox = app.sandbox.clone();
    eventually("a login with version 3", || attempts(&sandbox, "v-3") == 1).await;
    profile.promote_next("v-4").await;
    profile.revoke(Some(3)).await.unwrap();
    app.running.refresh().await.unwrap();
    assert_eq!(waiting.await.unwrap(), Ok(4));
    let seen = app.sandbox.stats().clients["v-3"].requests;
    assert_eq!(seen, 0, "its token came too late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_version_gives_way_to_the_one_before_and_no_call_fails() {
    no_call_fails_when_a_version_is_refused(FormersToken::IsGood).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_version_gives_way_although_the_token_of_the_one_before_is_dead() {
    no_call_fails_when_a_version_is_refused(FormersToken::IsDead).await;
}

#[derive(PartialEq)]
enum FormersToken {
    IsGood,
    IsDead,
}

async fn no_call_fails_when_a_version_is_refused(former: FormersToken) {
    const CALLS: usize = 300;
    let (app, profile, client) = north().await;
    assert_eq!(used_now(&app, &client).await, Ok(1));
    profile.promote_next("v-2").await;
    assert_eq!(used_now(&app, &client).await, Ok(2));
    let records = app.audit().await.len();
    refuse(&app.sandbox, "v-2");
    let logins = match former {
        FormersToken::IsGood => 1,
        FormersToken::IsDead => 2,
    };
    if former == FormersToken::IsDead {
        app.sandbox.revoke_tokens(Some("v-1"));
    }
    let calls = spread(CALLS, CALLS, {
        let client = client.clone();
        move |_| {
            let client = client.clone();
            async move { version_used(&read(&client).await) }
        }
    });
    assert_eq!(calls.await, vec![Ok(1); CALLS]);
    assert_eq!(profile.states().await, [State::Active, State::Refused]);
    let versions = profile.admin.credentials(None).await.unwrap();
    let words = &versions[0].refused.as_ref().unwrap().message;
    assert!(words.contains("401"), "{words}");
    let new: Vec<_> = app.audit().await.into_iter().skip(records).collect();
    assert_eq!(new.len(), 1, "{new:?}");
    let event = &new[0];
    assert_eq!(
        (event.actor.as_str(), event.action.as_str()),
        ("locum", "credential.return")
    );
    assert_eq!(event.version, Some(versions[1].id.0));
    assert_eq!(
        attempts(&app.sandbox, "v-2"),
        2,
        "one login, and one that was refused"
    );
    assert_eq!(attempts(&app.sandbox, "v-1"), logins);
    assert_eq!(used_now(&app, &client).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_by_a_call_verifies_a_version_and_stays_with_it() {
    let (app, profile, client) = north().await;
    let admin = app.admin();
    let of_organization = async || admin.organization(&profile.organization).await.unwrap();
    let before = of_organization().await.revision;
    assert_eq!(used_now(&app, &client).await, Ok(1));
    // The gateway writes it down every five seconds, later where the machine has much to do.
    let verified = async |number: usize, what: &str| {
        for _ in 0..1200 {
            let versions = admin.credentials(None).await.unwrap();
            let version = &versions[versions.len() - number];
            if let Some(at) = version.verified_at {
                return at;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("not within a minute: {what}");
    };
    let first = verified(1, "the login of the first").await;
    assert_eq!(
        of_organization().await.revision,
        before,
        "nobody changed it"
    );
    app.clock.advance(Duration::from_secs(60));
    profile.promote_next("v-2").await;
    assert_eq!(used_now(&app, &client).await, Ok(2));
    verified(2, "the login of the second").await;
    refuse(&app.sandbox, "v-2");
    assert_eq!(used_now(&app, &client).await, Ok(1));
    assert_eq!(profile.states().await, [State::Active, State::Refused]);
    assert_eq!(attempts(&app.sandbox, "v-1"), 1, "its token was good still");
    let mut item = None;
    for _ in 0..400 {
        let report = admin.status(None).await.unwrap();
        item = report.items.into_iter().next();
        if item
            .as_ref()
            .is_some_and(|item| item.token == TokenState::Cached)
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let item = item.unwrap();
    assert_eq!(
        (item.version, item.token),
        (1, TokenState::Cached),
        "{item:?}"
    );
    assert_eq!(item.last_login, Some(first));
    assert_eq!(verified(1, "the first one's").await, first);
    app.clock.advance(Duration::from_secs(2 * 86_400));
    let due = admin.rotation_due(None, None).await.unwrap();
    assert!(
        due.iter()
            .all(|item| item.urgency != Urgency::NeverVerified),
        "{due:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_the_login_is_no_reason_to_return() {
    let (app, profile, client) = north().await;
    assert_eq!(used_now(&app, &client).await, Ok(1));
    profile.promote_next("v-2").await;
    app.running.refresh().await.unwrap();
    for fault in [
        Fault::ServerError {
            status: 500,
            retry_after_s: None,
        },
        Fault::RateLimited {
            retry_after_s: None,
        },
        Fault::Reset { after_bytes: 0 },
        Fault::Garbage {},
    ] {
        app.sandbox.clear_faults();
        app.sandbox.add_fault(FaultRule {
            login: true,
            client_id: Some("v-2".to_owned()),
            ..FaultRule::every(fault.clone())
        });
        for _ in 0..5 {
            assert!(read(&client).await.is_error(), "{fault:?}");
        }
        assert_eq!(
            profile.states().await,
            [State::Retiring, State::Active],
            "{fault:?}"
        );
        app.clock.advance(Duration::from_secs(75));
    }
    app.sandbox.clear_faults();
    app.clock.advance(Duration::from_secs(75));
    assert_eq!(used_now(&app, &client).await, Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_both_are_refused_nothing_changes_and_neither_is_tried_all_the_time() {
    let (app, profile, client) = north().await;
    profile.promote_next("v-2").await;
    app.running.refresh().await.unwrap();
    refuse(&app.sandbox, "v-1");
    refuse(&app.sandbox, "v-2");
    let revision = app.revision_of_store().await;
    for _ in 0..20 {
        assert_eq!(
            read(&client).await.failure()["error_code"],
            "credential_refused"
        );
    }
    let tried = ["v-1", "v-2"].map(|id| attempts(&app.sandbox, id));
    assert_eq!(tried, [1, 1]);
    for _ in 0..60 {
        app.clock.advance(Duration::from_secs(1));
        assert!(read(&client).await.is_error());
    }
    for id in ["v-1", "v-2"] {
        assert!((2..=8).contains(&attempts(&app.sandbox, id)), "{id}");
    }
    assert_eq!(app.revision_of_store().await, revision);
    // The former one works again: the next look finds it.
    app.sandbox
        .pin_secrets("v-1", vec!["synthetic-secret".to_owned()]);
    app.clock.advance(Duration::from_secs(80));
    assert_eq!(used_now(&app, &client).await, Ok(1));
    assert_eq!(profile.states().await, [State::Active, State::Refused]);
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_no_return_to_a_version_whose_grace_is_over() {
    let (app, profile, client) = north().await;
    profile.promote_next("v-2").await;
    app.running.refresh().await.unwrap();
    refuse(&app.sandbox, "v-2");
    // Whether the task that revokes it has come by or not.
    app.clock.advance(Duration::from_secs(24 * 3600));
    assert_eq!(
        read(&client).await.failure()["error_code"],
        "credential_refused"
    );
    assert_eq!(attempts(&app.sandbox, "v-1"), 0);
    assert_eq!(profile.states().await[1], State::Active);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_leaves_an_open_rotation_alone() {
    let (app, profile, client) = north().await;
    profile.promote_next("v-2").await;
    let three = profile.stage("v-3", "synthetic-secret").await;
    refuse(&app.sandbox, "v-2");
    assert_eq!(used_now(&app, &client).await, Ok(1));
    let states = [State::Active, State::Refused, State::Staged];
    assert_eq!(profile.states().await, states);
    profile.take(PROMOTE, three).await.unwrap();
    assert_eq!(used_now(&app, &client).await, Ok(3));
}
