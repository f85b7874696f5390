//! Programs that strace ends with `kill -9` as they write.

use std::ffi::OsStr;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::program::Program;

/// The system calls by which SQLite changes files.
pub const WRITES: &str = "pwrite64,fsync,fdatasync,ftruncate,unlink";

const LIMIT: Duration = Duration::from_secs(60);

/// Runs a command under strace, which kills it as a thread of it enters its `n`th call of `calls`.
pub async fn killed_at(
    program: &Program,
    arguments: &[impl AsRef<OsStr>],
    input: &str,
    calls: &str,
    n: usize,
) -> Output {
    let mut command = Command::new("strace");
    command
        .args([
            "-f",
            "-qqq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
        ])
        .args(["-e", &format!("inject={calls}:signal=KILL:when={n}")])
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
