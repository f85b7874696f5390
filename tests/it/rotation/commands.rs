//! A rotation at the command line: each step says how things stand and which command is next.

use serde_json::{Value, json};

use crate::support::McpClient;
use crate::support::app::reqwest_client;
use crate::support::commands::{PLACE, clinic, fed, stderr, words};
use crate::support::process::{serve_logged, soon};
use crate::support::program::Program;

fn values(client_id: &str, secret: &str) -> String {
    format!("client_id = \"{client_id}\"\nclient_secret = \"{secret}\"\n")
}

async fn stage(program: &Program, secret: &str) -> String {
    let line = words("credential stage --from-file -", &PLACE);
    let output = fed(program, &line, &values("v-2", secret)).await;
    assert!(output.status.success(), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

async fn step(program: &Program, name: &str) -> String {
    program
        .ok(&words(&format!("credential {name}"), &PLACE))
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_step_says_how_things_stand_and_what_is_next() {
    let (program, _sandbox) = clinic().await;
    let place = PLACE.join(" ");
    let (code, nothing) = program.fails(&words("credential verify", &PLACE)).await;
    assert_eq!(code, 1);
    assert!(
        nothing.contains("nothing is staged for `eka-care` in north/dev"),
        "{nothing}"
    );
    let staged = stage(&program, "wrong-secret").await;
    assert!(
        staged.contains("Version 2 of `eka-care` for north/dev is staged."),
        "{staged}"
    );
    assert!(staged.contains("Calls use version 1."), "{staged}");
    assert!(
        staged.contains(&format!("locum credential verify {place}")),
        "{staged}"
    );
    let refused = program.run(&words("credential verify", &PLACE)).await;
    assert_eq!(refused.status.code(), Some(1));
    let refused = String::from_utf8(refused.stdout).unwrap();
    assert!(
        refused.contains("HTTP 401") && refused.contains("Calls use version 1."),
        "{refused}"
    );
    assert!(refused.contains("locum credential stage"), "{refused}");
    let shown = program.ok(&words("credential show", &PLACE)).await;
    assert!(
        shown.contains("refused 20") && shown.contains("HTTP 401"),
        "{shown}"
    );
    stage(&program, "synthetic-secret").await;
    let (_, early) = program.fails(&words("credential promote", &PLACE)).await;
    assert!(early.contains("locum credential verify"), "{early}");
    let verified = step(&program, "verify").await;
    assert!(
        verified.starts_with("Authentication successful."),
        "{verified}"
    );
    assert!(
        verified.contains(&format!("locum credential promote {place}")),
        "{verified}"
    );
    let promoted = step(&program, "promote").await;
    assert!(
        promoted.contains("is active.\nVersion 1 works on until 20"),
        "{promoted}"
    );
    assert!(
        promoted.contains(&format!("locum credential rollback {place}")),
        "{promoted}"
    );
    assert!(
        step(&program, "promote").await.contains("is active."),
        "again"
    );
    let back = step(&program, "rollback").await;
    assert!(
        back.contains("Version 3 of") && back.contains("Calls use version 1."),
        "{back}"
    );
    assert!(
        step(&program, "rollback").await.contains("is staged again"),
        "again"
    );
    let cancelled = step(&program, "cancel").await;
    assert!(
        cancelled.contains("is cancelled, its values are gone"),
        "{cancelled}"
    );
    assert_eq!(step(&program, "cancel").await, cancelled, "again");
    let revoked = step(&program, "revoke").await;
    assert!(
        revoked.contains("Version 1 of") && revoked.contains("its calls fail"),
        "{revoked}"
    );
    assert!(revoked.contains("locum credential set"), "{revoked}");
    assert_eq!(step(&program, "revoke").await, revoked, "again");
    let (_, unknown) = program
        .fails(&words("credential revoke --version 9", &PLACE))
        .await;
    assert!(unknown.contains("there is no version 9 here"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_step_has_the_same_json() {
    let (program, _sandbox) = clinic().await;
    let line = words("credential stage --json --from-file -", &PLACE);
    let staged = fed(&program, &line, &values("v-2", "synthetic-secret")).await;
    let staged: Value = serde_json::from_slice(&staged.stdout).unwrap();
    assert_eq!(
        (&staged["state"], &staged["version"]),
        (&json!("staged"), &json!(2))
    );
    assert_eq!(staged["active_version"], 1);
    assert_eq!(staged["fields"][0]["name"], "client_id");
    assert!(!staged.to_string().contains("synthetic-secret"), "{staged}");
    for (name, state, active) in [
        ("verify", "staged", json!(1)),
        ("promote", "active", json!(2)),
        ("rollback", "staged", json!(1)),
        ("cancel", "cancelled", json!(1)),
    ] {
        let answer = program
            .json(&words(&format!("credential {name}"), &PLACE))
            .await;
        assert_eq!(answer["id"], staged["id"], "{name}");
        assert_eq!(
            (&answer["state"], &answer["active_version"]),
            (&json!(state), &active)
        );
    }
    let revoked = program.json(&words("credential revoke", &PLACE)).await;
    assert_eq!(
        (
            &revoked["version"],
            &revoked["state"],
            &revoked["active_version"]
        ),
        (&json!(1), &json!("revoked"), &Value::Null)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_server_returns_to_the_former_version_with_an_alert() {
    let (program, sandbox) = clinic().await;
    let set = words("credential set --from-file -", &PLACE);
    let fields = values("v-2", "synthetic-secret");
    assert!(fed(&program, &set, &fields).await.status.success());
    let key = program.key(&["north"]).await;
    // The provider changes its mind before the first call.
    let url = format!("{}/_sandbox/clients/v-2", sandbox.url);
    let pinned = reqwest_client()
        .put(url)
        .json(&json!({"secrets": []}))
        .send();
    assert!(pinned.await.unwrap().status().is_success());
    let (server, log) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    let arguments = json!({"clinic_id": "C2001"});
    let reply = client.call("get_clinic_details_basic", arguments).await;
    assert!(reply.is_ok(), "{}", reply.body);
    let list = program.json(&["credential", "list"]).await;
    let states = ["/items/0/state", "/items/1/state"].map(|at| list.pointer(at).cloned());
    assert_eq!(states, [Some(json!("refused")), Some(json!("active"))]);
    soon("the alert", async || {
        let text = std::fs::read_to_string(&log).unwrap();
        let mut lines = text.lines().flat_map(serde_json::from_str::<Value>);
        lines.any(|line| {
            line["level"] == "ERROR"
                && line["alert"] == "credential_refused"
                && line["tenant"] == "north/dev"
        })
    })
    .await;
}
