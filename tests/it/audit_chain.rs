//! The chain of the audit log: whatever is done to it is found, at the record where it was done; what
//! a checkpoint shows; what retention leaves.

use std::fs;
use std::path::Path;
use std::time::Duration;

use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use locum::admin::{Admin, Checkpoint, CheckpointVerdict, Damage, DamageKind, Verification};
use locum::domain::audit::canonical;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::org;
use crate::support::database::{alter, open};
use crate::support::load::spread;
use crate::support::process::soon;
use crate::support::program::Program;

const DATABASE: &str = "data/locum.db";
const YEAR: Duration = Duration::from_secs(365 * 86_400);

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

/// Eight records of calls in one row: its first number, and each record's bytes with its mac.
async fn batch(app: &TestApp) -> (i64, Vec<Vec<u8>>) {
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    let mut database = open(&app.running.app().loaded.database().unwrap()).await;
    for calls in 1.. {
        let client = client.clone();
        let call = move |_| {
            let client = client.clone();
            async move { client.call("search_patients", json!({"prefix": "a"})).await }
        };
        spread(8, 8, call).await;
        let count = "SELECT COALESCE(SUM(last - first + 1), 0) FROM audit_calls";
        soon("the calls are on record", async || {
            let count = sqlx::query_scalar(count).fetch_one(&mut database);
            count.await.is_ok_and(|found: i64| found == 8 * calls)
        })
        .await;
        // They may have been written in two parts.
        let whole = "SELECT first, records FROM audit_calls WHERE last - first = 7";
        let whole = sqlx::query_as(whole).fetch_optional(&mut database).await;
        if let Some((first, records)) = whole.unwrap() {
            let records: Vec<u8> = records;
            return (first, split(&records));
        }
    }
    unreachable!()
}

fn split(mut records: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    while !records.is_empty() {
        let mut rest = records;
        canonical::read(&mut rest).unwrap();
        let (record, rest) = records.split_at(records.len() - rest.len() + 32);
        all.push(record.to_vec());
        records = rest;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_a_record_of_a_call_is_found_there() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let (first, records) = batch(&app).await;
    let path = app.running.app().loaded.database().unwrap();
    let mut database = open(&path).await;
    let alter = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut records = records.clone();
        change(&mut records);
        records.concat()
    };
    let changed = DamageKind::Changed;
    let actor = b"key:".as_slice();
    let place = records[3]
        .windows(4)
        .position(|bytes| bytes == actor)
        .unwrap();
    for (what, blob, at, kind) in [
        ("an actor", alter(&|all| all[3][place + 5] ^= 1), 3, changed),
        (
            "a mac",
            alter(&|all| *all[3].last_mut().unwrap() ^= 1),
            3,
            changed,
        ),
        (
            "no record any more",
            alter(&|all| all[3][0] = 9),
            3,
            changed,
        ),
        (
            "gone",
            alter(&|all| drop(all.remove(3))),
            3,
            DamageKind::Removed { to: first + 3 },
        ),
        (
            "the first is gone",
            alter(&|all| drop(all.remove(0))),
            0,
            DamageKind::Removed { to: first },
        ),
        (
            "said twice",
            alter(&|all| all.insert(4, all[3].clone())),
            3,
            DamageKind::Inserted,
        ),
    ] {
        let update = sqlx::query("UPDATE audit_calls SET records = ? WHERE first = ?");
        update
            .bind(blob)
            .bind(first)
            .execute(&mut database)
            .await
            .unwrap();
        let found = app.admin().audit_verify(None).await.unwrap();
        assert_eq!(
            found.damage,
            Some(Damage {
                seq: first + at,
                kind
            }),
            "{what}"
        );
    }
    let update = sqlx::query("UPDATE audit_calls SET records = ? WHERE first = ?");
    update
        .bind(alter(&|_| ()))
        .bind(first)
        .execute(&mut database)
        .await
        .unwrap();
    assert!(app.admin().audit_verify(None).await.unwrap().ok);
    create(&app.admin(), 0..1).await;
    let remove = sqlx::query("DELETE FROM audit_calls WHERE first = ?");
    remove.bind(first).execute(&mut database).await.unwrap();
    let found = app.admin().audit_verify(None).await.unwrap();
    let kind = DamageKind::Removed { to: first + 7 };
    assert_eq!(found.damage, Some(Damage { seq: first, kind }));
}

