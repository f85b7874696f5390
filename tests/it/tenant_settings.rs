//! What an administrator settles for a tenant: the tools that it has, the same for listing and for
//! calling, and the values that they work with.

use locum::admin::{AuditFilter, AuditOrder};
use locum::domain::actor::Role;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::client::McpClient;
use crate::support::database;
use crate::support::process::soon;
use crate::support::program::Program;
use crate::support::scrape::Scrape;

async fn names(client: &McpClient) -> Vec<String> {
    let reply = client.modern("tools/list", json!({})).await;
    let tools = reply.body["result"]["tools"].as_array().unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

/// Whether a tool can be called; the list has to say the same.
async fn has(client: &McpClient, tool: &str) -> bool {
    let listed = names(client).await.iter().any(|name| name == tool);
    let reply = client.call(tool, json!({})).await;
    let known = reply.body["error"]["message"] != json!(format!("Unknown tool: {tool}"));
    assert_eq!(listed, known, "{tool}: {}", reply.body);
    listed
}

async fn settle(app: &TestApp, slug: &str, settings: Value) -> Value {
    let owner = app.api(Role::Owner, None).await;
    let body = json!({"settings": settings});
    let changed = owner.patch(&format!("/orgs/{slug}"), body).await.ok();
    app.settle().await;
    changed["settings"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_serialized_once_for_all_who_see_the_same() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let made = async || {
        let scrape = Scrape::of(&format!("http://{}", app.running.admin)).await;
        scrape.value("locum_mcp_tool_lists_made_total", &[])
    };
    let client = app.client(&["north", "south"], &["dev"]).await;
    let (north, south) = (client.at("north", "dev"), client.at("south", "dev"));
    for _ in 0..5 {
        assert_eq!(names(&north).await.len(), 31);
        assert_eq!(names(&south).await.len(), 31);
        north.legacy("tools/list", json!({})).await;
    }
    assert_eq!(made().await, 1.0);

    settle(&app, "north", json!({"dev": {"read_only": true}})).await;
    for _ in 0..5 {
        assert!(names(&north).await.len() < 31);
        assert_eq!(names(&south).await.len(), 31);
    }
    assert_eq!(made().await, 2.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_has_the_tools_that_it_is_given_and_no_others() {
    let app = TestApp::builder()
        .org("north", &["dev", "prod"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north", "south"], &[]).await;
    let (dev, prod) = (client.at("north", "dev"), client.at("north", "prod"));
    let south = client.at("south", "dev");
    let all = names(&dev).await.len();
    assert_eq!(all, 31);

    let allow = json!(["search_patients", "add_patient", "archive_patient"]);
    let settings = json!({"dev": {"allow_tools": allow, "deny_tools": ["archive_patient"]}});
    let shown = settle(&app, "north", settings).await;
    let expected = json!([{
        "environment": "dev", "allow_tools": ["add_patient", "archive_patient", "search_patients"],
        "deny_tools": ["archive_patient"], "read_only": false, "values": {},
    }]);
    assert_eq!(shown, expected);
    assert_eq!(names(&dev).await, ["add_patient", "search_patients"]);
    for (tool, has_it) in [
        ("search_patients", true),
        ("archive_patient", false),
        ("list_patients", false),
    ] {
        assert_eq!(has(&dev, tool).await, has_it, "{tool}");
    }
    // Another environment and another organization are as they were.
    assert_eq!(
        (names(&prod).await.len(), names(&south).await.len()),
        (all, all)
    );

    // What is left out stays; only what reads.
    settle(&app, "north", json!({"dev": {"read_only": true}})).await;
    assert_eq!(names(&dev).await, ["search_patients"]);
    // A key that opens less has less, whatever the tenant has.
    let narrow = dev.with_key(
        &app.key(&["north"], &["dev"], &["list_patients"], false)
            .await,
    );
    assert_eq!(names(&narrow).await, [""; 0]);
    assert!(!has(&narrow, "search_patients").await);

    // An empty list is none, `null` is all.
    settle(&app, "north", json!({"dev": {"allow_tools": []}})).await;
    assert_eq!(names(&dev).await, [""; 0]);
    let shown = settle(
        &app,
        "north",
        json!({"dev": {"allow_tools": null, "deny_tools": [], "read_only": false}}),
    )
    .await;
    assert_eq!((shown, names(&dev).await.len()), (json!([]), all));
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_of_a_tool_that_the_tenant_has_not_is_on_record() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &["dev"]).await;
    settle(
        &app,
        "north",
        json!({"dev": {"deny_tools": ["archive_patient"]}}),
    )
    .await;
    let reply = client
        .call("archive_patient", json!({"patient_id": "1"}))
        .await;
    assert_eq!(
        reply.body["error"]["message"],
        "Unknown tool: archive_patient"
    );
    assert_eq!(app.sandbox.requests().len(), 0);
    let admin = app.admin();
    let recorded = async || {
        let filter = AuditFilter {
            action: Some("call archive_patient".to_owned()),
            ..AuditFilter::default()
        };
        let page = admin
            .audit_page(&filter, AuditOrder::OldestFirst(0), 10)
            .await
            .unwrap();
        page.items.iter().any(|entry| entry.outcome == "denied")
    };
    soon("the call is on record", recorded).await;
    let changes = app.audit().await;
    let settled = changes
        .iter()
        .find(|entry| entry.action == "org.settings")
        .unwrap();
    assert_eq!(settled.environment.as_deref(), Some("dev"));
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mistake_changes_nothing() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let owner = app.api(Role::Owner, None).await;
    let long = "x".repeat(1_001);
    for (dev, status, code) in [
        (
            json!({"allow_tools": ["serch_patients"]}),
            409,
            "tool_unknown",
        ),
        (json!({"deny_tools": ["no such"]}), 400, "body_invalid"),
        (json!({"deny": []}), 400, "body_invalid"),
        (json!({"values": {"Hub": "1"}}), 422, "field_invalid"),
        (json!({"values": {"hub": long}}), 422, "field_invalid"),
        (json!({"values": {"hub": "a\nb"}}), 422, "field_invalid"),
        (json!({"values": {"hub": ""}}), 422, "field_invalid"),
    ] {
        let body = json!({"name": "New", "settings": {"dev": dev}});
        let reply = owner.patch("/orgs/north", body).await;
        let short: String = dev.to_string().chars().take(60).collect();
        assert_eq!(
            (reply.status, reply.code()),
            (status, code),
            "{short}: {reply:?}"
        );
    }
    let body = json!({"settings": {"nowhere": {"read_only": true}}});
    assert_eq!(owner.patch("/orgs/north", body).await.status, 409);
    let shown = owner.get("/orgs/north").await.ok();
    assert_eq!(
        (&shown["name"], &shown["settings"]),
        (&json!("Clinic north"), &json!([]))
    );
    app.running.stop().await.unwrap();
}

const ECHO: &str = r#"
format = 1
name = "echo"
title = "Echo"
[environments.dev]
base_url = "https://echo.example"
[credential.fields.token]
required = true
description = "Its token"
[login]
default = "token"
[login.flows.token]
request = { method = "POST", path = "/login", json = { token = "{token}" } }
response = { access_token = "/token" }
"#;

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_profiles_see_the_values_of_their_tenant() {
    let profiles = tempfile::tempdir().unwrap();
    let tool = r#"
[[tools]]
name = "where"
description = "Says which hub the tenant has."
annotations = { read_only = true }
cache = "5m"
[[tools.steps]]
name = "hub"
value = '{hub: $org.settings.hub, all: $org.settings, of: $org.slug}'
"#;
    let built_in = include_str!("../../profiles/eka-care.toml");
    std::fs::write(
        profiles.path().join("eka-care.toml"),
        format!("{built_in}\n{tool}"),
    )
    .unwrap();
    let folder = profiles.path().to_str().unwrap();
    let app = TestApp::builder()
        .config(&format!("[profiles]\ndir = \"{folder}\"\n"))
        .org("north", &["dev", "prod"])
        .start()
        .await;
    let client = app.client(&["north"], &[]).await;
    let hub = async |env: &str| {
        let reply = client.at("north", env).call("where", json!({})).await;
        assert!(reply.is_ok(), "{}", reply.body);
        reply.content()["data"].clone()
    };
    assert_eq!(
        hub("dev").await,
        json!({"hub": null, "all": {}, "of": "north"})
    );
    let values = json!({"hub": "H-1", "city": "Pune"});
    settle(
        &app,
        "north",
        json!({"dev": {"values": values}, "prod": {"values": {"hub": "H-2"}}}),
    )
    .await;
    // A kept answer is over with the values that it was made with.
    assert_eq!(
        hub("dev").await,
        json!({"hub": "H-1", "all": values, "of": "north"})
    );
    assert_eq!(hub("prod").await["hub"], "H-2");
    settle(&app, "north", json!({"dev": {"values": {"hub": null}}})).await;
    assert_eq!(hub("dev").await["all"], json!({"city": "Pune"}));
    app.running.stop().await.unwrap();
}

#[tokio::test]
async fn the_program_sets_and_shows_them() {
    let program = Program::init().await;
    std::fs::create_dir(program.path("profiles")).unwrap();
    program.write("profiles/echo.toml", ECHO);
    program
        .ok(&["org", "create", "north", "--name", "North"])
        .await;
    let words = "org set north --env dev --allow-tools search_patients,add_patient --deny-tools add_patient --value hub=H-1 --value city=Pune";
    let text = program.ok(&words.split(' ').collect::<Vec<_>>()).await;
    assert!(
        text.contains("search_patients") && text.contains("hub=H-1"),
        "{text}"
    );
    let shown = program.json(&["org", "show", "north"]).await;
    assert_eq!(
        shown["settings"][0]["values"],
        json!({"city": "Pune", "hub": "H-1"})
    );
    let words = "org set north --env dev --read-only true --value city= --allow-tools all";
    let changed = program.json(&words.split(' ').collect::<Vec<_>>()).await;
    let expected = json!([{
        "environment": "dev", "allow_tools": null, "deny_tools": ["add_patient"],
        "read_only": true, "values": {"hub": "H-1"},
    }]);
    assert_eq!(changed["settings"], expected);
    // Nothing was said of limits.
    assert_eq!(changed["limits"], json!([]));
    for (words, said) in [
        ("org set north --allow-tools all", "--env"),
        ("org set north --env dev", "required"),
        (
            "org set north --env dev --deny-tools all",
            "--allow-tools none",
        ),
        ("org set north --env dev --value hub", "NAME=VALUE"),
        (
            "org set north --env dev --allow-tools serch_patients",
            "did you mean `search_patients`?",
        ),
        (
            "org set north --env dve --allow-tools all",
            "did you mean `dev`?",
        ),
    ] {
        let (_, stderr) = program.fails(&words.split(' ').collect::<Vec<_>>()).await;
        assert!(stderr.contains(said), "{words}: {stderr}");
    }

    // What nobody can read might have denied something: then there is no server.
    let damage = "UPDATE tenant_settings SET deny_tools = 'archive'";
    database::alter(&program.path("data/locum.db"), damage).await;
    let (code, stderr) = program.fails(&["serve"]).await;
    assert!(
        code == 1 && stderr.contains("settings that are none"),
        "{code}: {stderr}"
    );
}
