//! `credential set` on a profile in use: stage, verify and promote in one, or nothing at all.

use locum::domain::credential::CredentialState as State;
use locum::sandbox::{Fault, FaultRule};

use super::{fields, north, used_now};
use crate::support::TestApp;

/// A fault of the token endpoints, for one login.
fn login_fault(app: &TestApp, fault: Fault) {
    assert!(app.sandbox.add_fault(FaultRule {
        login: true,
        count: Some(1),
        ..FaultRule::every(fault)
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_version_is_active_without_a_login_and_the_next_one_logs_in_first() {
    let (app, profile, client) = north().await;
    let first = profile.admin.credentials(None).await.unwrap();
    assert_eq!(first[0].verified_at, None);
    assert!(app.sandbox.requests().is_empty());
    let set = profile
        .admin
        .set_credential(profile.input(true), fields("v-2", "good"));
    let stored = set.await.unwrap();
    assert!(stored.verified_at.is_some());
    assert_eq!(stored.retiring.unwrap().version, 1);
    assert_eq!(app.sandbox.stats().logins, 1);
    assert_eq!(profile.states().await, [State::Retiring, State::Active]);
    assert_eq!(used_now(&app, &client).await, Ok(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_are_refused_leave_nothing_behind_but_a_record() {
    let (app, profile, client) = north().await;
    let before = profile.admin.credentials(None).await.unwrap().len();
    let wrong = fields("v-2", "wrong-secret");
    let refused = profile
        .admin
        .set_credential(profile.input(true), wrong)
        .await;
    let error = refused.unwrap_err();
    assert_eq!(error.code(), "credential_refused");
    let text = error.to_string();
    assert!(
        text.contains("HTTP 401") && text.contains("not stored"),
        "{text}"
    );
    assert!(!text.contains("wrong-secret"), "{text}");
    let after = profile.admin.credentials(None).await.unwrap().len();
    assert_eq!(before, after, "not even a version of it");
    let last = app.audit().await.pop().unwrap();
    assert_eq!(
        (last.action.as_str(), last.outcome.as_str(), last.version),
        ("credential.set", "credential_refused", None)
    );
    assert_eq!(used_now(&app, &client).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_does_not_decide_changes_nothing_and_the_way_around_it_is_named() {
    let (app, profile, client) = north().await;
    let staged = profile.stage("v-2", "synthetic-secret").await;
    let revision = app.revision_of_store().await;
    let faults = [
        Fault::ServerError {
            status: 503,
            retry_after_s: None,
        },
        Fault::RateLimited {
            retry_after_s: Some(60),
        },
        Fault::Reset { after_bytes: 0 },
        Fault::Garbage {},
    ];
    for fault in &faults {
        login_fault(&app, fault.clone());
        let error = profile.take(super::Step::Verify, staged).await.unwrap_err();
        assert!(error.to_string().contains("--unverified"), "{error}");
    }
    assert_eq!(app.revision_of_store().await, revision);
    profile.take(super::Step::Cancel, staged).await.unwrap();
    let revision = app.revision_of_store().await;
    for fault in faults {
        login_fault(&app, fault);
        let set = profile
            .admin
            .set_credential(profile.input(true), fields("v-2", "good"));
        let error = set.await.unwrap_err();
        assert!(error.to_string().contains("--unverified"), "{error}");
    }
    assert_eq!(app.revision_of_store().await, revision);
    assert_eq!(used_now(&app, &client).await, Ok(1));
    let logins = app.sandbox.stats().logins;
    profile.set("v-3", "synthetic-secret").await;
    assert_eq!(app.sandbox.stats().logins, logins, "without a login");
    assert_eq!(used_now(&app, &client).await, Ok(3));
}
