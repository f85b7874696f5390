//! Keys: nothing logs in, a 401 is the provider's no, and a probe is what tells before that.

use std::time::Duration;

use locum::admin::{AdminError, Rotation};
use locum::domain::credential::CredentialState::{Active, Refused, Retiring, Staged};
use locum::domain::credential::{CredentialState, CredentialVersionId};
use locum::domain::health::Standing;
use locum::sandbox::{Endpoint, Fault, FaultRule};
use serde_json::json;

use super::{SECRET, changed, client, north, tests};
use crate::support::TestApp;
use crate::support::app::org;
use crate::support::lab::{LAB, PROFILE, dev, entry, set, set_key};
use crate::support::scrape::Scrape;

const UNPROBED: &str = "probe = { method = \"GET\", path = \"/v1/account\" }\n";

/// Which endpoints were asked since the last look.
fn asked(app: &TestApp) -> Vec<Endpoint> {
    let requests = app.sandbox.requests();
    app.sandbox.clear_requests();
    requests.iter().map(|request| request.endpoint).collect()
}

/// Lets only these secrets in.
fn pin(app: &TestApp, secrets: &[&str]) {
    let secrets = secrets.iter().map(|secret| (*secret).to_owned());
    assert!(app.sandbox.pin_secrets("north-dev", secrets.collect()));
}

