//! Credentials by the command line: from TOML and `.env` files and standard input, and never
//! shown again.

use std::fs;

use serde_json::{Value, json};

use crate::support::commands::{PLACE, clinic, fed, stderr, words};
use crate::support::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn credentials_are_set_listed_shown_and_tested_without_their_values() {
    let (program, _sandbox) = clinic().await;
    let fields = "client_id = \"north-2\"\nclient_secret = \"synthetic-second\"\n";
    let set = words(
        "credential set --from-file - --issued 2026-01-02 --json",
        &PLACE,
    );
    let output = fed(&program, &set, fields).await;
    let stored: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&stored["version"], &stored["state"]),
        (&json!(2), &json!("active"))
    );
    assert_eq!(stored["fields"], json!(["client_id", "client_secret"]));
    assert!(stored["verified_at"].is_string(), "{stored}");
    assert_eq!(stored["retiring"]["version"], 1);
    let listed = program
        .json(&["credential", "list", "--org", "north"])
        .await;
    assert_eq!(states(&listed), ["active", "retiring"]);
    assert_eq!(listed["items"][0]["issued"], "2026-01-02T00:00:00Z");
    let shown = program.ok(&words("credential show", &PLACE)).await;
    assert!(
        shown.contains("works until ") && shown.contains("2026-01-02"),
        "{shown}"
    );
    assert!(
        shown.contains("never"),
        "the first one never logged in: {shown}"
    );
    let set = words("credential set --unverified --from-file -", &PLACE);
    assert!(fed(&program, &set, fields).await.status.success());
    let listed = program.json(&["credential", "list"]).await;
    assert_eq!(states(&listed), ["active", "retiring"]);
    let all = program.json(&["credential", "list", "--all"]).await;
    assert_eq!(states(&all), ["active", "retiring", "revoked"]);
    assert_eq!(all["items"][0]["verified_at"], json!(null));
    let tested = program.ok(&words("credential test", &PLACE)).await;
    assert_eq!(tested, "Authentication successful\n");
    assert_eq!(
        program.json(&words("credential test", &PLACE)).await["ok"],
        true
    );
    let shown = program.json(&words("credential show", &PLACE)).await;
    assert!(shown["versions"][0]["verified_at"].is_string(), "{shown}");
    for text in [shown.to_string(), all.to_string(), stored.to_string()] {
        assert!(!text.contains("synthetic-"), "{text}");
    }
}

fn states(list: &Value) -> Vec<&str> {
    let items = list["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["state"].as_str().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_in_secrets_are_named_and_not_repeated() {
    let program = Program::init().await;
    program.ok(&["org", "create", "north", "--name", "x"]).await;
    let set = words("credential set --from-file -", &PLACE);
    let import = words("credential import -", &PLACE);
    let cases = [
        (
            &set,
            "client_id = \"a\"\nclient_secret = \"hunter2\n",
            "-:2:",
        ),
        (
            &set,
            "client_id = \"a\"\n\nclient_secret = [\"hunter2\"]\n",
            "-:3:",
        ),
        (&set, "client_id = \"a\"\nclient_secret = hunter2\n", "-:2:"),
        (&set, "hunter2", "-:1:"),
        (
            &set,
            "client_id = \"hunter2\"\n",
            "field `client_secret`: is missing",
        ),
        (
            &set,
            "client_id = \"a\"\nclient_secert = \"hunter2\"\n",
            "did you mean `client_secret`?",
        ),
        (
            &set,
            "client_id = \"a\"\nclient_secret = \" hunter2\"\n",
            "has blanks around it",
        ),
        (
            &set,
            "client_id = \"a\"\nclient_secret = \"\"\n",
            "field `client_secret`",
        ),
        (
            &import,
            "EKA_CLIENT_ID=a\nhunter2\n",
            "-: line 2: expected NAME=value",
        ),
        (
            &import,
            "EKA_CLIENT_ID=a\nEKA_CLIENT_SECRET='hunter2\n",
            "line 2: a quote",
        ),
        (
            &import,
            "EKA_CLIENT_SECRET=hunter2\n",
            "field `client_id`: is missing",
        ),
    ];
    for (arguments, input, expected) in cases {
        let output = fed(&program, arguments, input).await;
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{input}: {message}");
        assert!(message.contains(expected), "{input}: {message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
    assert_eq!(
        program.json(&["credential", "list", "--all"]).await["items"],
        json!([])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn dotenv_files_of_both_environments_are_imported() {
    let (program, _sandbox) = clinic().await;
    let file = |name: &str, url: &str| {
        let text = format!(
            "# Eka\nEKA_CLIENT_ID=north-{name}\nexport EKA_CLIENT_SECRET=\"synthetic # {name}\"\n\
             EKA_API_KEY='synthetic-key'\nEKA_API_BASE_URL={url}\nEKA_LOG_LEVEL=DEBUG\nFOO=bar\n\
             EKA_SHARING_KEY=\n"
        );
        fs::write(program.path(&format!(".env.{name}")), text).unwrap();
    };
    file("development", "https://api-dev.eka.care");
    file("production", "https://api.eka.care/");
    file("elsewhere", "https://api.example");
    let import = |env: &'static str, file: &'static str| {
        [
            "credential",
            "import",
            "--org",
            "north",
            "--env",
            env,
            "--provider",
            "eka-care",
            file,
        ]
    };
    for (env, file) in [("dev", ".env.development"), ("prod", ".env.production")] {
        let output = program.run(&import(env, file)).await;
        let notices = stderr(&output);
        assert!(output.status.success(), "{notices}");
        for expected in [
            "EKA_LOG_LEVEL: ignored: Locum has its own",
            "FOO: ignored: not known",
            "EKA_SHARING_KEY: empty, not used",
        ] {
            assert!(notices.contains(expected), "{notices}");
        }
        assert_eq!(notices.lines().count(), 3, "{notices}");
        let test = [
            "credential",
            "test",
            "--org",
            "north",
            "--env",
            env,
            "--provider",
            "eka-care",
        ];
        assert_eq!(program.ok(&test).await, "Authentication successful\n");
        let imported = program.json(&import(env, file)).await;
        assert_eq!(
            imported["fields"],
            json!(["api_key", "client_id", "client_secret"])
        );
        assert_eq!(imported["notices"].as_array().unwrap().len(), 3);
    }
    for (env, file, expected) in [
        (
            "dev",
            ".env.production",
            "belongs to environment `prod`; import it with --env prod",
        ),
        (
            "prod",
            ".env.development",
            "belongs to environment `dev`; import it with --env dev",
        ),
        (
            "dev",
            ".env.elsewhere",
            "EKA_API_BASE_URL`: is no address of `eka-care`",
        ),
        ("dev", ".env.nowhere", ".env.nowhere"),
    ] {
        let (code, message) = program.fails(&import(env, file)).await;
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(expected), "{message}");
    }
}
