//! The chain goes through the batches of calls: what is done in one is found at its record.

use locum::admin::{Damage, DamageKind};
use locum::domain::audit::canonical;
use serde_json::json;

use super::create;
use crate::support::TestApp;
use crate::support::database::open;
use crate::support::load::spread;
use crate::support::process::soon;

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
    // What the next record would follow.
    for mac in [vec![0; 32], Vec::new()] {
        let update = sqlx::query("UPDATE audit_calls SET mac = ? WHERE first = ?");
        update
            .bind(mac)
            .bind(first)
            .execute(&mut database)
            .await
            .unwrap();
        let found = app.admin().audit_verify(None).await.unwrap();
        let seq = first + 7;
        assert_eq!(found.damage, Some(Damage { seq, kind: changed }));
    }
    let update = sqlx::query("UPDATE audit_calls SET mac = substr(records, -32) WHERE first = ?");
    update.bind(first).execute(&mut database).await.unwrap();
    create(&app.admin(), 0..1).await;
    let remove = sqlx::query("DELETE FROM audit_calls WHERE first = ?");
    remove.bind(first).execute(&mut database).await.unwrap();
    let found = app.admin().audit_verify(None).await.unwrap();
    let kind = DamageKind::Removed { to: first + 7 };
    assert_eq!(found.damage, Some(Damage { seq: first, kind }));
}
