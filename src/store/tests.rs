//! Upgrades: what a pending migration does to a database that is in use, and to one that it
//! cannot bring up to date.

use std::borrow::Cow;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use sqlx::migrate::{Migration, MigrationType};
use sqlx::{AssertSqlSafe, SqlSafeStr};
use tempfile::TempDir;

use super::*;

const NOTES: &str =
    "CREATE TABLE notes (text TEXT NOT NULL) STRICT; INSERT INTO notes VALUES ('new')";
const MORE: &str = "CREATE TABLE more (text TEXT NOT NULL) STRICT";

/// This program's migrations as they are, and more of a later one.
fn later(more: &[&str]) -> Migrator {
    let mut all: Vec<Migration> = schema::MIGRATIONS.iter().cloned().collect();
    for sql in more {
        let sql = AssertSqlSafe((*sql).to_owned()).into_sql_str();
        let version = last(&all) + 1;
        let name = Cow::from("later");
        all.push(Migration::new(
            version,
            name,
            MigrationType::Simple,
            sql,
            false,
        ));
    }
    Migrator::with_migrations(all)
}

/// This program's migrations as they were before one.
fn before(version: i64) -> Migrator {
    let all = schema::MIGRATIONS.iter();
    let all = all.filter(|known| known.version < version).cloned();
    Migrator::with_migrations(all.collect::<Vec<_>>())
}

fn last(all: &[Migration]) -> i64 {
    all.iter().map(|known| known.version).max().unwrap()
}

/// The number of the first migration that this program does not have.
fn next() -> i64 {
    last(&schema::MIGRATIONS.iter().cloned().collect::<Vec<_>>()) + 1
}

/// A database of this program with a row in it, and its folder.
async fn database() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locum.db");
    let store = Store::open(&path, true).await.unwrap();
    execute(
        &store,
        "INSERT INTO admin_tokens (id, role, hash, created_at) VALUES ('kept', 'owner', x'00', 1)",
    )
    .await;
    store.close().await;
    (folder, path)
}

async fn execute(store: &Store, sql: &'static str) {
    sqlx::query(sql).execute(&store.writer).await.unwrap();
}

async fn count(store: &Store, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql)
        .fetch_one(&store.readers)
        .await
        .unwrap()
}

const KEPT: &str = "SELECT COUNT(*) FROM admin_tokens WHERE id = 'kept'";
const TABLES: &str = "SELECT COUNT(*) FROM sqlite_schema WHERE name IN ('notes', 'more')";

fn names(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

fn backup_name() -> String {
    format!("locum.db.before-{}", next())
}

#[tokio::test]
async fn a_new_database_needs_no_backup_and_an_old_one_without_news_gets_none() {
    let (folder, path) = database().await;
    assert_eq!(names(&folder), ["locum.db"]);
    Store::open(&path, false).await.unwrap().close().await;
    assert_eq!(names(&folder), ["locum.db"]);
}

#[tokio::test]
async fn an_upgrade_leaves_a_backup_that_the_old_program_opens() {
    let (folder, path) = database().await;
    let new = later(&[NOTES, MORE]);
    let store = Store::open_with(&path, false, &new, Former::IsToBeKept)
        .await
        .unwrap();
    assert_eq!(
        (count(&store, KEPT).await, count(&store, TABLES).await),
        (1, 2)
    );
    store.close().await;
    assert_eq!(names(&folder), ["locum.db", backup_name().as_str()]);
    let backup = folder.path().join(backup_name());
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o7777, 0o600);

    let before = fs::read(&path).unwrap();
    let refused = Store::open(&path, false).await.err().unwrap();
    assert!(matches!(refused, StoreError::NewerSchema(_)), "{refused}");
    assert!(
        before == fs::read(&path).unwrap(),
        "the old program changed it"
    );
    // Downgrade: the backup takes the database's place.
    fs::rename(&backup, &path).unwrap();
    let store = Store::open(&path, false).await.unwrap();
    assert_eq!(
        (count(&store, KEPT).await, count(&store, TABLES).await),
        (1, 0)
    );
    store.close().await;
}

#[tokio::test]
async fn an_upgrade_that_fails_changes_nothing_and_can_be_repeated() {
    let (folder, path) = database().await;
    let broken = later(&[NOTES, "CREATE TABLE admin_tokens (id TEXT) STRICT"]);
    for _ in 0..2 {
        let error = Store::open_with(&path, false, &broken, Former::IsToBeKept)
            .await
            .err()
            .unwrap();
        assert!(matches!(error, StoreError::Migration { .. }), "{error}");
        let store = Store::open(&path, false).await.unwrap();
        assert_eq!(
            (count(&store, KEPT).await, count(&store, TABLES).await),
            (1, 0)
        );
        store.close().await;
        assert_eq!(names(&folder), ["locum.db", backup_name().as_str()]);
    }
    let store = Store::open_with(&path, false, &later(&[NOTES]), Former::IsToBeKept)
        .await
        .unwrap();
    assert_eq!(count(&store, TABLES).await, 1);
    store.close().await;
}

