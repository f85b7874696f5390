//! Profiles, `[providers]` and `[limits]` change while the gateway serves: on save, on SIGHUP, and
//! never by halves.

use std::path::PathBuf;
use std::time::Duration;

use locum::sandbox::Endpoint;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::app::reqwest_client;
use crate::support::client::McpClient;
use crate::support::process::{serve_logged, within};
use crate::support::program::{Program, sandbox};

const BUILT_IN: &str = include_str!("../../profiles/eka-care.toml");

/// Saving is noticed by looks a second apart, of which two have to agree.
const NOTICED: Duration = Duration::from_secs(20);

fn config_file(app: &TestApp) -> PathBuf {
    app.running.app().loaded.file().unwrap().to_owned()
}

/// Puts a profile in the place of the built-in one.
fn save_profile(app: &TestApp, text: &str) {
    let folder = config_file(app).with_file_name("profiles");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("eka-care.toml"), text).unwrap();
}

/// Adds to `locum.toml`, or takes back what was added.
fn save_config(app: &TestApp, more: &str) {
    const MARK: &str = "# added\n";
    let file = config_file(app);
    let text = std::fs::read_to_string(&file).unwrap();
    let kept = text.split(MARK).next().unwrap();
    std::fs::write(file, format!("{kept}{MARK}{more}")).unwrap();
}

async fn title(client: &McpClient) -> Value {
    let reply = client.legacy("tools/list", json!({})).await;
    let tools = reply.body["result"]["tools"].as_array().unwrap().clone();
    let tool = tools.iter().find(|tool| tool["name"] == "search_patients");
    tool.unwrap()["title"].clone()
}

fn titled(title: &str) -> String {
    let changed = BUILT_IN.replace(
        "title = \"Search patients\"",
        &format!("title = \"{title}\""),
    );
    assert_ne!(changed, BUILT_IN);
    changed
}

