//! The calls that a build with counters is filled by (`packaging/train`): they are made, and they succeed.

use std::path::Path;
use std::process::Output;

use tokio::process::Command;

async fn train(program: &str) -> Output {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/train");
    // Its own clean-up runs on the signal that it gets when it takes too long.
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", "180"]).arg(script);
    command.args([program, "160"]).env("LC_ALL", "C");
    command.output().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_the_training_succeed() {
    let output = train(env!("CARGO_BIN_EXE_locum")).await;
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "238 calls\n");
    assert_eq!(errors, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_be_called_is_no_success() {
    let output = train("/bin/true").await;
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("has no sandbox"), "{errors}");
}
