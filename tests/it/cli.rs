//! The command line on the real program: text and JSON, exit codes, and what it refuses.

use std::fs;

use serde_json::{Value, json};

use crate::support::commands::{PLACE, clinic, fed, free_address, stderr, words};
use crate::support::process::serve_logged;
use crate::support::program::Program;

#[tokio::test(flavor = "multi_thread")]
async fn init_shows_what_it_made_and_does_it_once() {
    let program = Program::empty();
    let text = program.ok(&["init", "--dir", "text"]).await;
    assert!(
        text.contains("text/data/master.key") && text.contains("lat_"),
        "{text}"
    );
    let made = program.json(&["init"]).await;
    assert_eq!(made["admin_token"]["role"], "owner");
    for key in ["config", "master_key_file", "database"] {
        assert!(program.path(made[key].as_str().unwrap()).exists(), "{key}");
    }
    for _ in 0..2 {
        let (code, message) = program.fails(&["init"]).await;
        assert_eq!(code, 1, "{message}");
        assert!(message.contains("already exists"), "{message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn organizations_live_through_text_and_json() {
    let program = Program::init().await;
    let created = program
        .json(&["org", "create", "north", "--name", "North Clinic"])
        .await;
    assert_eq!(created["id"], "north");
    assert_eq!(created["state"], "active");
    let text = program
        .ok(&["org", "create", "south", "--name", "South"])
        .await;
    assert_eq!(text, "Organization `south` created.\n");
    let renamed = program
        .json(&["org", "set", "south", "--name", "Süd"])
        .await;
    assert_eq!(renamed["name"], "Süd");
    assert_eq!(
        renamed["uuid"],
        program.json(&["org", "show", "south"]).await["uuid"]
    );
    let suspended = program.json(&["org", "suspend", "south"]).await;
    assert_eq!(suspended["state"], "suspended");
    let list = program.json(&["org", "list"]).await;
    let states = ["/items/0/state", "/items/1/state"].map(|at| list.pointer(at).cloned());
    assert_eq!(states, [Some(json!("active")), Some(json!("suspended"))]);
    let table = program.ok(&["org", "list"]).await;
    let rows: Vec<Vec<&str>> = table
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    assert_eq!(rows[0], ["ID", "NAME", "STATE", "CREATED"]);
    assert_eq!(rows[1][..4], ["north", "North", "Clinic", "active"]);
    assert_eq!(rows[2][..3], ["south", "Süd", "suspended"]);
    program.ok(&["org", "resume", "south"]).await;
    let shown = program.json(&["org", "show", "south"]).await;
    assert_eq!(
        (&shown["state"], &shown["credentials"]),
        (&json!("active"), &json!([]))
    );
    let shown = program.ok(&["org", "show", "south"]).await;
    assert!(
        shown.contains("south") && shown.contains("FIELDS"),
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_says_why_and_exits_accordingly() {
    let program = Program::init().await;
    program.organization("north", &["dev"]).await;
    let key = ["--name", "n", "--all-envs"];
    let cases: &[(i32, Vec<&str>, &str)] = &[
        (
            1,
            words("org create north --name x", &[]),
            "already an organization `north`",
        ),
        (1, words("org show nroth", &[]), "no organization `nroth`"),
        (
            1,
            words("org suspend nroth", &[]),
            "no organization `nroth`",
        ),
        (1, words("org set north --name", &[" "]), "field `name`"),
        (
            1,
            words("key create --org nroth", &key),
            "no organization `nroth`",
        ),
        (
            1,
            words("key create --org north --tool serch_patients", &key),
            "did you mean `search_patients`?",
        ),
        (
            1,
            words("key create --org north --name n --env de", &[]),
            "did you mean `dev`?",
        ),
        (
            1,
            words("key create --org north --expires 2020-01-01", &key),
            "is in the past",
        ),
        (
            1,
            words("key revoke abcdefghij", &[]),
            "no gateway key `abcdefghij`",
        ),
        (
            1,
            words(
                "credential test --org north --env dev --provider eka-car",
                &[],
            ),
            "did you mean `eka-care`?",
        ),
        (
            1,
            words(
                "credential test --org north --env prd --provider eka-care",
                &[],
            ),
            "did you mean `prod`?",
        ),
        (
            1,
            words(
                "credential test --org north --env prod --provider eka-care",
                &[],
            ),
            "has no active credential",
        ),
        (
            1,
            words(
                "credential show --org north --env prod --provider eka-care",
                &[],
            ),
            "has no active credential",
        ),
        (
            1,
            words("credential set --from-file nowhere.toml", &PLACE),
            "nowhere.toml",
        ),
        (
            1,
            words(
                "credential set --flow acount --from-file north-dev.toml",
                &PLACE,
            ),
            "did you mean `account`?",
        ),
        (
            1,
            words(
                "credential set --issued 2999-01-01 --from-file north-dev.toml",
                &PLACE,
            ),
            "is in the future",
        ),
        (2, words("org create North --name x", &[]), "a-z, 0-9 and -"),
        (2, words("org create", &[]), "required"),
        (2, words("key create --org north --name n", &[]), "--env"),
        (
            2,
            words("key create --org north --env dev", &key),
            "cannot be used with",
        ),
        (
            2,
            words("key create --org north --expires soon", &key),
            "90d",
        ),
        (
            2,
            words("credential set --issued soon --from-file x", &PLACE),
            "YYYY-MM-DD",
        ),
        (2, words("orgs list", &[]), "org"),
        (2, words("client-config emacs --org north", &[]), "cursor"),
        (
            78,
            words("--config nowhere.toml org list", &[]),
            "run `locum init`",
        ),
        (
            78,
            words("--config nowhere.toml serve", &[]),
            "run `locum init`",
        ),
    ];
    for (code, arguments, expected) in cases {
        let (found, message) = program.fails(arguments).await;
        assert_eq!(found, *code, "{arguments:?}: {message}");
        assert!(message.contains(expected), "{arguments:?}: {message}");
    }
    let (_, message) = program.fails(&["org", "show", "nroth", "--json"]).await;
    let message: Value = serde_json::from_str(&message).unwrap();
    let error = message["error"].as_str().unwrap();
    assert!(error.contains("did you mean `north`?"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_shown_once_listed_and_revoked() {
    let program = Program::init().await;
    for slug in ["north", "south"] {
        program.ok(&["org", "create", slug, "--name", slug]).await;
    }
    let text = program
        .ok(&words("key create --org north --env dev --name", &["a b"]))
        .await;
    assert!(text.lines().nth(1).unwrap().starts_with("lgk_"), "{text}");
    let limited = "key create --org north --org south --all-envs --read-only --expires 90d \
                   --tool search_patients --name both";
    let created = program
        .json(&words(&limited.replace("                   ", ""), &[]))
        .await;
    let key = created["key"].as_str().unwrap();
    let id = created["id"].as_str().unwrap();
    assert!(key.starts_with(&format!("lgk_{id}_")), "{created}");
    assert_eq!(created["grants"][1]["organization"], "south");
    assert_eq!(created["grants"][1]["tools"], json!(["search_patients"]));
    let list = program.ok(&["key", "list"]).await;
    assert!(
        list.contains("north/dev") && list.contains("south/* (tools: 1, read-only)"),
        "{list}"
    );
    let revoked = program.json(&["key", "revoke", id]).await;
    assert_eq!(revoked, json!({"id": id, "state": "revoked"}));
    let list = program.json(&["key", "list"]).await;
    let states = ["/items/0/state", "/items/1/state"].map(|at| list.pointer(at).cloned());
    assert_eq!(states, [Some(json!("active")), Some(json!("revoked"))]);
    let again = program.fails(&["key", "revoke", id]).await;
    assert_eq!(again.0, 1, "{}", again.1);
    assert!(!list.to_string().contains(key));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalog_is_checked_and_shown() {
    let program = Program::init().await;
    program.organization("north", &["dev"]).await;
    let checked = program.json(&["catalog", "check"]).await;
    assert_eq!(checked["items"][0]["provider"], "eka-care");
    assert_eq!(checked["items"][0]["tools"], 31);
    let text = program.ok(&["catalog", "check"]).await;
    assert!(
        text.contains("dev, prod") && text.contains("account, token"),
        "{text}"
    );
    for (more, count) in [
        ("", 31),
        (" --org north", 31),
        (" --org north --env dev", 31),
        (" --org north --env prod", 0),
    ] {
        let shown = program
            .json(&words(&format!("catalog show{more}"), &[]))
            .await;
        assert_eq!(shown["items"].as_array().unwrap().len(), count, "{more}");
        let table = program
            .ok(&words(&format!("catalog show{more}"), &[]))
            .await;
        assert_eq!(table.lines().count(), 1 + count, "{more}");
    }
    fs::write(program.path("bad.toml"), "format = 1\nnmae = \"x\"\n").unwrap();
    let (code, message) = program.fails(&["catalog", "check", "bad.toml"]).await;
    assert_eq!(code, 78, "{message}");
    assert!(
        message.contains("bad.toml:2") && message.contains("`name`"),
        "{message}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_client_gets_a_snippet_with_its_url_and_without_a_key() {
    let program = Program::init().await;
    program.configure("");
    let url = "https://mcp.example/t/north/dev/mcp";
    for client in [
        "claude-desktop",
        "claude-code",
        "cursor",
        "vscode",
        "windsurf",
        "zed",
        "mcp-remote",
        "curl",
    ] {
        for json in [true, false] {
            let mut command =
                program.command(&words("client-config --org north --env dev", &[client]));
            command.env("LOCUM__SERVER__PUBLIC_URL", "https://mcp.example");
            if json {
                command.arg("--json");
            }
            let output = command.output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert!(text.contains(url), "{client}: {text}");
            assert!(!text.contains("lgk_"), "{client}: {text}");
            if json {
                let snippet: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(
                    (&snippet["client"], &snippet["url"]),
                    (&json!(client), &json!(url))
                );
            } else {
                assert!(text.starts_with("# "), "{client}: {text}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mcp_remote_is_told_of_plain_http_to_another_machine() {
    let (program, _sandbox) = clinic().await;
    for (public_url, told) in [
        ("https://mcp.example", false),
        ("http://localhost:8080", false),
        ("http://127.0.0.1", false),
        ("http://mcp.example:8080", true),
        ("http://127.0.0.1.example", true),
        ("http://[::1]:8080", true),
    ] {
        for client in ["claude-desktop", "mcp-remote"] {
            let mut command = program.command(&["client-config", client, "--org", "north"]);
            command.env("LOCUM__SERVER__PUBLIC_URL", public_url);
            let output = command.output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            assert_eq!(text.contains("--allow-http"), told, "{public_url}: {text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn check_finds_what_is_wrong_and_logs_in_when_told() {
    let (program, _sandbox) = clinic().await;
    let text = program.ok(&["check"]).await;
    assert!(text.contains("opens; not tried (use --live)"), "{text}");
    let live = program.ok(&["check", "--live"]).await;
    assert!(live.contains("Authentication successful"), "{live}");
    program.organization("south", &["prod"]).await;
    let fields = "client_id = \"south\"\nclient_secret = \"wrong-one\"\n";
    let set =
        "credential set --org south --env prod --provider eka-care --unverified --from-file -";
    assert!(
        fed(&program, &words(set, &[]), fields)
            .await
            .status
            .success()
    );
    let output = program.run(&["check", "--live", "--json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let items = report["items"].as_array().unwrap();
    let of = |name: &str| items.iter().find(|item| item["check"] == name).unwrap();
    assert_eq!(
        of("credential north/dev/eka-care")["message"],
        "Authentication successful"
    );
    let failed = of("credential south/prod/eka-care");
    assert_eq!(failed["ok"], false);
    let message = failed["message"].as_str().unwrap();
    assert!(
        message.contains("refused") && message.contains("401"),
        "{message}"
    );
    assert!(!message.contains("wrong-one"), "{message}");
    let (code, progress) = program.fails(&["check", "--live"]).await;
    assert_eq!(code, 1);
    assert!(
        progress.contains("logging in: south/prod/eka-care"),
        "{progress}"
    );
    let test = "credential test --org south --env prod --provider eka-care";
    assert_eq!(program.fails(&words(test, &[])).await.0, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_read_from_file_and_environment_and_checked() {
    let program = Program::init().await;
    for (text, expected) in [
        (
            "[servr]\n",
            "locum.toml:1: unknown key `servr`; did you mean `server`?",
        ),
        (
            "\n[server]\nlisten_at = \"x\"\n",
            "locum.toml:3: unknown key `listen_at`",
        ),
        ("[server]\nlisten = 7\n", "locum.toml:2:"),
        ("[server\n", "locum.toml:1:"),
        ("[store]\nurl = \"postgres://x\"\n", "store.url"),
        (
            "[upstream]\nallow_http_host = []\n",
            "did you mean `allow_http_hosts`?",
        ),
    ] {
        fs::write(program.path("locum.toml"), text).unwrap();
        let (code, message) = program.fails(&["check"]).await;
        assert_eq!(code, 78, "{text}: {message}");
        assert!(message.contains(expected), "{text}: {message}");
    }
    program.configure("");
    for (name, value, expected) in [
        (
            "LOCUM__SERVER__LISTN",
            "127.0.0.1:0",
            "did you mean `listen`?",
        ),
        ("LOCUM__SERVER__LISTEN", "nowhere", "LOCUM__SERVER__LISTEN"),
        ("LOCUM__LIMITS__BODY", "much", "LOCUM__LIMITS__BODY"),
    ] {
        let output = program
            .command(&["check"])
            .env(name, value)
            .output()
            .await
            .unwrap();
        assert_eq!(output.status.code(), Some(78), "{name}: {output:?}");
        assert!(stderr(&output).contains(expected), "{name}: {output:?}");
    }
    let listen = free_address();
    let variables = [
        ("LOCUM__SERVER__LISTEN", listen.as_str()),
        (
            "LOCUM__PROVIDERS__EKA_CARE__ENVIRONMENTS__DEV__BASE_URL",
            "http://127.0.0.1:9",
        ),
    ];
    let (server, _) = serve_logged(&program, &variables).await;
    assert_eq!(server.url, format!("http://{listen}"));
    let other = Program::init().await;
    let second = other
        .command(&["serve"])
        .env(variables[0].0, variables[0].1)
        .output()
        .await
        .unwrap();
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(stderr(&second).contains("cannot listen on"), "{second:?}");
}
