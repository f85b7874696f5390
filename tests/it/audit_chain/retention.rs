//! Retention: old records go, the rest is verifiable, and nobody moves the end of what went.

use std::path::Path;
use std::time::Duration;

use locum::admin::{Admin, Checkpoint, CheckpointVerdict, Damage, DamageKind};
use locum::domain::clock::Clock;

use super::create;
use crate::support::TestApp;
use crate::support::database::alter;

const YEAR: Duration = Duration::from_secs(365 * 86_400);

async fn verdict(admin: &Admin, checkpoint: &Checkpoint) -> Option<CheckpointVerdict> {
    let found = admin.audit_verify(Some(checkpoint)).await.unwrap();
    assert!(found.ok, "{found:?}");
    found.checkpoint
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_removes_old_records_and_the_rest_is_verifiable() {
    let app = TestApp::builder().start().await;
    let admin = app.admin();
    create(&admin, 0..4).await;
    let old = admin.audit_checkpoint().await.unwrap();
    create(&admin, 4..6).await;
    let edge = admin.audit_checkpoint().await.unwrap();
    app.clock.advance(YEAR + Duration::from_secs(1));
    create(&admin, 6..9).await;
    assert_eq!(admin.audit_retain(2 * YEAR).await.unwrap(), 0);
    assert_eq!(admin.audit_retain(YEAR).await.unwrap(), 6);
    assert_eq!(admin.audit_retain(YEAR).await.unwrap(), 0);
    let found = admin.audit_verify(None).await.unwrap();
    assert!(found.ok, "{found:?}");
    assert_eq!((found.first, found.last), (Some(7), Some(10)));
    assert_eq!(found.removed_to, Some(6));
    assert_eq!(verdict(&admin, &old).await, Some(CheckpointVerdict::Older));
    assert_eq!(
        verdict(&admin, &edge).await,
        Some(CheckpointVerdict::Anchor)
    );
    let path = app.running.app().loaded.database().unwrap();
    check_anchor(&admin, &path).await;
    // When all are old, the record of their end remains.
    app.clock.advance(2 * YEAR);
    let before = app.clock.now() - YEAR;
    let removed = admin.audit_retain_before(before, YEAR).await;
    assert_eq!(removed.unwrap(), 4);
    let found = admin.audit_verify(None).await.unwrap();
    assert!(
        found.ok && found.first == Some(11) && found.last == Some(11),
        "{found:?}"
    );
    create(&admin, 9..10).await;
    assert!(admin.audit_verify(None).await.unwrap().ok);
}

/// Nobody moves the end of what was removed.
async fn check_anchor(admin: &Admin, path: &Path) {
    alter(path, "CREATE TABLE kept AS SELECT * FROM audit_anchor").await;
    for (change, kind, seq) in [
        ("UPDATE audit_anchor SET seq = 5", DamageKind::Anchor, 5),
        (
            "UPDATE audit_anchor SET mac = zeroblob(32)",
            DamageKind::Anchor,
            6,
        ),
        (
            "UPDATE audit_anchor SET seal = zeroblob(32)",
            DamageKind::Anchor,
            6,
        ),
        ("DELETE FROM audit_anchor", DamageKind::Removed { to: 6 }, 1),
    ] {
        alter(path, change).await;
        let found = admin.audit_verify(None).await.unwrap();
        assert_eq!(found.damage, Some(Damage { seq, kind }), "{change}");
        let restore = "DELETE FROM audit_anchor; INSERT INTO audit_anchor SELECT * FROM kept";
        alter(path, restore).await;
    }
    alter(path, "DROP TABLE kept").await;
    assert!(admin.audit_verify(None).await.unwrap().ok);
}
