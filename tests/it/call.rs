//! `locum call`: a tool from the terminal, what it would send, and what took how long.

use serde_json::{Value, json};

use crate::support::client::McpClient;
use crate::support::program::{Program, Server, sandbox};

/// An organization with a credential at a sandbox.
async fn clinic() -> (Program, Server) {
    let upstream = sandbox().await;
    let program = Program::init().await;
    program.configure_upstream(&upstream.url);
    program.organization("north", &["dev"]).await;
    (program, upstream)
}

fn words<'a>(tool: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["call", tool, "--org", "north", "--env", "dev"], more].concat()
}

/// Requests to the API that the sandbox has seen, logins aside.
async fn requests(upstream: &Server) -> usize {
    let url = format!("{}/_sandbox/requests", upstream.url);
    let client = crate::support::app::reqwest_client();
    let seen: Value = client.get(url).send().await.unwrap().json().await.unwrap();
    let seen = seen["requests"].as_array().unwrap();
    let api = seen.iter().filter(|seen| seen["endpoint"] != "login");
    api.count()
}

#[tokio::test]
async fn a_call_is_what_a_client_would_get() {
    let (program, _upstream) = clinic().await;
    let text = program
        .ok(&words("search_patients", &["--arg", "prefix=a"]))
        .await;
    let called: Value = serde_json::from_str(&text).unwrap();
    let key = program.key(&["north"]).await;
    let server = program.serve().await;
    let reply = McpClient::new(&server.url, &key)
        .call("search_patients", json!({"prefix": "a"}))
        .await;
    assert_eq!(&called, reply.content());

    // Beside a running server, too; and arguments from a file.
    program.write("arguments.json", r#"{"prefix": "nobody", "limit": 3}"#);
    let more = ["--args-file", "arguments.json", "--arg", "prefix=a"];
    let shown = program.json(&words("search_patients", &more)).await;
    assert_eq!(
        (&shown["outcome"], &shown["status"]),
        (&json!("ok"), &json!(200))
    );
    assert_eq!(shown["content"], called);

    // It is on record by who called, and counted.
    let log = program.json(&["audit", "tail"]).await;
    let items = log["items"].as_array().unwrap();
    let calls: Vec<&Value> = items
        .iter()
        .filter(|entry| entry["action"] == "call search_patients")
        .collect();
    assert!(calls.len() >= 2, "{log}");
    let actor = calls[0]["actor"].as_str().unwrap();
    assert!(actor.starts_with("local:"), "{actor}");
    let usage = program.json(&["usage"]).await;
    assert_eq!(usage["items"][0]["calls"], 2);
}

#[tokio::test]
async fn what_goes_wrong_is_an_error_of_the_command() {
    let (program, _upstream) = clinic().await;
    let output = program
        .run(&words(
            "search_patients",
            &["--arg", "prefix=a", "--arg", "limit=many"],
        ))
        .await;
    assert_eq!(output.status.code(), Some(1));
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["error"]["error_code"], "invalid_arguments");
    program
        .ok(&[
            "org",
            "set",
            "north",
            "--env",
            "dev",
            "--deny-tools",
            "archive_patient",
        ])
        .await;
    for (words, said) in [
        (
            "call serch_patients --org north --env dev",
            "did you mean `search_patients`?",
        ),
        (
            "call archive_patient --org north --env dev --arg patient_id=1",
            "has no tool `archive_patient`",
        ),
        (
            "call archive_patient --org north --env dev --arg patient_id=1 --dry-run",
            "has no tool `archive_patient`",
        ),
        (
            "call archive_patient --org north --env dev --arg nothing=1 --dry-run",
            "has no tool `archive_patient`",
        ),
        (
            "call search_patients --org nroth --env dev",
            "did you mean `north`?",
        ),
        (
            "call search_patients --org north --env dve",
            "has no environment `dve`",
        ),
        (
            "call search_patients --org north --env dev --arg prefix",
            "NAME=VALUE",
        ),
        (
            "call search_patients --org north --env dev --args-file none.json",
            "none.json",
        ),
    ] {
        let (_, stderr) = program.fails(&words.split(' ').collect::<Vec<_>>()).await;
        assert!(stderr.contains(said), "{words}: {stderr}");
    }
    let elsewhere = "call search_patients --org north --env prod --arg prefix=a --json";
    let output = program.run(&elsewhere.split(' ').collect::<Vec<_>>()).await;
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&shown["outcome"], output.status.code()),
        (&json!("no_credential"), Some(1))
    );
    program.ok(&["org", "suspend", "north"]).await;
    let (code, stderr) = program
        .fails(&words("search_patients", &["--arg", "prefix=a"]))
        .await;
    assert!(
        code == 1 && stderr.contains("locum org resume north"),
        "{stderr}"
    );
}

