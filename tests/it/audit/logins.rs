//! A login by `credential test` uses a secret: it is on record, whatever came of it.

use locum::sandbox::{Fault, FaultRule};

use super::{all, dev};
use crate::support::TestApp;
use crate::support::app::{PROVIDER, org};
use crate::support::database::alter;

#[tokio::test(flavor = "multi_thread")]
async fn a_test_is_on_record_however_it_ended() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let admin = app.admin();
    let test = async || {
        let report = admin.test_credential(&org("north"), &dev(), PROVIDER).await;
        report.unwrap().ok
    };
    assert!(test().await);
    let login = FaultRule {
        login: true,
        ..FaultRule::every(Fault::ServerError {
            status: 503,
            retry_after_s: None,
        })
    };
    assert!(app.sandbox.add_fault(login));
    assert!(!test().await);
    app.sandbox.clear_faults();
    app.sandbox
        .pin_secrets("north-dev", vec!["another".to_owned()]);
    assert!(!test().await);
    let database = app.running.app().loaded.database().unwrap();
    alter(
        &database,
        "UPDATE credential_fields SET sealed = zeroblob(64)",
    )
    .await;
    assert!(!test().await);

    let version = admin.credentials(None).await.unwrap().remove(0);
    let records = all(&admin).await.into_iter();
    let tests = records.filter(|entry| entry.action == "credential.test");
    let tests: Vec<_> = tests
        .map(|entry| {
            assert_eq!(entry.version, Some(version.id.0));
            assert_eq!(entry.organization.as_deref(), Some("north"));
            entry.outcome
        })
        .collect();
    let wanted = ["ok", "login_unavailable", "credential_refused", "internal"];
    assert_eq!(tests, wanted);
    // Only the endpoint's own no says something about the credential.
    assert!(version.verified_at.is_some());
    let refused = version.refused.unwrap();
    assert_eq!(
        refused.at,
        version.verified_at.unwrap(),
        "the clock stands still"
    );
    assert!(admin.audit_verify(None).await.unwrap().ok);
}