#[tokio::test]
async fn without_a_backup_there_is_no_upgrade() {
    let (folder, path) = database().await;
    let backup = folder.path().join(backup_name());
    // A folder stands where the file has to go: nobody can write it, not even root.
    fs::create_dir_all(backup.join("in the way")).unwrap();
    let before = fs::read(&path).unwrap();
    let new = later(&[NOTES]);
    let error = Store::open_with(&path, false, &new, Former::IsToBeKept)
        .await
        .err()
        .unwrap();
    let StoreError::Backup { backup: named, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*named, backup);
    assert!(error.to_string().contains("nothing was changed"), "{error}");
    assert!(before == fs::read(&path).unwrap(), "{error}");
    assert_eq!(names(&folder), ["locum.db", backup_name().as_str()]);
    fs::remove_dir_all(&backup).unwrap();
    Store::open_with(&path, false, &new, Former::IsToBeKept)
        .await
        .unwrap()
        .close()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_that_start_together_upgrade_once() {
    let (folder, path) = database().await;
    let opening = (0..8).map(|_| {
        let path = path.clone();
        tokio::spawn(async move {
            Store::open_with(&path, false, &later(&[NOTES]), Former::IsToBeKept).await
        })
    });
    let opening: Vec<_> = opening.collect();
    for store in opening {
        let store = store.await.unwrap().unwrap();
        assert_eq!(count(&store, "SELECT COUNT(*) FROM notes").await, 1);
        store.close().await;
    }
    assert_eq!(names(&folder), ["locum.db", backup_name().as_str()]);
}

#[tokio::test]
async fn a_schema_of_another_build_is_refused() {
    let (_folder, path) = database().await;
    let store = Store::open(&path, false).await.unwrap();
    execute(
        &store,
        "UPDATE _sqlx_migrations SET checksum = x'00' WHERE version = 1",
    )
    .await;
    store.close().await;
    let before = fs::read(&path).unwrap();
    let error = Store::open(&path, false).await.err().unwrap();
    assert!(
        matches!(error, StoreError::ForeignSchema { version: 1, .. }),
        "{error}"
    );
    let error = peek(&path).await.err().unwrap();
    assert!(matches!(error, StoreError::ForeignSchema { .. }), "{error}");
    assert!(before == fs::read(&path).unwrap());
}

#[tokio::test]
async fn a_partial_backup_of_a_killed_upgrade_is_replaced() {
    let (folder, path) = database().await;
    let partial = folder.path().join(format!("{}.partial", backup_name()));
    fs::write(&partial, "half a backup").unwrap();
    fs::set_permissions(&partial, fs::Permissions::from_mode(0o644)).unwrap();
    let new = later(&[NOTES]);
    Store::open_with(&path, false, &new, Former::IsToBeKept)
        .await
        .unwrap()
        .close()
        .await;
    assert_eq!(names(&folder), ["locum.db", backup_name().as_str()]);
    let backup = folder.path().join(backup_name());
    assert_eq!(fs::metadata(&backup).unwrap().mode() & 0o7777, 0o600);
}

#[tokio::test]
async fn batches_of_calls_from_before_get_the_mac_of_their_last_record() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locum.db");
    let old = Store::open_with(&path, true, &before(8), Former::IsToBeKept)
        .await
        .unwrap();
    // Two batches that end with other bytes than they begin with, and records of changes.
    for (first, last_byte) in [(1, "01"), (4, "02")] {
        let records = format!("{}{}", "ff".repeat(5_000), last_byte.repeat(32));
        let insert = format!(
            "INSERT INTO audit_calls (first, last, earliest, latest, organizations, records)
             VALUES ({first}, {first} + 1, 7, 8, x'', x'{records}')"
        );
        sqlx::query(AssertSqlSafe(insert))
            .execute(&old.writer)
            .await
            .unwrap();
    }
    old.close().await;
    let store = Store::open(&path, false).await.unwrap();
    let mut write = store.write().await.unwrap();
    let head = write.audit_head().await.unwrap().unwrap();
    assert_eq!((head.seq, head.mac), (5, [2; 32]));
    drop(write);
    let kept = "SELECT COUNT(*) FROM audit_calls
                WHERE length(records) = 5032 AND mac = substr(records, -32) AND latest = 8";
    assert_eq!(count(&store, kept).await, 2);
    store.close().await;
}

#[test]
fn who_waited_too_long_for_others_that_read_may_try_again() {
    let error = StoreError::from(sqlx::Error::PoolTimedOut);
    assert!(matches!(error, StoreError::Crowded) && error.may_pass());
}
