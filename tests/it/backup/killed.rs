//! A backup or a restore that is killed at every system call by which it writes: the database is
//! there, the old one or the new one, whole; and the next attempt comes to its end.

use std::fs;
use std::path::Path;

use sqlx::Connection;

use crate::support::database::open;
use crate::support::load::spread;
use crate::support::records::Records;
use crate::support::strace::killed_at;

use super::{DATABASE, before_restore, installation};

/// Those of SQLite, and those of files that get other names.
const WRITES: &str =
    "pwrite64,fsync,fdatasync,ftruncate,unlink,write,link,linkat,rename,renameat,renameat2";
const AT_ONCE: usize = 12;

/// Whether the backup was there, and whether the command came to its end.
async fn backup(n: usize) -> (bool, bool) {
    let program = installation().await;
    let before = Records::read(&program.path(DATABASE)).await;
    let output = killed_at(&program, &["backup", "copy.db"], "", WRITES, n).await;
    let now = Records::read(&program.path(DATABASE)).await;
    // But for a record of the backup.
    let recorded = now.audit > before.audit;
    assert_eq!(
        Records {
            audit: before.audit,
            ..now
        },
        before,
        "{n}"
    );
    let there = program.path("copy.db").exists();
    assert!(recorded || !there, "{n}: no record, no backup");
    if there {
        program.ok(&["restore", "copy.db"]).await;
    } else {
        program.ok(&["backup", "copy.db"]).await;
    }
    assert_eq!(
        Records::read(&program.path("copy.db")).await.keys,
        before.keys
    );
    (there, output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_killed_is_good_or_is_not_there() {
    for first in (1..400).step_by(AT_ONCE) {
        let ends = spread(AT_ONCE, 3, move |number| backup(first + number)).await;
        assert!(
            first > 1 || !ends[0].0,
            "nothing was killed: is strace allowed to?"
        );
        if ends[AT_ONCE - 1].1 {
            return;
        }
    }
    panic!("more than 400 writes");
}

/// The last change of a database is in its log and not in its file.
async fn leave_a_log(path: &Path) {
    let mut database = open(path).await;
    let change = "UPDATE organizations SET name = 'in the log' WHERE slug = 'south'";
    sqlx::query(change).execute(&mut database).await.unwrap();
    let with = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        name
    };
    for end in ["", "-wal"] {
        fs::copy(with(end), with(&format!("{end}.kept"))).unwrap();
    }
    database.close().await.unwrap();
    for end in ["", "-wal"] {
        fs::rename(with(&format!("{end}.kept")), with(end)).unwrap();
    }
    assert!(fs::metadata(with("-wal")).unwrap().len() > 0);
}

/// Whether the backup was the database then, and whether the command came to its end.
async fn restore(n: usize) -> (bool, bool) {
    let program = installation().await;
    program.ok(&["backup", "copy.db"]).await;
    let copy = Records::read(&program.path("copy.db")).await;
    program.organization("south", &["dev"]).await;
    // As a server that was killed leaves it: what is newest is in the log alone.
    leave_a_log(&program.path(DATABASE)).await;
    let output = killed_at(&program, &["restore", "copy.db"], "", WRITES, n).await;
    let now = Records::read(&program.path(DATABASE)).await;
    let done = match now.organizations.get("south") {
        None => {
            assert_eq!(before_restore(now), copy, "{n}: {output:?}");
            true
        }
        Some((name, _)) => {
            assert_eq!(name, "in the log", "{n}: {output:?}");
            false
        }
    };
    program.ok(&["check"]).await;
    program.ok(&["audit", "verify"]).await;
    program.ok(&["restore", "copy.db"]).await;
    let after = Records::read(&program.path(DATABASE)).await;
    assert_eq!(before_restore(after), copy, "{n}");
    (done, output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_that_is_killed_leaves_the_old_database_or_the_new_one() {
    let mut seen = Vec::new();
    for first in (1..400).step_by(AT_ONCE) {
        let ends = spread(AT_ONCE, 3, move |number| restore(first + number)).await;
        seen.extend(ends.iter().map(|(done, _)| *done));
        if ends[AT_ONCE - 1].1 {
            assert!(!seen[0] && seen.is_sorted(), "{seen:?}");
            return;
        }
    }
    panic!("more than 400 writes");
}