/// Waits until the server has written down that the credential stands so; the last failure.
async fn stands(app: &TestApp, wanted: Standing) -> Option<String> {
    for _ in 0..200 {
        let item = app.admin().status(None).await.unwrap().items.remove(0);
        if item.standing == wanted && item.last_login.is_some() {
            return item.last_failure.map(|failure| failure.cause);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("it does not stand {wanted:?}");
}

async fn scrape(app: &TestApp) -> Scrape {
    Scrape::of(&format!("http://{}", app.running.admin)).await
}

async fn states(app: &TestApp) -> Vec<CredentialState> {
    let versions = app.admin().credentials(Some(&org("north"))).await.unwrap();
    versions.iter().rev().map(|version| version.state).collect()
}

async fn stage(app: &TestApp, secret: &str) -> CredentialVersionId {
    let key = format!("north-dev.{secret}");
    let (input, fields) = entry("north", "key", true, &[("api_key", &key)]);
    let staged = app.admin().stage_credential(input, fields).await;
    staged.unwrap().credential.id
}

async fn verify(app: &TestApp, id: CredentialVersionId) -> Result<Rotation, AdminError> {
    let admin = app.admin();
    admin.verify_rotation(&org("north"), &dev(), LAB, id).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_carried_and_nothing_logs_in() {
    let app = north(PROFILE).await;
    set_key(&app, "north", "synthetic").await.unwrap();
    let client = client(&app).await;
    let before = scrape(&app).await;
    for _ in 0..3 {
        assert!(tests(&client).await.is_ok());
        // Longer than any token lives.
        app.clock.advance(Duration::from_secs(3 * 86_400));
    }
    assert_eq!(asked(&app), [Endpoint::LabTests; 3]);
    let moved = scrape(&app).await.counted_since(&before);
    let logins: Vec<_> = moved
        .iter()
        .filter(|(name, _)| name.contains("login"))
        .collect();
    assert!(logins.is_empty(), "{logins:?}");
    // An accepted request is as good as a login.
    assert_eq!(stands(&app, Standing::Ok).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_is_sent_once_a_call_and_known_to_be_refused() {
    let app = north(PROFILE).await;
    set_key(&app, "north", "synthetic").await.unwrap();
    let client = client(&app).await;
    assert!(tests(&client).await.is_ok());
    asked(&app);
    pin(&app, &["another"]);
    app.clock.advance(Duration::from_secs(1));
    for _ in 0..3 {
        let reply = tests(&client).await;
        assert_eq!(
            reply.failure()["error_code"],
            "credential_refused",
            "{}",
            reply.body
        );
        assert_eq!(reply.failure()["status_code"], 401);
        assert!(reply.failure()["retry_after"].is_null(), "no back-off");
        assert_eq!(asked(&app), [Endpoint::LabTests]);
    }
    let cause = "credential_refused: the provider refused the credential: HTTP 401";
    assert_eq!(
        stands(&app, Standing::Refused).await.as_deref(),
        Some(cause)
    );
    let due = app.admin().rotation_due(None, None).await.unwrap();
    assert!(
        due.iter().any(|item| json!(item.reason) == "refused"),
        "{due:?}"
    );
    // The provider changes its mind: the very next call goes through.
    pin(&app, &["synthetic"]);
    app.clock.advance(Duration::from_secs(1));
    assert!(tests(&client).await.is_ok());
    // Most calls of the last hour failed, but that is another matter.
    stands(&app, Standing::Failing).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_whether_a_key_is_good_before_it_is_used() {
    let app = north(PROFILE).await;
    pin(&app, &["first", "second"]);
    set_key(&app, "north", "first").await.unwrap();
    let test = || async {
        let (admin, north) = (app.admin(), org("north"));
        admin.test_credential(&north, &dev(), LAB).await.unwrap()
    };
    assert_eq!(test().await.message, "Authentication successful");
    assert_eq!(asked(&app), [Endpoint::LabAccount]);
    let refused = set_key(&app, "north", "third")
        .await
        .unwrap_err()
        .to_string();
    assert!(
        refused.contains("HTTP 401 (The client id or the secret is invalid)"),
        "{refused}"
    );
    set_key(&app, "north", "second").await.unwrap();
    assert_eq!(states(&app).await, [Retiring, Active]);

    let wrong = stage(&app, "third").await;
    assert_eq!(verify(&app, wrong).await.unwrap().credential.state, Refused);
    let right = stage(&app, "first").await;
    // What is neither yes nor no changes nothing.
    app.sandbox.add_fault(FaultRule {
        count: Some(1),
        ..FaultRule::every(Fault::ServerError {
            status: 503,
            retry_after_s: None,
        })
    });
    let failed = verify(&app, right).await.unwrap_err();
    assert_eq!(failed.code(), "login_unavailable");
    assert!(
        failed
            .to_string()
            .starts_with("the probe answered HTTP 503"),
        "{failed}"
    );
    let verified = verify(&app, right).await.unwrap().credential;
    assert!(verified.state == Staged && verified.verified_at.is_some());

    pin(&app, &["first"]);
    let report = test().await;
    assert!(report.tried && !report.ok);
    assert_eq!(
        report.message,
        "the probe refused the credential: HTTP 401 (The client id or the secret is invalid)"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_probe_there_is_nothing_to_try_and_that_is_said() {
    let app = north(&changed(UNPROBED, "")).await;
    set_key(&app, "north", "first").await.unwrap();
    let (admin, place) = (app.admin(), org("north"));
    let report = admin.test_credential(&place, &dev(), LAB).await.unwrap();
    assert!(!report.ok && !report.tried);
    let nothing = "the flow `key` has no login and no probe, so there is nothing to try";
    assert_eq!(report.message, nothing);
    for refused in [
        set_key(&app, "north", "second").await.unwrap_err(),
        verify(&app, stage(&app, "third").await).await.unwrap_err(),
    ] {
        assert_eq!(refused.code(), "nothing_to_try");
        let text = refused.to_string();
        assert!(
            text.starts_with(nothing) && text.contains("--unverified"),
            "{text}"
        );
    }
    assert_eq!(states(&app).await, [Active, Staged]);
    assert!(asked(&app).is_empty());
}

/// A key that works, and a newer one in its place.
async fn two_keys(profile: &str) -> TestApp {
    let app = north(profile).await;
    pin(&app, &["first", "second"]);
    for secret in ["first", "second"] {
        let key = format!("north-dev.{secret}");
        let (input, fields) = entry("north", "key", false, &[("api_key", &key)]);
        app.admin().set_credential(input, fields).await.unwrap();
    }
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_return_to_the_former_key_when_its_probe_is_answered_well() {
    let app = two_keys(PROFILE).await;
    let client = client(&app).await;
    assert!(tests(&client).await.is_ok());
    pin(&app, &["first"]);
    asked(&app);
    assert!(
        tests(&client).await.is_ok(),
        "the very call that met the refusal"
    );
    let probes = [Endpoint::LabAccount; 2];
    assert_eq!(
        asked(&app),
        [&[Endpoint::LabTests], &probes[..], &[Endpoint::LabTests]].concat()
    );
    assert_eq!(states(&app).await, [Active, Refused]);
    let records = app.audit().await;
    assert!(
        records
            .iter()
            .any(|record| record.action == "credential.return")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_returns_because_of_one_endpoint_or_without_a_probe() {
    let app = two_keys(PROFILE).await;
    let client_of_first = client(&app).await;
    app.sandbox.add_fault(FaultRule {
        path: Some("/lab/v1/tests".to_owned()),
        ..FaultRule::every(Fault::Unauthorized {})
    });
    let reply = tests(&client_of_first).await;
    assert_eq!(reply.failure()["error_code"], "credential_refused");
    assert_eq!(
        states(&app).await,
        [Retiring, Active],
        "the probe says that the key is good"
    );

    let app = two_keys(&changed(UNPROBED, "")).await;
    let client = client(&app).await;
    pin(&app, &["first"]);
    let reply = tests(&client).await;
    assert_eq!(reply.failure()["error_code"], "credential_refused");
    assert_eq!(asked(&app), [Endpoint::LabTests]);
    assert_eq!(states(&app).await, [Retiring, Active]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_can_be_a_user_and_a_password_on_every_request() {
    let header = "name = \"X-Api-Key\"\nvalue = \"{api_key}\"";
    let basic = "name = \"Authorization\"\n\
                 basic = { user = \"{client_id}\", password = \"{client_secret}\" }";
    let profile =
        changed(header, basic).replace("requires = [\"api_key\"]", "requires = [\"client_id\"]");
    let app = north(&profile).await;
    pin(&app, &[SECRET]);
    let fields = [("client_id", "north-dev"), ("client_secret", SECRET)];
    set(&app, "north", "key", &fields).await.unwrap();
    assert!(tests(&client(&app).await).await.is_ok());
    assert_eq!(asked(&app), [Endpoint::LabTests]);
    assert_eq!(app.sandbox.stats().clients["north-dev"].requests, 1);
}
