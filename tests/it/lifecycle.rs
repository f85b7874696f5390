//! Processes of the real program: the demo, signals, health, and what a running server notices of
//! a command.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

use crate::support::McpClient;
use crate::support::commands::{PLACE, clinic, fed, free_address, stderr, words};
use crate::support::process::{end, serve_logged, soon};
use crate::support::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn health_tells_whether_the_gateway_of_this_configuration_runs() {
    let program = Program::init().await;
    let admin = free_address();
    let health = async || {
        let mut command = program.command(&["health"]);
        command
            .env("LOCUM__ADMIN__LISTEN", &admin)
            .output()
            .await
            .unwrap()
    };
    let output = health().await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("not ready"), "{output:?}");
    let (mut server, _) = serve_logged(&program, &[("LOCUM__ADMIN__LISTEN", &admin)]).await;
    let output = health().await;
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(output.stdout, b"ready\n");
    assert!(end(&mut server.child, Signal::TERM).await.success());
    assert_eq!(health().await.status.code(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let program = Program::init().await;
    for arguments in [
        &["catalog", "show"][..],
        &["catalog", "show", "--json"],
        &["org", "list"],
        &["--help"],
    ] {
        let mut command = program.command(arguments);
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().await.unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

/// A demo in a folder for temporary files of its own, and what it printed.
async fn demo(program: &Program) -> (Child, String) {
    let mut command = program.command(&["demo", "--listen", "127.0.0.1:0"]);
    command.env("TMPDIR", program.folder.path());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut text = String::new();
    while !text.contains("The log follows") {
        let line = lines.next_line().await.unwrap().expect("the demo goes on");
        text.push_str(&line);
        text.push('\n');
    }
    // The last line is printed when the demo is stopped; until then somebody has to listen.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, text)
}

fn demo_folders(program: &Program) -> Vec<PathBuf> {
    let entries = fs::read_dir(program.folder.path()).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_line_that_the_demo_prints_works_and_nothing_is_left_of_it() {
    for signal in [Signal::INT, Signal::TERM] {
        let program = Program::empty();
        let (mut child, text) = demo(&program).await;
        assert_eq!(demo_folders(&program).len(), 1);
        let start = text.find("curl -s").unwrap();
        let line = &text[start..start + text[start..].find("\n\n").unwrap()];
        let shell = tokio::process::Command::new("sh")
            .args(["-c", line])
            .output();
        let output = shell.await.unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        let patients = answer["result"]["structuredContent"].to_string();
        assert!(patients.contains("north-clinic-dev"), "{patients}");
        assert!(end(&mut child, signal).await.success(), "{signal:?}");
        assert_eq!(demo_folders(&program), Vec::<PathBuf>::new(), "{signal:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_ends_well_on_both_signals() {
    let program = Program::init().await;
    for signal in [Signal::INT, Signal::TERM] {
        let (mut server, log) = serve_logged(&program, &[]).await;
        assert!(end(&mut server.child, signal).await.success(), "{signal:?}");
        let log = fs::read_to_string(log).unwrap();
        assert!(log.contains("\"stopping\""), "{log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_at_a_time_works_with_a_database() {
    let program = Program::init().await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let (code, text) = program.fails(&["serve"]).await;
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("another `locum serve` serves"), "{text}");
    program.ok(&["org", "list"]).await;
    // However it ends, another one may follow.
    assert!(!end(&mut server.child, Signal::KILL).await.success());
    let (mut server, _) = serve_logged(&program, &[]).await;
    assert!(end(&mut server.child, Signal::TERM).await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_notices_what_commands_change() {
    let (program, _sandbox) = clinic().await;
    let (server, _) = serve_logged(&program, &[]).await;
    let created = program
        .json(&words("key create --name n --all-envs --org north", &[]))
        .await;
    let key = created["key"].as_str().unwrap();
    let north = McpClient::new(&server.url, key).at("north", "dev");
    let status = async |client: &McpClient| client.legacy("ping", json!({})).await.status;
    soon("a new key", async || status(&north).await == 200).await;
    program.ok(&["org", "suspend", "north"]).await;
    soon("a suspension", async || status(&north).await == 403).await;
    program.ok(&["org", "resume", "north"]).await;
    soon("a resumption", async || status(&north).await == 200).await;

    let clinic = async || {
        let arguments = json!({"clinic_id": "C2001"});
        north
            .call("get_clinic_details_basic", arguments)
            .await
            .content()
            .to_string()
    };
    assert!(clinic().await.contains("north-dev"));
    let fields = "client_id = \"another\"\nclient_secret = \"synthetic\"\n";
    let set = words("credential set --from-file -", &PLACE);
    assert!(fed(&program, &set, fields).await.status.success());
    soon("a new credential", async || {
        clinic().await.contains("another")
    })
    .await;

    let prod = north.at("north", "prod");
    let tools = async || {
        let list = prod.legacy("tools/list", json!({})).await;
        list.body["result"]["tools"].as_array().map_or(0, Vec::len)
    };
    assert_eq!(tools().await, 0);
    let set = "credential set --org north --env prod --provider eka-care --from-file -";
    assert!(
        fed(&program, &words(set, &[]), fields)
            .await
            .status
            .success()
    );
    soon("the first credential of an environment", async || {
        tools().await == 31
    })
    .await;

    program
        .ok(&["key", "revoke", created["id"].as_str().unwrap()])
        .await;
    soon("a revocation", async || status(&north).await == 401).await;
}