/// Whether the holder of the public key signed it, as anybody can find out with that key alone.
fn auditor_accepts(checkpoint: &Value) -> bool {
    let text = |key: &str| checkpoint[key].as_str().unwrap().to_owned();
    let message = format!(
        "{}\ndatabase {}\nseq {}\nmac {}\nat {}\n",
        text("format"),
        text("database"),
        checkpoint["seq"],
        text("mac"),
        text("at")
    );
    let bytes = |key: &str| STANDARD.decode(text(key)).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, bytes("public_key"));
    let signature = bytes("signature");
    key.verify(message.as_bytes(), &signature).is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_end_shows_against_a_checkpoint() {
    let program = Program::init().await;
    for name in ["a", "b", "c"] {
        program.ok(&["org", "create", name, "--name", name]).await;
    }
    let file = program.path("checkpoint.json");
    let file = file.to_str().unwrap();
    program.ok(&["audit", "checkpoint", "--output", file]).await;
    let checkpoint: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    assert_eq!(checkpoint["seq"], 3);
    assert!(auditor_accepts(&checkpoint));
    let mut forged = checkpoint.clone();
    forged["seq"] = json!(2);
    assert!(!auditor_accepts(&forged));

    let verify = ["audit", "verify", "--checkpoint", file];
    program.ok(&["org", "create", "d", "--name", "d"]).await;
    let found = program.json(&verify).await;
    assert_eq!(
        found,
        json!({"ok": true, "records": 4, "first": 1, "last": 4, "removed_to": null,
               "checkpoint": "agrees"})
    );
    alter(
        &program.path(DATABASE),
        "DELETE FROM audit_records WHERE seq > 1",
    )
    .await;
    program.ok(&["audit", "verify"]).await;
    let output = program.run(&verify).await;
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let expected = "BROKEN: the end is cut off: the checkpoint saw records 2 to 3.\n";
    assert_eq!(text, expected);
    // Written anew as far as the checkpoint, by the program itself.
    for name in ["e", "f"] {
        program.ok(&["org", "create", name, "--name", name]).await;
    }
    program.ok(&["audit", "verify"]).await;
    let output = program.run(&[&verify[..], &["--json"]].concat()).await;
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["damage"], json!({"seq": 3, "kind": "rewritten"}));
    assert_eq!(found["checkpoint"], "disagrees");
    // All of it gone.
    alter(&program.path(DATABASE), "DELETE FROM audit_records").await;
    let output = program.run(&[&verify[..], &["--json"]].concat()).await;
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found["damage"], json!({"seq": 1, "kind": "cut", "to": 3}));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_of_something_else_is_refused() {
    let (program, other) = (Program::init().await, Program::init().await);
    let write = |name: &str, text: &str| {
        let path = program.path(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let own = program.ok(&["audit", "checkpoint"]).await;
    let foreign = other.ok(&["audit", "checkpoint"]).await;
    let (own, foreign): (Value, Value) = (
        serde_json::from_str(&own).unwrap(),
        serde_json::from_str(&foreign).unwrap(),
    );
    let with = |changes: &[(&str, &Value)]| {
        let mut changed = own.clone();
        for (key, value) in changes {
            changed[key] = (*value).clone();
        }
        changed.to_string()
    };
    let cases = [
        (foreign.to_string(), "is of another database"),
        (
            with(&[
                ("public_key", &foreign["public_key"]),
                ("signature", &foreign["signature"]),
            ]),
            "signed by another key",
        ),
        (
            with(&[("seq", &json!(7))]),
            "signature of the checkpoint is not right",
        ),
        (
            with(&[("format", &json!("x"))]),
            "no checkpoint of a format",
        ),
        (with(&[("more", &json!("x"))]), "unknown field `more`"),
        ("{}".to_owned(), "missing field"),
    ];
    for (text, message) in &cases {
        let file = write("checkpoint.json", text);
        let failed = program
            .fails(&["audit", "verify", "--checkpoint", &file])
            .await;
        assert!(failed.0 == 1 && failed.1.contains(message), "{failed:?}");
    }
    let file = write("checkpoint.json", &own.to_string());
    program
        .ok(&["audit", "verify", "--checkpoint", &file])
        .await;
}

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
        Some(CheckpointVerdict::Agrees)
    );
    let path = app.running.app().loaded.database().unwrap();
    check_anchor(&admin, &path).await;
    // When all are old, the record of their end remains.
    app.clock.advance(2 * YEAR);
    assert_eq!(admin.audit_retain(YEAR).await.unwrap(), 4);
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

#[tokio::test(flavor = "multi_thread")]
async fn a_server_removes_what_is_old_enough_when_it_starts() {
    let program = Program::init().await;
    for name in ["a", "b", "c"] {
        program.ok(&["org", "create", name, "--name", name]).await;
    }
    // Years have gone by since: the mac covers the time, so what is kept is broken, and only that.
    let path = program.path(DATABASE);
    alter(
        &path,
        "UPDATE audit_records SET at = at - 8 * 365 * 86400000 WHERE seq < 3",
    )
    .await;
    let _server = program.serve().await;
    soon("they are removed", async || {
        let text = program.ok(&["audit", "export", "--format", "jsonl"]).await;
        let entries: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        entries.len() == 2 && entries[0]["seq"] == 3 && entries[1]["action"] == "audit.retention"
    })
    .await;
    program.ok(&["audit", "verify"]).await;
}