async fn get(app: &TestApp, path: &str) -> String {
    let url = format!("http://{}{path}", app.running.admin);
    let answer = reqwest_client().get(url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

async fn search(client: &McpClient) -> bool {
    let found = client.call("search_patients", json!({"prefix": "a"})).await;
    found.is_ok()
}

fn count(app: &TestApp, endpoint: Endpoint) -> usize {
    let seen = app.sandbox.requests();
    seen.iter().filter(|seen| seen.endpoint == endpoint).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saved_profile_is_served_without_a_restart_and_a_broken_one_is_not() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    assert_eq!(title(&client).await, "Search patients");

    save_profile(&app, &titled("Find people"));
    let noticed = async || title(&client).await == "Find people";
    within(NOTICED, "the new title", noticed).await;

    // Broken: the former one goes on, and everybody who looks is told.
    save_profile(
        &app,
        &titled("Find more").replace("name = \"search_patients\"", "nam = 1"),
    );
    let refused = async || get(&app, "/readyz").await.contains("refused");
    within(NOTICED, "the refusal", refused).await;
    assert_eq!(title(&client).await, "Find people");
    assert!(search(&client).await);
    let ready: Value = serde_json::from_str(&get(&app, "/readyz").await).unwrap();
    let said = ready["configuration"].as_str().unwrap();
    assert!(said.starts_with("refused (eka-care.toml:2"), "{said}");
    assert!(!said.contains("nam"), "anybody may ask: {said}");
    assert_eq!(ready["status"], "ok");
    assert!(
        get(&app, "/metrics")
            .await
            .contains("\nlocum_configuration_refused 1\n")
    );
    let status = app.admin().status(None).await.unwrap();
    let problem = status.server.configuration_problem.unwrap();
    assert!(problem.contains("unknown key `nam`"), "{problem}");

    save_profile(&app, &titled("Find more"));
    let noticed = async || title(&client).await == "Find more";
    within(NOTICED, "the mended profile", noticed).await;
    let told = async || {
        get(&app, "/readyz")
            .await
            .contains("\"configuration\":\"ok\"")
    };
    within(NOTICED, "the end of the refusal", told).await;
    let status = app.admin().status(None).await.unwrap();
    assert_eq!(status.server.configuration_problem, None);
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_stay_unless_their_own_profile_changes() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    assert!(search(&client).await);
    assert_eq!(count(&app, Endpoint::Login), 1);

    // Another provider says nothing about this one.
    let other = include_str!("reload/notes.toml");
    let folder = config_file(&app).with_file_name("profiles");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("notes.toml"), other).unwrap();
    app.running.reload().await;
    assert!(app.running.app().catalog.now().tool("list_notes").is_some());
    assert!(search(&client).await);
    assert_eq!(count(&app, Endpoint::Login), 1);

    // A tool's words make no token.
    save_profile(&app, &titled("Find people"));
    app.running.reload().await;
    assert_eq!(title(&client).await, "Find people");
    assert!(search(&client).await);
    assert_eq!(count(&app, Endpoint::Login), 1);

    // A header that every request carries: the token is made anew with it.
    let header = "[[headers]]\nname = \"X-Group\"\nvalue = \"g-7\"\n\n[[headers]]\n";
    save_profile(&app, &BUILT_IN.replacen("[[headers]]\n", header, 1));
    app.running.reload().await;
    assert!(search(&client).await);
    assert_eq!(count(&app, Endpoint::Login), 2);
    let seen = app.sandbox.requests();
    let last = seen
        .iter()
        .rfind(|seen| seen.endpoint == Endpoint::PatientSearch);
    let carried = &last.unwrap().headers;
    assert!(carried.iter().any(|name| name == "x-group"), "{carried:?}");
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_base_urls_change_and_what_takes_a_restart_is_said() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    let failed = async || {
        let reply = client.call("search_patients", json!({"prefix": "a"})).await;
        reply.failure()["error_code"].clone()
    };
    save_config(&app, "[limits]\ntenant_per_minute = 1\nbody = \"2KiB\"\n");
    app.running.reload().await;
    assert!(search(&client).await);
    assert_eq!(failed().await, "limited_per_minute");
    let long = json!({"prefix": "a".repeat(3_000)});
    let reply = client.call("search_patients", long).await;
    assert_eq!((reply.status, reply.code()), (413, "body_too_large"));

    // One mistake, and nothing of it holds.
    save_config(
        &app,
        "[limits]\ntenant_per_minute = 100\ncall_timeout = \"soon\"\n",
    );
    app.running.reload().await;
    assert_eq!(failed().await, "limited_per_minute");
    let status = app.admin().status(None).await.unwrap();
    let problem = status.server.configuration_problem.unwrap();
    assert!(
        problem.contains("a duration is a whole number"),
        "{problem}"
    );

    // What only a restart changes is no reason to refuse the rest.
    save_config(&app, "[tenancy]\nheader = \"X-Clinic\"\n");
    app.running.reload().await;
    assert!(
        get(&app, "/readyz")
            .await
            .contains("\"configuration\":\"ok\"")
    );
    assert!(search(&client).await && search(&client).await);
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_moves_and_calls_follow() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    assert!(search(&client).await);
    let before = count(&app, Endpoint::PatientSearch);
    let elsewhere = sandbox().await;
    let file = config_file(&app);
    let text = std::fs::read_to_string(&file).unwrap();
    let former = text
        .lines()
        .find(|line| line.starts_with("base_url"))
        .unwrap();
    let moved = text.replace(former, &format!("base_url = \"{}\"", elsewhere.url));
    std::fs::write(&file, moved).unwrap();
    app.running.reload().await;
    assert!(search(&client).await);
    assert_eq!(count(&app, Endpoint::PatientSearch), before);
    app.running.stop().await.unwrap();
}

#[tokio::test]
async fn a_signal_reloads_and_commands_show_what_is_refused() {
    let upstream = sandbox().await;
    let program = Program::init().await;
    program.configure_upstream(&upstream.url);
    program.organization("north", &["dev"]).await;
    let key = program.key(&["north"]).await;
    let (mut server, log) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key);
    let hang_up = || {
        let id = i32::try_from(server.child.id().unwrap()).unwrap();
        let id = rustix::process::Pid::from_raw(id).unwrap();
        rustix::process::kill_process(id, Signal::HUP).unwrap();
    };
    // Nothing was saved: it is the signal that is answered.
    hang_up();
    let read = async || {
        std::fs::read_to_string(&log)
            .unwrap()
            .contains("are what they were")
    };
    within(NOTICED, "a reload by the signal", read).await;
    std::fs::create_dir(program.path("profiles")).unwrap();
    let profile = program.path("profiles/eka-care.toml");
    std::fs::write(&profile, titled("Find people")).unwrap();
    hang_up();
    let noticed = async || title(&client).await == "Find people";
    within(NOTICED, "the new title", noticed).await;

    std::fs::write(&profile, "format = 1\nname = 7\n").unwrap();
    hang_up();
    let told = async || {
        let output = program.run(&["status"]).await;
        String::from_utf8_lossy(&output.stdout).contains("REFUSED, the former is served")
    };
    within(NOTICED, "the refusal in `locum status`", told).await;
    let output = program.run(&["status", "--json"]).await;
    assert!(output.status.success());
    let shown: Value = serde_json::from_slice(&output.stdout).unwrap();
    let problem = shown["server"]["configuration_problem"].as_str().unwrap();
    assert!(problem.contains("eka-care.toml:2"), "{problem}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("eka-care.toml:2"));
    assert_eq!(title(&client).await, "Find people");
    let ended = crate::support::process::end(&mut server.child, Signal::TERM).await;
    assert!(ended.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_gone_changes_nothing_and_is_told() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    save_profile(&app, &titled("Find people"));
    app.running.reload().await;
    assert_eq!(title(&client).await, "Find people");
    let folder = config_file(&app).with_file_name("profiles");
    // What an editor leaves beside a file is none.
    std::os::unix::fs::symlink("nobody@nowhere", folder.join(".#eka-care.toml")).unwrap();
    app.running.reload().await;
    assert!(
        get(&app, "/readyz")
            .await
            .contains("\"configuration\":\"ok\"")
    );
    std::fs::rename(&folder, folder.with_file_name("elsewhere")).unwrap();
    app.running.reload().await;
    assert_eq!(title(&client).await, "Find people");
    assert!(get(&app, "/readyz").await.contains("refused"));
    std::fs::rename(folder.with_file_name("elsewhere"), &folder).unwrap();
    app.running.reload().await;
    assert!(
        get(&app, "/readyz")
            .await
            .contains("\"configuration\":\"ok\"")
    );
    app.running.stop().await.unwrap();
}
