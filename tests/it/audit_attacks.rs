//! Somebody who can write the database, but has no master key, works against the audit log: nothing
//! that they do makes the program remove, hide or forget a record.

use std::time::Duration;

use jiff::SignedDuration;
use locum::admin::{Admin, AdminError, CheckpointVerdict, Damage, DamageKind};
use locum::app::{self, App, Surroundings};
use locum::audit::AuditError;
use locum::config::Loaded;
use locum::domain::actor::Actor;
use locum::domain::clock::{Clock, ManualClock, SystemClock};
use serde_json::json;

use crate::support::app::org;
use crate::support::commands::clinic;
use crate::support::database::{alter, open};
use crate::support::process::{serve_logged, soon};
use crate::support::program::Program;
use crate::support::scrape::Scrape;
use crate::support::{McpClient, TestApp};

const DATABASE: &str = "data/locum.db";
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

async fn create(admin: &Admin, names: std::ops::Range<usize>) {
    for number in names {
        let name = format!("clinic-{number}");
        admin.create_organization(org(&name), &name).await.unwrap();
    }
}

async fn damage(admin: &Admin) -> Option<Damage> {
    admin.audit_verify(None).await.unwrap().damage
}

/// An installation whose first three records were written so many days ago.
async fn written_ago(days: i64) -> Program {
    let program = Program::init().await;
    app::install_crypto_provider();
    let then = SystemClock.now() - SignedDuration::from_hours(24 * days);
    let loaded = Loaded::read(&program.path("locum.toml"), []).unwrap();
    let clock = std::sync::Arc::new(ManualClock::new(then));
    let app = App::open(loaded, &Surroundings::default(), clock).await;
    let app = app.unwrap();
    create(&app.admin(Actor::Locum), 0..3).await;
    app.close().await;
    program
}

