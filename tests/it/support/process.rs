//! A serving process from start to end: its log in a file, what it notices, how it stops.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Child;

use super::program::{Program, Server};

/// Starts `locum serve` with more environment variables and waits until it serves; its whole log
/// goes to the file that comes back too.
pub async fn serve_logged(program: &Program, variables: &[(&str, &str)]) -> (Server, PathBuf) {
    let log = program.path("serve.log");
    let mut child = program
        .command(&["serve"])
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    for _ in 0..400 {
        let text = std::fs::read_to_string(&log).unwrap();
        if let Some(address) = address(&text, "mcp") {
            let url = format!("http://{address}");
            return (Server { url, child }, log);
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended: {text}");
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    panic!("locum serve did not serve within ten seconds");
}

/// Where a listener listens, by the log of its server.
pub fn address(log: &str, listener: &str) -> Option<String> {
    log.lines().find_map(|line| {
        let event: Value = serde_json::from_str(line).ok()?;
        event[listener].as_str().map(str::to_owned)
    })
}

/// Sends a signal and waits for the end.
pub async fn end(child: &mut Child, signal: Signal) -> ExitStatus {
    let id = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    tokio::time::timeout(Duration::from_secs(10), child.wait())
        .await
        .expect("an end within ten seconds")
        .unwrap()
}

/// Asks until the answer is yes, for three seconds at most: commands promise about one.
pub async fn soon(what: &str, holds: impl AsyncFnMut() -> bool) {
    within(Duration::from_secs(3), what, holds).await;
}

pub async fn within(time: Duration, what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let held = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let held = tokio::time::timeout(time, held).await;
    assert!(held.is_ok(), "not within {time:?}: {what}");
}
