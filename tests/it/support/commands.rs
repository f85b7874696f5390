//! Commands of the real program, as words and with something on standard input.

use std::net::TcpListener;
use std::process::{Output, Stdio};

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::program::{self, Program, Server};

/// The options that name the credential of organization north in dev.
pub const PLACE: [&str; 6] = ["--org", "north", "--env", "dev", "--provider", "eka-care"];

/// The words of a command, and more after them.
pub fn words<'a>(command: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    command.split(' ').chain(more.iter().copied()).collect()
}

/// An installation in front of a sandbox, with organization north in dev.
pub async fn clinic() -> (Program, Server) {
    let sandbox = program::sandbox().await;
    let program = Program::init().await;
    program.configure_upstream(&sandbox.url);
    program.organization("north", &["dev"]).await;
    (program, sandbox)
}

/// Runs a command with this on its standard input.
pub async fn fed(program: &Program, arguments: &[&str], input: &str) -> Output {
    feed(program.command(arguments), input).await
}

/// Runs a prepared command with this on its standard input.
pub async fn feed(mut command: Command, input: &str) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    child.wait_with_output().await.unwrap()
}

/// What a command wrote to standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// An address that nobody listens on just now.
pub fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}
