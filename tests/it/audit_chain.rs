//! The chain of the audit log: whatever is done to it is found, at the record where it was done.

mod calls;
mod checkpoint;
mod retention;

use locum::admin::{Admin, Damage, DamageKind, Verification};

use crate::support::TestApp;
use crate::support::app::org;
use crate::support::database::alter;

const DATABASE: &str = "data/locum.db";

async fn create(admin: &Admin, names: std::ops::Range<usize>) {
    for number in names {
        let name = format!("clinic-{number}");
        admin.create_organization(org(&name), &name).await.unwrap();
    }
}

/// What verifying finds in a log of ten records that somebody has altered so; the log is as it was
/// afterwards.
async fn found_after(app: &TestApp, statements: &str) -> Verification {
    let path = app.running.app().loaded.database().unwrap();
    let keep = "CREATE TABLE kept AS SELECT * FROM audit_records";
    alter(&path, keep).await;
    alter(&path, statements).await;
    let found = app.admin().audit_verify(None).await.unwrap();
    let restore = "DELETE FROM audit_records; DELETE FROM audit_anchor;
                   INSERT INTO audit_records SELECT * FROM kept; DROP TABLE kept";
    alter(&path, restore).await;
    found
}

/// Opens a place in the numbers, or closes it: from `first` on they move by `by`.
fn renumber(first: i64, by: i64) -> String {
    format!(
        "UPDATE audit_records SET seq = -(seq + {by}) WHERE seq >= {first};
         UPDATE audit_records SET seq = -seq WHERE seq < 0;"
    )
}

/// A copy of a record under another number.
fn copy(from: i64, to: i64) -> String {
    format!(
        "INSERT INTO audit_records SELECT {to}, at, actor, organization_id, organization,
             environment, provider, action, target, version_id, outcome, duration_us,
             request_id, mac FROM audit_records WHERE seq = {from};"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_a_record_is_found_there() {
    let app = TestApp::builder().start().await;
    create(&app.admin(), 0..10).await;
    let set =
        |change: &str, seq: i64| format!("UPDATE audit_records SET {change} WHERE seq = {seq}");
    let remove = |what: &str| format!("DELETE FROM audit_records WHERE seq {what};");
    let swap = "UPDATE audit_records SET seq = -5 WHERE seq = 5;
                UPDATE audit_records SET seq = 5 WHERE seq = 6;
                UPDATE audit_records SET seq = 6 WHERE seq = -5;";
    let far = "UPDATE audit_records SET seq = -2 WHERE seq = 2;
               UPDATE audit_records SET seq = 2 WHERE seq = 9;
               UPDATE audit_records SET seq = 9 WHERE seq = -2;";
    let moved = "UPDATE audit_records SET seq = 11 WHERE seq = 3;
                 UPDATE audit_records SET seq = -(seq - 1) WHERE seq BETWEEN 4 AND 8;
                 UPDATE audit_records SET seq = -seq WHERE seq < 0;
                 UPDATE audit_records SET seq = 8 WHERE seq = 11;";
    let changed = DamageKind::Changed;
    let removed = |to| DamageKind::Removed { to };
    let anchor = "INSERT INTO audit_anchor VALUES (1, 4, zeroblob(32), zeroblob(32))";
    for (statements, seq, kind) in [
        (set("outcome = 'failed'", 5), 5, changed),
        (set("at = at + 1", 1), 1, changed),
        (set("actor = 'local:else'", 10), 10, changed),
        (set("organization = 'No Slug!'", 7), 7, changed),
        (set("organization_id = x'00'", 7), 7, changed),
        (set("target = ''", 7), 7, changed),
        (set("request_id = 'a'", 7), 7, changed),
        (set("duration_us = 0", 7), 7, changed),
        (set("mac = zeroblob(32)", 5), 5, changed),
        (set("mac = x''", 5), 5, changed),
        (remove("= 5"), 5, removed(5)),
        (remove("BETWEEN 4 AND 6"), 4, removed(6)),
        (remove("= 1"), 1, removed(1)),
        (remove("= 5") + &renumber(6, -1), 5, removed(5)),
        (remove("BETWEEN 4 AND 6") + &renumber(7, -3), 4, removed(6)),
        (renumber(5, 1) + &copy(2, 5), 5, DamageKind::Inserted),
        (renumber(1, 1) + &copy(9, 1), 1, DamageKind::Inserted),
        (copy(3, -7), -7, DamageKind::Inserted),
        (copy(3, 11), 11, changed),
        (swap.to_owned(), 5, DamageKind::Reordered { at: 6 }),
        (far.to_owned(), 2, DamageKind::Reordered { at: 9 }),
        (moved.to_owned(), 3, DamageKind::Reordered { at: 8 }),
        (anchor.to_owned(), 4, DamageKind::Anchor),
    ] {
        let found = found_after(&app, &statements).await;
        assert!(!found.ok, "{statements}");
        assert_eq!(found.damage, Some(Damage { seq, kind }), "{statements}");
    }
    let found = app.admin().audit_verify(None).await.unwrap();
    assert!(found.ok && found.records == 10, "{found:?}");
}
