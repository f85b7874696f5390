//! A rotation of the master key that is killed at every system call by which it writes: `status`
//! says so, and the next one finishes it.

use std::fs;

use super::{DATABASE, KEY, assert_whole, ids, installation, status};
use crate::support::database::open;
use crate::support::load::spread;
use crate::support::strace::killed_at;

/// Those of SQLite, and those of the key file.
const WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink,write,rename,renameat,renameat2";

/// Whether anything is sealed under another key than the ring's active one.
async fn is_open(program: &crate::support::program::Program) -> bool {
    let text = fs::read_to_string(program.path(KEY)).unwrap();
    let mut lines = text.lines().filter(|line| line.contains(" active "));
    let active = lines.next().unwrap().split(' ').next().unwrap().to_owned();
    let mut database = open(&program.path(DATABASE)).await;
    let others: i64 = sqlx::query_scalar(
        "SELECT (SELECT COUNT(*) FROM organization_keys WHERE kek_id != ?1)
              + (SELECT COUNT(*) FROM audit_key WHERE kek_id != ?1)
              + (SELECT COUNT(*) FROM installation WHERE kek_id != ?1)",
    )
    .bind(active)
    .fetch_one(&mut database)
    .await
    .unwrap();
    others > 0
}

/// What a rotation was killed in the middle of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Found {
    /// Nothing had changed.
    Before,
    /// Between the new key and the last re-wrapped one.
    Open,
    Done,
}

async fn round(n: usize) -> (Found, bool) {
    let program = installation().await;
    let output = killed_at(&program, &["master-key", "rotate"], "", WRITES, n).await;
    let open = is_open(&program).await;
    let text = format!("{n}: {output:?}");
    let said = program.run(&["master-key", "status", "--json"]).await;
    assert!(said.status.success(), "{text}: {said:?}");
    let shown: serde_json::Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!(shown["complete"], !open, "{text}: {shown}");
    let stderr = String::from_utf8(said.stderr).unwrap();
    assert_eq!(
        stderr.contains("was interrupted. `locum"),
        open,
        "{text}: {stderr}"
    );
    let keys = shown["keys"].as_array().unwrap().len();
    let found = match (keys, open) {
        (1, _) => Found::Before,
        (_, true) => Found::Open,
        (_, false) => Found::Done,
    };
    // Whatever is there, everything can be read.
    program.ok(&["check"]).await;
    program.ok(&["audit", "verify"]).await;
    if found != Found::Done {
        program.ok(&["master-key", "rotate"]).await;
    }
    let after = assert_whole(&program).await;
    assert_eq!(
        after["keys"].as_array().unwrap().len(),
        2,
        "{text}: {after}"
    );
    assert_eq!(ids(&after, "retired").len(), 1);
    assert!(after.get("draft").is_none(), "{after}");
    (found, output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotation_that_is_killed_at_any_write_is_finished_by_the_next() {
    const AT_ONCE: usize = 12;
    let mut seen = Vec::new();
    for first in (1..400).step_by(AT_ONCE) {
        let ends = spread(AT_ONCE, 3, move |number| round(first + number)).await;
        seen.extend(ends.iter().map(|(found, _)| *found));
        if ends[AT_ONCE - 1].1 {
            break;
        }
    }
    for found in [Found::Before, Found::Open, Found::Done] {
        assert!(seen.contains(&found), "{found:?} is not in {seen:?}");
    }
    assert!(seen.is_sorted(), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_is_in_the_file_or_not_when_its_removal_is_killed() {
    for n in 1..100 {
        let program = installation().await;
        program.ok(&["master-key", "rotate"]).await;
        let old = ids(&status(&program).await, "retired").remove(0);
        let prune = ["master-key", "prune", old.as_str()];
        let output = killed_at(&program, &prune, "", WRITES, n).await;
        let there = fs::read_to_string(program.path(KEY))
            .unwrap()
            .contains(&old);
        if output.status.success() {
            assert!(!there && n > 5, "{n}");
            return;
        }
        if there {
            program.ok(&prune).await;
        }
        let after = assert_whole(&program).await;
        assert!(
            ids(&after, "retired").is_empty() && after.get("draft").is_none(),
            "{n}: {after}"
        );
        let log = program.ok(&["audit", "tail", "--json"]).await;
        assert!(log.contains("master_key.remove"), "{n}: no record");
    }
    panic!("more than 100 writes");
}
