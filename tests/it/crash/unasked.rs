//! A server that is killed as it writes what nobody asked it for: a credential's grace ends, records
//! go that are old, reminders are planned and sent. All of that is due when it starts, and strace kills
//! it at every fourth write; the next one does the rest, once.

use std::fs;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use locum::domain::clock::{Clock, SystemClock};
use rustix::process::Signal;
use tokio::process::Child;

use super::{DATABASE, leftovers};
use crate::support::clinic::{Clinic, by, credential, organization};
use crate::support::load::spread;
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::records::Records;
use crate::support::strace::{WRITES, end_started, starter};

const AT_ONCE: usize = 6;
const DISTANCE: usize = 4;
/// A server does all of it in its first second.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// An installation that nobody has looked after for more than a year.
async fn neglected() -> Program {
    // A month's records at most go without being asked for.
    let start = SystemClock.now() - SignedDuration::from_hours(24 * 380);
    let clinic = Clinic::installed_at(start, "").await;
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    for _ in 0..2 {
        credential(&admin, "north", "dev", clinic.clock.now()).await;
    }
    app.close().await;
    let program = Program {
        folder: clinic.folder,
        starter: Vec::new(),
    };
    program.configure("[audit]\nretention = \"1y\"\n");
    program
}

fn copy(program: &Program) -> Program {
    let copy = Program::empty();
    let data = fs::metadata(program.path("data")).unwrap();
    fs::create_dir(copy.path("data")).unwrap();
    fs::set_permissions(copy.path("data"), data.permissions()).unwrap();
    for name in leftovers(program.folder.path()) {
        fs::copy(program.path(&name), copy.path(&name)).unwrap();
    }
    fs::copy(program.path("locum.toml"), copy.path("locum.toml")).unwrap();
    copy
}

/// Whether a server has done everything.
fn is_all(records: &Records) -> bool {
    let grace_ended = records.versions["north/dev/1"] == "revoked";
    // The one of that, and the one of the others' end.
    let removed = records.audit == 2;
    let mut states = records.reminders.values();
    let planned = !records.reminders.is_empty();
    grace_ended && removed && planned && states.all(|state| state != "pending")
}

/// What is there when no server runs: nothing without its record, and nothing twice.
async fn look(program: &Program) -> Records {
    program.ok(&["check"]).await;
    let records = Records::read(&program.path(DATABASE)).await;
    let log = program.ok(&["audit", "tail", "--json"]).await;
    let found = ["credential.grace_end", "audit.retention"].map(|it| log.matches(it).count());
    let grace_ended = records.versions["north/dev/1"] == "revoked";
    let removed = !log.contains("org.create");
    let wanted = [grace_ended, removed].map(usize::from);
    assert_eq!(found, wanted, "{records:?} {log}");
    records
}

/// Waits until a server has done everything, or has ended.
async fn wait(child: &mut Child, program: &Program) {
    for _ in 0..LIMIT.as_millis() / PAUSE.as_millis() {
        let has_ended = child.try_wait().unwrap().is_some();
        if has_ended || is_all(&Records::read(&program.path(DATABASE)).await) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("not within {LIMIT:?}: what is due");
}

/// A server that is killed at its `n`th write, and the one after it. How many reminders the first one
/// left, how many there are in the end, and whether it came to its end.
async fn round(original: &Program, n: usize) -> (usize, usize, bool) {
    let mut program = copy(original);
    program.starter = starter(WRITES, n);
    let mut child = program
        .command(&["serve"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("strace is needed");
    program.starter.clear();
    wait(&mut child, &program).await;
    let killed = child.try_wait().unwrap().is_some();
    let done = !killed && end_started(&mut child).await.success();
    let left = look(&program).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    wait(&mut server.child, &program).await;
    assert!(end(&mut server.child, Signal::TERM).await.success(), "{n}");
    let found = look(&program).await;
    assert!(is_all(&found), "{n}: {found:?}");
    (left.reminders.len(), found.reminders.len(), done)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_server_did_unasked_is_done_wholly_and_once() {
    let original = Arc::new(Box::pin(neglected()).await);
    for first in (0..100).step_by(AT_ONCE) {
        let original = original.clone();
        let rounds = spread(AT_ONCE, 3, move |number| {
            let original = original.clone();
            async move { round(&original, 1 + DISTANCE * (first + number)).await }
        });
        let rounds = rounds.await;
        for (left, there, _) in &rounds {
            assert!(*left == 0 || left == there, "half of a plan: {rounds:?}");
        }
        assert!(
            first > 0 || !rounds[0].2,
            "nothing was killed: is strace allowed to?"
        );
        if rounds[AT_ONCE - 1].2 {
            return;
        }
    }
    panic!("more than 400 writes");
}