#[tokio::test]
async fn a_rehearsal_shows_requests_and_no_secret_and_sends_nothing() {
    let (program, upstream) = clinic().await;
    let text = program
        .ok(&words(
            "search_patients",
            &["--arg", "prefix=a b", "--dry-run"],
        ))
        .await;
    let first = text.lines().next().unwrap();
    let wanted = format!(
        "GET {}/profiles/v1/patient/search?prefix=a%20b",
        upstream.url
    );
    assert!(first.starts_with(&wanted), "{text}");
    assert!(
        text.contains("\nauthorization: Bearer {access_token}\n"),
        "{text}"
    );
    assert!(text.contains("\nclient-id: {client_id}\n"), "{text}");
    assert!(
        !text.contains("synthetic") && !text.contains("north-dev"),
        "{text}"
    );

    // A body; and steps of which some depend on answers.
    let patient = r#"{"fln": "Tara", "dob": "1990-02-28", "gen": "F", "mobile": "+919000000077"}"#;
    let shown = program
        .json(&words(
            "add_patient",
            &["--arg", &format!("patient_data={patient}"), "--dry-run"],
        ))
        .await;
    let request = &shown["items"][0]["request"];
    assert_eq!(
        (&request["method"], &request["body"]["fln"]),
        (&json!("POST"), &json!("Tara"))
    );
    let shown = program
        .json(&words(
            "get_comprehensive_patient_profile",
            &["--arg", "patient_id=1700000000001", "--dry-run"],
        ))
        .await;
    let kinds: Vec<&str> = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["kind"].as_str().unwrap())
        .collect();
    assert!(
        kinds.contains(&"request") && kinds.contains(&"open"),
        "{shown}"
    );
    let open = shown["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|item| item["kind"] == "open")
        .unwrap();
    assert!(!open["needs"].as_array().unwrap().is_empty(), "{open}");

    // What no request is made for is what the call would come to.
    let (code, _) = program
        .fails(&words(
            "search_patients",
            &["--arg", "prefix=7", "--arg", "limit=x", "--dry-run"],
        ))
        .await;
    assert_eq!(code, 1);
    assert_eq!(requests(&upstream).await, 0);
    // Nothing is on record: nothing was called.
    let log = program.json(&["audit", "tail"]).await;
    let calls = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"].as_str().unwrap().starts_with("call "));
    assert_eq!(calls.count(), 0);
    // Before there is a credential, too.
    program
        .ok(&["org", "create", "south", "--name", "South"])
        .await;
    let text = program
        .ok(&[
            "call",
            "search_patients",
            "--org",
            "south",
            "--env",
            "dev",
            "--arg",
            "prefix=a",
            "--dry-run",
        ])
        .await;
    assert!(text.starts_with("GET "), "{text}");
}

#[tokio::test]
async fn an_explanation_tells_each_step_with_its_time() {
    let (program, upstream) = clinic().await;
    let more = ["--arg", "patient_id=1700000000001", "--explain"];
    let shown = program
        .json(&words("get_comprehensive_patient_profile", &more))
        .await;
    assert_eq!(shown["outcome"], "ok");
    let steps = shown["steps"].as_array().unwrap();
    let of = |what: &str| steps.iter().filter(|step| step["what"] == what).count();
    assert_eq!(of("login"), 1, "{shown}");
    assert_eq!(of("request"), requests(&upstream).await, "{shown}");
    assert!(of("step") > 1);
    for step in steps {
        assert!(
            step["took_ms"].as_f64().unwrap() >= 0.0 && step["began_ms"].as_f64().unwrap() >= 0.0
        );
    }
    let request = steps.iter().find(|step| step["what"] == "request").unwrap();
    assert_eq!(request["status"], 200);
    assert!(request["step"].is_string(), "{request}");
    let output = program
        .run(&words(
            "search_patients",
            &["--arg", "prefix=a", "--explain"],
        ))
        .await;
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("login") && stderr.contains("HTTP 200"),
        "{stderr}"
    );
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
}
