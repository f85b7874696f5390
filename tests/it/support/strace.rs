//! Programs that strace ends with `kill -9` as they write.

use std::ffi::OsStr;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};

use super::program::Program;

/// The system calls by which SQLite changes files.
pub const WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink";

const LIMIT: Duration = Duration::from_secs(60);

/// The options that make strace kill a process as a thread of it enters its `n`th call of `calls`.
fn kill_at(calls: &str, n: usize) -> [String; 4] {
    [
        "-e".to_owned(),
        format!("trace={calls}"),
        "-e".to_owned(),
        format!("inject={calls}:signal=KILL:when={n}"),
    ]
}

/// What starts a program under strace, which kills it so ([`Program::starter`]).
pub fn starter(calls: &str, n: usize) -> Vec<String> {
    let words = ["strace", "-f", "-qqq", "-o", "/dev/null"].map(str::to_owned);
    words.into_iter().chain(kill_at(calls, n)).collect()
}

/// Lets strace attach to what a program starts. No process of the same user reads the program's
/// memory, but root, also that of a user namespace of one's own.
pub fn let_attach(program: &mut Program) {
    if !rustix::process::geteuid().is_root() {
        program.starter = ["unshare", "-Ur"].map(str::to_owned).into();
    }
}

/// Attaches strace to a process, which it kills as a thread of it enters its `n`th call of `calls`
/// from now on. strace ends with the process.
pub async fn attach(process: u32, calls: &str, n: usize) -> Child {
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o", "/dev/null", "-p", &process.to_string()])
        .args(kill_at(calls, n))
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("strace is needed");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    // It says so when it has all threads; later it names new ones.
    let line = tokio::time::timeout(LIMIT, lines.next_line());
    let line = line.await.expect("a line within a minute").unwrap();
    let line = line.unwrap_or_default();
    assert!(line.contains(" attached with "), "strace: {line}");
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    child
}

/// Asks the program that a strace started to stop; strace ends as it does.
pub async fn end_started(strace: &mut Child) -> ExitStatus {
    let id = strace.id().unwrap();
    let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
    // There is none any more where it has just been killed.
    if let Ok(child) = children.trim().parse::<i32>() {
        let _ = kill_process(Pid::from_raw(child).unwrap(), Signal::TERM);
    }
    let end = tokio::time::timeout(LIMIT, strace.wait());
    end.await.expect("an end within a minute").unwrap()
}

/// Runs a command under strace, which kills it as a thread of it enters its `n`th call of `calls`.
pub async fn killed_at(
    program: &Program,
    arguments: &[impl AsRef<OsStr>],
    input: &str,
    calls: &str,
    n: usize,
) -> Output {
    let words = starter(calls, n);
    let mut command = Command::new(&words[0]);
    command
        .args(&words[1..])
        .arg(env!("CARGO_BIN_EXE_locum"))
        .args(arguments)
        .current_dir(program.folder.path())
        .env_remove("LOCUM_CONFIG")
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("strace is needed");
    let mut stdin = child.stdin.take().unwrap();
    // Who is killed early does not read it.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let end = tokio::time::timeout(LIMIT, child.wait_with_output());
    end.await.expect("an end within a minute").unwrap()
}
