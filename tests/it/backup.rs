//! Backups are made while others write, every one of them restores, and a restored database is what
//! it was; what cannot be restored touches nothing.

mod killed;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::McpClient;
use crate::support::commands::{PLACE, clinic, fed, words};
use crate::support::database::alter;
use crate::support::process::{end, serve_logged};
use crate::support::program::{Program, write_private};
use crate::support::records::Records;

const KEY: &str = "data/master.key";
const DATABASE: &str = "data/locum.db";

async fn installation() -> Program {
    let program = Program::init().await;
    program.organization("north", &["dev", "prod"]).await;
    program.key(&["north"]).await;
    program
}

/// Files in `data` whose name begins so.
fn beside(program: &Program, beginning: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(program.path("data")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let is_one = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(beginning)
    };
    paths.filter(is_one).collect()
}

/// What a restore changes on purpose: one record, and the revision.
fn before_restore(mut records: Records) -> Records {
    records.audit -= 1;
    records.revision -= 1;
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_what_was_and_keeps_what_is() {
    let program = installation().await;
    let path = program.path(DATABASE);
    let made = program.json(&["backup", "copy.db"]).await;
    for (what, number) in [
        ("organizations", 1),
        ("organization_keys", 2),
        ("secrets", 4),
    ] {
        assert_eq!(made[what], number, "{made}");
    }
    let copy = program.path("copy.db");
    assert_eq!(made["bytes"].as_u64(), Some(copy.metadata().unwrap().len()));
    assert_eq!(
        copy.metadata().unwrap().permissions().mode() & 0o7777,
        0o600
    );
    for end in ["partial", "wal", "shm"] {
        assert!(!program.path(&format!("copy.db-{end}")).exists());
        assert!(!program.path(&format!("copy.db.{end}")).exists());
    }
    let log = program.ok(&["audit", "tail", "--json"]).await;
    assert!(log.contains("backup.create"), "{log}");
    let bytes = fs::read(&copy).unwrap();
    let (code, text) = program.fails(&["backup", "copy.db"]).await;
    assert!(code == 1 && text.contains("never overwritten"), "{text}");
    assert_eq!(fs::read(&copy).unwrap(), bytes);

    let then = Records::read(&copy).await;
    program.organization("south", &["dev"]).await;
    let set = words("credential set --unverified --from-file -", &PLACE);
    let fields = "client_id = \"north-dev\"\nclient_secret = \"other\"\n";
    assert!(fed(&program, &set, fields).await.status.success());
    let now = Records::read(&path).await;
    assert_ne!(then.organizations, now.organizations);

    let restored = program.json(&["restore", "copy.db"]).await;
    assert_eq!(restored["secrets"], 4, "{restored}");
    assert_eq!(before_restore(Records::read(&path).await), then);
    let former = PathBuf::from(restored["replaced"].as_str().unwrap());
    assert_eq!(
        Records::read(&program.path(former.to_str().unwrap())).await,
        now
    );
    assert_eq!(fs::read(&copy).unwrap(), bytes, "the backup is as it was");
    assert!(beside(&program, "locum.db.restoring").is_empty());
    let log = program.ok(&["audit", "tail", "--json"]).await;
    assert!(log.contains("backup.restore"), "{log}");
    program.ok(&["audit", "verify"]).await;
    program.ok(&["check"]).await;
    // And back again: what was replaced is a database too.
    let former = former.to_str().unwrap().to_owned();
    program.ok(&["restore", &former]).await;
    assert_eq!(before_restore(Records::read(&path).await), now);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_restores_where_there_is_no_database_or_a_broken_one() {
    let program = installation().await;
    program.ok(&["backup", "copy.db"]).await;
    let then = Records::read(&program.path("copy.db")).await;
    type Break = fn(&Path);
    let cases: [(&str, Break, bool); 3] = [
        ("missing", |path| fs::remove_file(path).unwrap(), false),
        (
            "no database",
            |path| fs::write(path, "nonsense ".repeat(999)).unwrap(),
            true,
        ),
        (
            "cut",
            |path| {
                let bytes = fs::read(path).unwrap();
                fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            },
            true,
        ),
    ];
    for (case, spoil, kept) in cases {
        let path = program.path(DATABASE);
        spoil(&path);
        // The log of what was there is nothing for what comes.
        fs::write(program.path("data/locum.db-wal"), "left over").unwrap();
        let restored = program.json(&["restore", "copy.db"]).await;
        assert_eq!(restored["replaced"].is_string(), kept, "{case}: {restored}");
        assert_eq!(before_restore(Records::read(&path).await), then, "{case}");
        program.ok(&["check"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_restored_touches_nothing() {
    let program = installation().await;
    program.ok(&["backup", "copy.db"]).await;
    let other = installation().await;
    other.ok(&["backup", "copy.db"]).await;
    fs::copy(other.path("copy.db"), program.path("other.db")).unwrap();
    program.ok(&["backup", "sealed.db"]).await;
    alter(
        &program.path("sealed.db"),
        "UPDATE credential_fields SET sealed = zeroblob(50)",
    )
    .await;
    program.ok(&["backup", "log.db"]).await;
    alter(
        &program.path("log.db"),
        "UPDATE audit_records SET actor = 'x' WHERE seq = 2",
    )
    .await;
    fs::write(program.path("text.db"), "nonsense").unwrap();
    fs::write(program.path("empty.db"), "").unwrap();
    let whole = fs::read(program.path("copy.db")).unwrap();
    fs::write(program.path("cut.db"), &whole[..whole.len() - 9_000]).unwrap();
    // A key that is in use now is not in the ring of then.
    let ring = fs::read_to_string(program.path(KEY)).unwrap();
    let before = Records::read(&program.path(DATABASE)).await;
    let bytes = fs::read(program.path(DATABASE)).unwrap();
    for (file, code, said) in [
        ("other.db", 78, "does not fit the database other.db"),
        ("sealed.db", 1, "the ciphertext was refused"),
        ("log.db", 1, "record 2 was changed"),
        ("text.db", 78, "text.db is no database"),
        ("empty.db", 78, "was never initialized"),
        ("cut.db", 1, "malformed"),
        ("none.db", 1, "No such file"),
    ] {
        let (found, text) = program.fails(&["restore", file]).await;
        assert_eq!(found, code, "{file}: {text}");
        assert!(text.contains(said), "{file}: {text}");
        assert!(fs::read(program.path(DATABASE)).unwrap() == bytes, "{file}");
        assert!(beside(&program, "locum.db.re").is_empty(), "{file}");
    }
    program.ok(&["master-key", "rotate"]).await;
    program.ok(&["backup", "new.db"]).await;
    let rotated = Records::read(&program.path(DATABASE)).await;
    write_private(&program.path(KEY), &ring);
    let (code, text) = program.fails(&["restore", "new.db"]).await;
    assert!(
        code == 78 && text.contains("the key ring has no key"),
        "{code}: {text}"
    );
    assert_eq!(Records::read(&program.path(DATABASE)).await, rotated);
    // The one from before fits the ring of then.
    program.ok(&["restore", "copy.db"]).await;
    assert_eq!(
        Records::read(&program.path(DATABASE)).await.organizations,
        before.organizations
    );
    program.ok(&["check"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_in_use_is_not_replaced() {
    let program = installation().await;
    program.ok(&["backup", "copy.db"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let (code, text) = program.fails(&["restore", "copy.db"]).await;
    assert!(code == 1 && text.contains("is in use"), "{code}: {text}");
    program.organization("south", &["dev"]).await;
    // Neither by a command that reads.
    let mut reader = program.command(&["audit", "tail", "--follow"]);
    reader.stdout(std::process::Stdio::piped());
    assert!(end(&mut server.child, Signal::KILL).await.code().is_none());
    let mut reader = reader.spawn().unwrap();
    let mut lines = tokio::io::BufReader::new(reader.stdout.take().unwrap());
    let mut line = String::new();
    tokio::io::AsyncBufReadExt::read_line(&mut lines, &mut line)
        .await
        .unwrap();
    let (code, text) = program.fails(&["restore", "copy.db"]).await;
    assert!(code == 1 && text.contains("is in use"), "{code}: {text}");
    reader.kill().await.unwrap();
    // Whoever was killed holds nothing; what its log has is in what is kept.
    let restored = program.json(&["restore", "copy.db"]).await;
    let kept = program.path(restored["replaced"].as_str().unwrap());
    assert!(
        Records::read(&kept)
            .await
            .organizations
            .contains_key("south")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn backups_that_are_made_during_writes_all_restore() {
    const BACKUPS: usize = 12;
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let program = Arc::new(program);
    let done = Arc::new(AtomicBool::new(false));
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    let writing = |program: Arc<Program>, done: Arc<AtomicBool>, kind: usize| async move {
        let mut number = 0;
        while !done.load(Ordering::SeqCst) {
            let slug = format!("clinic-{kind}-{number}");
            match kind {
                0 => program.organization(&slug, &["dev"]).await,
                _ => {
                    let fields = "client_id = \"north-dev\"\nclient_secret = \"synthetic\"\n";
                    let set = words("credential set --unverified --from-file -", &PLACE);
                    assert!(fed(&program, &set, fields).await.status.success());
                    program.key(&["north"]).await;
                }
            }
            number += 1;
        }
        number
    };
    let writers: Vec<_> = (0..2)
        .map(|kind| tokio::spawn(writing(program.clone(), done.clone(), kind)))
        .collect();
    let calling = done.clone();
    let calls = tokio::spawn(async move {
        let (mut calls, mut failed) = (0, 0);
        while !calling.load(Ordering::SeqCst) {
            let arguments = serde_json::json!({"clinic_id": "C2001"});
            let reply = client.call("get_clinic_details_basic", arguments).await;
            failed += usize::from(!reply.is_ok());
            calls += 1;
        }
        (calls, failed)
    });
    let mut made: Vec<Value> = Vec::new();
    for number in 0..BACKUPS {
        made.push(
            program
                .json(&["backup", &format!("copy-{number}.db")])
                .await,
        );
    }
    done.store(true, Ordering::SeqCst);
    for writer in writers {
        assert!(writer.await.unwrap() > 1);
    }
    let (calls, failed) = calls.await.unwrap();
    assert!(calls > 20 && failed == 0, "{failed} of {calls}");
    assert!(end(&mut server.child, Signal::TERM).await.success());
    let secrets = |one: &Value| one["secrets"].as_u64().unwrap();
    assert!(secrets(&made[BACKUPS - 1]) > secrets(&made[0]), "{made:?}");
    for (number, made) in made.iter().enumerate() {
        let file = format!("copy-{number}.db");
        let then = Records::read(&program.path(&file)).await;
        let restored = program.json(&["restore", &file]).await;
        for what in [
            "organizations",
            "organization_keys",
            "secrets",
            "audit_records",
        ] {
            assert_eq!(restored[what], made[what], "{number}: {what}");
        }
        let now = Records::read(&program.path(DATABASE)).await;
        assert_eq!(before_restore(now), then, "{number}");
        program.ok(&["check"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_does_not_open_makes_no_backup() {
    let program = installation().await;
    let damage = "UPDATE credential_fields SET sealed = zeroblob(50) WHERE field = 'client_id'";
    alter(&program.path(DATABASE), damage).await;
    let (code, text) = program.fails(&["backup", "copy.db"]).await;
    assert!(
        code == 1 && text.contains("the ciphertext was refused"),
        "{text}"
    );
    for name in ["copy.db", "copy.db.partial"] {
        assert!(!program.path(name).exists(), "{name}");
    }
}
