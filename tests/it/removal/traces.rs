//! Bytes of what was deleted: sealed values, wrapped keys, hashes of secrets; in the database and in
//! its log, while the server serves, and after a deletion that was killed.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use sqlx::Row;

use crate::support::database::open;
use crate::support::load::spread;
use crate::support::process::{serve_logged, soon};
use crate::support::program::Program;
use crate::support::strace::killed_at;

const DATABASE: &str = "data/locum.db";
const WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink,write";
const CHUNK: usize = 8;

/// Everything sealed that is of organizations whose id begins so.
async fn sealed_of(path: &Path, beginning: &str) -> Vec<Vec<u8>> {
    let mut database = open(path).await;
    let rows = sqlx::query(
        "SELECT k.sealed FROM organization_keys k JOIN organizations o ON o.id = organization_id
             WHERE o.slug LIKE ?1 || '%'
         UNION ALL SELECT f.sealed FROM credential_fields f
             JOIN credential_versions v ON v.id = f.version_id
             JOIN organizations o ON o.id = v.organization_id
             WHERE o.slug LIKE ?1 || '%' AND f.sealed IS NOT NULL",
    )
    .bind(beginning)
    .fetch_all(&mut database)
    .await
    .unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// How many of these have any eight of their bytes in the database's files.
fn found(path: &Path, secrets: &[Vec<u8>]) -> usize {
    let mut seen: HashSet<[u8; CHUNK]> = HashSet::new();
    for end in ["", "-wal"] {
        let mut name = path.as_os_str().to_owned();
        name.push(end);
        let bytes = fs::read(name).unwrap_or_default();
        seen.extend(
            bytes
                .windows(CHUNK)
                .map(|w| <[u8; CHUNK]>::try_from(w).unwrap()),
        );
    }
    // The first byte is the format, and the same in all.
    let is_there = |secret: &&Vec<u8>| {
        let mut chunks = secret[1..].chunks_exact(CHUNK);
        chunks.any(|chunk| seen.contains(chunk))
    };
    secrets.iter().filter(is_there).count()
}

async fn enter(program: &Program, slug: &str, secret: &str) {
    let fields = format!("client_id = \"{slug}\"\nclient_secret = \"{secret}\"\n");
    let path = program.path(&format!("{slug}.toml"));
    fs::write(&path, fields).unwrap();
    let set = format!(
        "credential set --unverified --org {slug} --env dev --provider eka-care --from-file {}",
        path.display()
    );
    program.ok(&set.split(' ').collect::<Vec<_>>()).await;
}

/// Long values, so that rows fill pages, and several of them: pages are split and joined.
async fn fill(program: &Program, slug: &str) {
    program.ok(&["org", "create", slug, "--name", slug]).await;
    for round in 0..2 {
        enter(program, slug, &format!("{slug}-{round}").repeat(40)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_sealed_of_deleted_organizations_is_left_while_the_server_serves() {
    const ALL: usize = 48;
    let program = Program::init().await;
    let (server, _) = serve_logged(&program, &[]).await;
    let program = std::sync::Arc::new(program);
    let filling = program.clone();
    spread(ALL, 2, move |number| {
        let program = filling.clone();
        async move {
            let kind = if number % 3 == 0 { "doomed" } else { "kept" };
            fill(&program, &format!("{kind}-{number}")).await;
        }
    })
    .await;
    let path = program.path(DATABASE);
    // Every row is sealed anew in its place.
    program.ok(&["master-key", "rotate"]).await;
    let (doomed, kept) = (
        sealed_of(&path, "doomed").await,
        sealed_of(&path, "kept").await,
    );
    assert_eq!((doomed.len(), kept.len()), (16 * 5, 32 * 5));
    assert_eq!(
        found(&path, &doomed),
        doomed.len(),
        "they are looked for as they are"
    );
    for number in (0..ALL).step_by(3) {
        let slug = format!("doomed-{number}");
        let receipt = program
            .json(&["org", "delete", &slug, "--confirm", &slug])
            .await;
        assert_eq!(receipt["log_emptied"], true, "{receipt}");
    }
    assert_eq!(found(&path, &doomed), 0);
    assert_eq!(found(&path, &kept), kept.len());
    program.ok(&["check"]).await;
    drop(server);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_read_the_whole_time_is_emptied_by_the_next_server() {
    let program = Program::init().await;
    fill(&program, "doomed").await;
    let path = program.path(DATABASE);
    let doomed = sealed_of(&path, "doomed").await;
    let mut reader = open(&path).await;
    sqlx::raw_sql("BEGIN; SELECT * FROM organizations")
        .execute(&mut reader)
        .await
        .unwrap();
    let delete = ["org", "delete", "doomed", "--confirm", "doomed"];
    let mut command = program.command(&delete).spawn().unwrap();
    soon("it is deleted", async || {
        sealed_of(&path, "doomed").await.is_empty()
    })
    .await;
    // It still waits for the reader.
    command.kill().await.unwrap();
    assert!(found(&path, &doomed) > 0);
    // As long as somebody has the database open, nobody leaves as the last one.
    sqlx::raw_sql("COMMIT").execute(&mut reader).await.unwrap();
    program.ok(&["check"]).await;
    assert!(found(&path, &doomed) > 0);
    let (server, _) = serve_logged(&program, &[]).await;
    soon("the log is emptied", async || found(&path, &doomed) == 0).await;
    soon("nothing is left to do", async || {
        let row = sqlx::query("SELECT COUNT(*) FROM unemptied_log");
        row.fetch_one(&mut reader).await.unwrap().get::<i64, _>(0) == 0
    })
    .await;
    drop(server);
}

/// Whether the deletion was done, and whether it came to its end.
async fn round(n: usize) -> (bool, bool) {
    let program = Program::init().await;
    fill(&program, "doomed").await;
    fill(&program, "kept").await;
    let path = program.path(DATABASE);
    let doomed = sealed_of(&path, "doomed").await;
    let delete = ["org", "delete", "doomed", "--confirm", "doomed"];
    let output = killed_at(&program, &delete, "", WRITES, n).await;
    // Whoever comes next and leaves as the last one empties the log.
    program.ok(&["check"]).await;
    program.ok(&["audit", "verify"]).await;
    let left = sealed_of(&path, "doomed").await.len();
    let done = left == 0;
    assert!(
        done || left == doomed.len(),
        "{n}: {left} of {}",
        doomed.len()
    );
    let traces = found(&path, &doomed);
    assert_eq!(traces, left, "{n}: {output:?}");
    let log = program.ok(&["audit", "tail", "--json"]).await;
    assert_eq!(log.contains("org.delete"), done, "{n}");
    if !done {
        program.ok(&delete).await;
        assert_eq!(found(&path, &doomed), 0, "{n}");
    }
    (done, output.status.success())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_that_is_killed_is_done_or_not_and_leaves_no_bytes_when_it_is() {
    const AT_ONCE: usize = 12;
    let mut seen = Vec::new();
    for first in (1..300).step_by(AT_ONCE) {
        let ends = spread(AT_ONCE, 3, move |number| round(first + number)).await;
        seen.extend(ends.iter().map(|(done, _)| *done));
        if ends[AT_ONCE - 1].1 {
            assert!(!seen[0] && seen.is_sorted(), "{seen:?}");
            return;
        }
    }
    panic!("more than 300 writes");
}
