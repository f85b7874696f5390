//! The systemd unit: what the manager is told, that systemd takes the unit, and that the program
//! does nothing which the unit's sandbox would forbid it.

use std::collections::BTreeSet;
use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use crate::support::McpClient;
use crate::support::commands::clinic;
use crate::support::process::{end, serve_logged};
use crate::support::program::Program;
use crate::support::strace::end_started;

fn unit() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/locum.service");
    fs::read_to_string(path).unwrap()
}

/// The values of a setting that may occur more than once.
fn settings(name: &str) -> Vec<String> {
    let unit = unit();
    let lines = unit
        .lines()
        .filter_map(|line| line.strip_prefix(&format!("{name}=")));
    lines.map(str::to_owned).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manager_is_told_when_it_serves_and_when_it_stops() {
    let program = Program::init().await;
    let path = program.path("notify");
    let name = format!("locum-test-{}", std::process::id());
    let sockets = [
        (
            path.to_str().unwrap().to_owned(),
            UnixDatagram::bind(&path).unwrap(),
        ),
        (
            format!("@{name}"),
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap(),
        ),
    ];
    for (address, socket) in sockets {
        socket
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let told = || {
            let mut bytes = [0; 64];
            let length = socket.recv(&mut bytes).unwrap();
            String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        let (mut server, _) = serve_logged(&program, &[("NOTIFY_SOCKET", &address)]).await;
        assert_eq!(told(), "READY=1");
        assert!(end(&mut server.child, Signal::TERM).await.success());
        assert_eq!(told(), "STOPPING=1");
    }
    // A manager that went away is no reason to fail.
    let (mut server, log) = serve_logged(&program, &[("NOTIFY_SOCKET", "/nowhere")]).await;
    assert!(end(&mut server.child, Signal::TERM).await.success());
    assert!(
        fs::read_to_string(log)
            .unwrap()
            .contains("could not be told")
    );
}

#[test]
fn systemd_takes_the_unit_and_finds_it_well_sandboxed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("locum.service");
    // Where the program is not installed, systemd would say so and nothing else.
    let unit = unit().replace("/usr/local/bin/locum", env!("CARGO_BIN_EXE_locum"));
    fs::write(&path, unit).unwrap();
    // 2.0 of 10: what is left of exposure is the network, which is its work.
    for arguments in [
        &["verify"][..],
        &["security", "--offline=true", "--threshold=20"],
    ] {
        let mut command = std::process::Command::new("systemd-analyze");
        let output = command.args(arguments).arg(&path).output();
        let output = output.expect("systemd-analyze is needed");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        if arguments == ["verify"] {
            assert!(output.stderr.is_empty(), "{output:?}");
        }
    }
}

#[test]
fn what_was_refused_at_the_start_is_not_started_again() {
    assert_eq!(settings("RestartPreventExitStatus"), ["78"]);
}

#[test]
fn the_allocator_is_set_alike_wherever_the_program_is_packaged() {
    let set = settings("Environment");
    let set = set.iter().flat_map(|line| line.split_whitespace());
    let set: Vec<&str> = set.filter(|pair| pair.starts_with("MIMALLOC_")).collect();
    assert_eq!(set.len(), 2, "{set:?}");
    for place in ["Dockerfile", "docs/operations.md"] {
        let text = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
        let text = fs::read_to_string(text).unwrap();
        let told = text.split(|one: char| one.is_whitespace() || one == '`');
        let told: BTreeSet<&str> = told.filter(|it| it.starts_with("MIMALLOC_")).collect();
        assert_eq!(told, set.iter().copied().collect(), "{place}");
    }
}

/// The system calls of a set, its sets opened.
fn members(name: &str) -> BTreeSet<String> {
    if !name.starts_with('@') {
        return [name.to_owned()].into();
    }
    let mut command = std::process::Command::new("systemd-analyze");
    let output = command.args(["syscall-filter", name]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.starts_with('#'));
    let names = lines.filter(|line| !line.is_empty() && *line != name);
    names.flat_map(members).collect()
}

/// What the unit lets through, by systemd's rule: the first list allows, `~` takes away.
fn allowed() -> BTreeSet<String> {
    let mut allowed = BTreeSet::new();
    for list in settings("SystemCallFilter") {
        let words = list.trim_start_matches('~').split(' ').map(members);
        let words: BTreeSet<String> = words.flatten().collect();
        match list.starts_with('~') {
            true => allowed.retain(|name| !words.contains(name)),
            false => allowed.extend(words),
        }
    }
    assert!(
        allowed.len() > 100,
        "systemd-analyze is needed: {allowed:?}"
    );
    allowed
}

/// The name of the system call that a line of strace is about.
fn called(line: &str) -> Option<&str> {
    let rest = line.split_once(' ')?.1.trim_start();
    let rest = rest.strip_prefix("<... ").unwrap_or(rest);
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    (end > 0).then(|| &rest[..end])
}

#[tokio::test(flavor = "multi_thread")]
async fn the_program_makes_no_call_that_the_unit_forbids() {
    let (mut program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let trace = program.path("trace");
    let strace = ["strace", "-f", "-qq", "-o", trace.to_str().unwrap()];
    program.starter = strace.map(str::to_owned).into();
    let (mut server, _) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    let arguments = json!({"clinic_id": "C2001"});
    let reply = client.call("get_clinic_details_basic", arguments).await;
    assert!(reply.is_ok(), "{}", reply.body);
    assert!(end_started(&mut server.child).await.success());

    let text = fs::read_to_string(&trace).unwrap();
    let allowed = allowed();
    let families: Vec<String> = settings("RestrictAddressFamilies")[0]
        .split(' ')
        .map(str::to_owned)
        .collect();
    let (mut calls, mut forbidden) = (BTreeSet::new(), Vec::new());
    for line in text
        .lines()
        .filter(|line| !line.contains("+++") && !line.contains("---"))
    {
        let Some(name) = called(line) else { continue };
        calls.insert(name);
        // MemoryDenyWriteExecute=: nothing that was written is run.
        let protected = match name {
            "mprotect" => line.contains("PROT_EXEC"),
            "mmap" => line.contains("PROT_WRITE") && line.contains("PROT_EXEC"),
            "socket" if !line.contains("<...") => !families
                .iter()
                .any(|family| line.contains(&format!("({family},"))),
            _ => false,
        };
        // SQLite gives its files to the database's owner, as root only; the unit's user is another.
        let as_root = name == "fchown" && rustix::process::geteuid().is_root();
        if protected || !(as_root || allowed.contains(name)) {
            forbidden.push(line);
        }
    }
    assert!(
        calls.contains("fdatasync") || calls.contains("accept4"),
        "{calls:?}"
    );
    assert!(forbidden.is_empty(), "{forbidden:#?}");
}