async fn sequences(program: &Program) -> Vec<i64> {
    let page = program.json(&["audit", "tail"]).await;
    let items = page["items"].as_array().unwrap().iter();
    items.map(|item| item["seq"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_removes_what_is_old_enough_when_it_starts() {
    let program = written_ago(6 * 365 + 10).await;
    program.ok(&["org", "create", "new", "--name", "new"]).await;
    let _server = program.serve().await;
    soon("they are removed", async || {
        sequences(&program).await == [4, 5]
    })
    .await;
    let found = program.json(&["audit", "verify"]).await;
    assert_eq!(
        (&found["ok"], &found["removed_to"]),
        (&json!(true), &json!(3))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_made_old_stay_and_the_server_says_so() {
    let program = Program::init().await;
    for name in ["a", "b", "c"] {
        program.ok(&["org", "create", name, "--name", name]).await;
    }
    let path = program.path(DATABASE);
    alter(&path, "UPDATE audit_records SET at = 0, actor = 'nobody'").await;
    let (_server, log) = serve_logged(&program, &[]).await;
    let text = || std::fs::read_to_string(&log).unwrap();
    soon("it is logged", async || {
        text().contains("old audit records could not be removed")
    })
    .await;
    assert!(text().contains("record 1 was changed"), "{}", text());
    let line = text();
    let line = line.lines().find(|line| line.contains("serving")).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    let url = format!("http://{}", event["admin"].as_str().unwrap());
    let metrics = Scrape::of(&url).await.text;
    assert!(
        metrics.contains("locum_audit_retention_failed 1\n"),
        "{metrics}"
    );
    assert_eq!(sequences(&program).await, [1, 2, 3]);
    for command in [&["audit", "verify"][..], &["check"]] {
        let output = program.run(command).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains("record 1 was changed"), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn how_old_a_record_is_it_says_itself() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let (admin, path) = (app.admin(), app.running.app().loaded.database().unwrap());
    calls(&app, 3).await;
    app.clock.advance(YEAR - DAY);
    let retain = async || admin.audit_retain(YEAR).await;
    alter(&path, "CREATE TABLE kept AS SELECT * FROM audit_calls").await;
    for (change, seq, beside) in [
        ("UPDATE audit_records SET at = 0 WHERE seq = 2", 2, false),
        ("UPDATE audit_calls SET earliest = 0, latest = 0", 4, true),
        (
            "INSERT INTO audit_anchor VALUES (1, 3, zeroblob(32), zeroblob(32))",
            3,
            false,
        ),
    ] {
        let at = "SELECT at FROM audit_records WHERE seq = 2";
        let at: i64 = sqlx::query_scalar(at)
            .fetch_one(&mut open(&path).await)
            .await
            .unwrap();
        alter(&path, change).await;
        // It looks no further than to the first that is not old, and removes nothing that is not sound.
        match retain().await {
            Ok(removed) => assert_eq!(removed, 0, "{change}"),
            Err(AdminError::Audit(AuditError::Damaged(found))) => assert_eq!(found.seq, seq),
            Err(error) => panic!("{change}: {error:?}"),
        }
        let found = damage(&admin).await.unwrap();
        assert_eq!(found.seq, seq, "{change}");
        let mislabelled = matches!(found.kind, DamageKind::Mislabelled { .. });
        assert_eq!(mislabelled, beside, "{change}: {found:?}");
        alter(
            &path,
            &format!(
                "UPDATE audit_records SET at = {at} WHERE seq = 2; DELETE FROM audit_anchor;
                 DELETE FROM audit_calls; INSERT INTO audit_calls SELECT * FROM kept"
            ),
        )
        .await;
    }
    // As it was written, nothing is old yet; then all of it is.
    assert_eq!(retain().await.unwrap(), 0);
    app.clock.advance(2 * DAY);
    assert_eq!(retain().await.unwrap(), 6);
    assert_eq!(damage(&admin).await, None);
}

/// Calls on record, in one batch or several.
async fn calls(app: &TestApp, count: i64) {
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    for _ in 0..count {
        client.call("search_patients", json!({"prefix": "a"})).await;
    }
    let mut database = open(&app.running.app().loaded.database().unwrap()).await;
    soon("the calls are on record", async || {
        let sum = "SELECT COALESCE(SUM(last - first + 1), 0) FROM audit_calls";
        let found = sqlx::query_scalar(sum).fetch_one(&mut database).await;
        found.is_ok_and(|found: i64| found >= count)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_erases_nothing() {
    let app = TestApp::builder().start().await;
    let admin = app.admin();
    create(&admin, 0..3).await;
    app.clock.advance(10 * YEAR);
    let error = admin.audit_retain(6 * YEAR).await.unwrap_err();
    let is_refused = matches!(error, AdminError::Audit(AuditError::MuchIsOld { .. }));
    assert!(is_refused, "{error:?}");
    assert_eq!(admin.audit_verify(None).await.unwrap().records, 3);
    // Somebody who looked at a calendar.
    let end = app.clock.now() - 6 * YEAR;
    let late = admin.audit_retain_before(end + DAY, 6 * YEAR).await;
    assert!(matches!(late, Err(AdminError::Unfit { .. })), "{late:?}");
    assert_eq!(admin.audit_retain_before(end, 6 * YEAR).await.unwrap(), 3);
    assert_eq!(damage(&admin).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_so_removes_much_at_once() {
    let program = written_ago(8 * 365).await;
    let today = SystemClock.now();
    let late = (today - SignedDuration::from_hours(24 * 365)).to_string();
    let (code, text) = program.fails(&["audit", "retain", "--before", &late]).await;
    assert!(code == 1 && text.contains("audit.retention"), "{text}");
    let day = (today - SignedDuration::from_hours(24 * 7 * 365)).to_string();
    let removed = program.json(&["audit", "retain", "--before", &day]).await;
    assert_eq!(removed, json!({"removed": 3}));
    let page = program.json(&["audit", "tail"]).await;
    assert_eq!(page["items"][0]["action"], "audit.retention");
    assert!(
        page["items"][0]["actor"]
            .as_str()
            .unwrap()
            .starts_with("local:")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_says_nothing_of_what_was_removed() {
    let app = TestApp::builder().start().await;
    let admin = app.admin();
    create(&admin, 0..3).await;
    let checkpoint = admin.audit_checkpoint().await.unwrap();
    app.clock.advance(YEAR + DAY);
    assert_eq!(admin.audit_retain(YEAR).await.unwrap(), 3);
    let found = admin.audit_verify(Some(&checkpoint)).await.unwrap();
    assert_eq!(found.checkpoint, Some(CheckpointVerdict::Anchor));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_beside_a_batch_cannot_hide_its_records() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let (admin, path) = (app.admin(), app.running.app().loaded.database().unwrap());
    calls(&app, 3).await;
    let batches = "SELECT first, last FROM audit_calls ORDER BY first";
    let batches: Vec<(i64, i64)> = sqlx::query_as(batches)
        .fetch_all(&mut open(&path).await)
        .await
        .unwrap();
    let (first, last) = *batches.last().unwrap();
    alter(&path, "CREATE TABLE kept AS SELECT * FROM audit_calls").await;
    let mislabelled = Damage {
        seq: first,
        kind: DamageKind::Mislabelled { to: last },
    };
    for change in [
        "organizations = x''",
        "organizations = zeroblob(16)",
        "organizations = CAST(organizations || zeroblob(16) AS BLOB)",
        "earliest = earliest + 1",
        "latest = latest - 1",
        "latest = 0",
        "last = last + 1",
        "last = 9223372036854775807",
        "first = first + 100, last = last + 100",
    ] {
        alter(
            &path,
            &format!("UPDATE audit_calls SET {change} WHERE first = {first}"),
        )
        .await;
        assert_eq!(damage(&admin).await, Some(mislabelled.clone()), "{change}");
        let restore = "DELETE FROM audit_calls; INSERT INTO audit_calls SELECT * FROM kept";
        alter(&path, restore).await;
    }
    // Rows without records, wherever they stand.
    for number in [i64::MIN, -5, 0, last + 1, i64::MAX] {
        let plant =
            format!("INSERT INTO audit_calls VALUES ({number}, {number}, x'', 0, 0, x'', x'')");
        alter(&path, &plant).await;
        assert!(damage(&admin).await.is_some(), "{number}");
        alter(
            &path,
            &format!("DELETE FROM audit_calls WHERE first = {number}"),
        )
        .await;
    }
    assert_eq!(damage(&admin).await, None);
}

/// A record with this number, such as the program never wrote.
fn planted(seq: i64) -> String {
    format!(
        "INSERT INTO audit_records (seq, at, actor, action, outcome, mac)
         VALUES ({seq}, 0, 'nobody', 'x', 'ok', zeroblob(32))"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_highest_number_there_is_stops_the_log_and_nothing_else() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (server, log) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    let path = program.path(DATABASE);
    for seq in [i64::MIN, i64::MAX] {
        alter(&path, &planted(seq)).await;
        let output = program.run(&["audit", "verify"]).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.starts_with("BROKEN: "), "{seq}: {text}");
        if seq == i64::MAX {
            let call = client.call("search_patients", json!({"prefix": "a"}));
            assert!(call.await.is_ok());
            let create = ["org", "create", "south", "--name", "s"];
            let (code, text) = program.fails(&create).await;
            assert!(
                code == 1 && text.contains("the highest number there is"),
                "{text}"
            );
            soon("the recorder has tried", async || {
                let log = std::fs::read_to_string(&log).unwrap();
                log.contains("calls cannot be recorded")
            })
            .await;
        }
        let remove = format!("DELETE FROM audit_records WHERE seq = {seq}");
        alter(&path, &remove).await;
    }
    soon("the call is on record after all", async || {
        let tail = ["audit", "tail", "--action", "call *"];
        program.json(&tail).await["items"].as_array().unwrap().len() == 1
    })
    .await;
    program.ok(&["audit", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_key_was_taken_away_is_no_new_log() {
    let program = Program::init().await;
    let begun = "SELECT COUNT(*) FROM audit_key";
    let path = program.path(DATABASE);
    let count: i64 = sqlx::query_scalar(begun)
        .fetch_one(&mut open(&path).await)
        .await
        .unwrap();
    assert_eq!(count, 1, "the log has its key from the beginning");
    let backup = program.path("good.db");
    let backup = backup.to_str().unwrap();
    program.ok(&["org", "create", "a", "--name", "a"]).await;
    program.ok(&["backup", backup]).await;
    let attack = "DELETE FROM audit_key; DELETE FROM audit_records; DELETE FROM audit_calls";
    alter(&path, attack).await;
    for command in [
        &["audit", "verify"][..],
        &["check"],
        &["org", "list"],
        &["serve"],
    ] {
        let (code, text) = program.fails(command).await;
        assert!(
            code == 78 && text.contains("the key of the audit log is gone"),
            "{text}"
        );
    }
    let count: i64 = sqlx::query_scalar(begun)
        .fetch_one(&mut open(&path).await)
        .await
        .unwrap();
    assert_eq!(count, 0);
    program.ok(&["restore", backup]).await;
    program.ok(&["audit", "verify"]).await;
}
