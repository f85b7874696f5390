//! The end of an organization: it is refused at once, nothing of it is left in the database's files,
//! what is others' stays, and its name can be given again.

mod traces;

use std::collections::BTreeSet;

use locum::domain::actor::Role;
use reqwest::Method;
use serde_json::json;
use sqlx::Row;

use crate::support::api::ApiClient;
use crate::support::database::open;
use crate::support::program::Program;
use crate::support::{McpClient, Reply, TestApp};

async fn read(client: &McpClient) -> Reply {
    let arguments = json!({"clinic_id": "C2001"});
    client.call("get_clinic_details_basic", arguments).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_organization_is_gone_at_once_and_others_notice_nothing() {
    let app = TestApp::builder()
        .org("north", &["dev", "prod"])
        .org("south", &["dev"])
        .start()
        .await;
    let owner = app.api(Role::Owner, None).await;
    let (operator, auditor) = (
        app.api(Role::Operator, Some("north")).await,
        app.api(Role::Auditor, Some("south")).await,
    );
    let both = app.client(&["north", "south"], &["dev"]).await;
    let alone = app.client(&["north"], &["dev"]).await;
    let (north, south) = (both.at("north", "dev"), both.at("south", "dev"));
    assert!(read(&north).await.is_ok() && read(&alone).await.is_ok());
    assert!(read(&south).await.is_ok());
    let shown = owner.get("/orgs/north").await;
    let (tag, uuid) = (shown.header("etag").to_owned(), shown.body["uuid"].clone());
    owner
        .patch(
            "/orgs/north",
            json!({"limits": {"dev": {"per_minute": 50}}, "settings": {"dev": {"read_only": true}}}),
        )
        .await
        .ok();

    let stale = [("if-match", tag.as_str())];
    let refused = owner
        .send(Method::DELETE, "/orgs/north", &stale, None)
        .await;
    assert_eq!((refused.status, refused.code()), (412, "changed"));
    assert!(read(&north).await.is_ok(), "nothing was deleted");

    let tag = owner.get("/orgs/north").await.header("etag").to_owned();
    let present = [("if-match", tag.as_str())];
    let deleted = owner
        .send(Method::DELETE, "/orgs/north", &present, None)
        .await;
    let receipt = deleted.ok();
    assert_eq!(
        (&receipt["organization"], &receipt["uuid"]),
        (&json!("north"), &uuid)
    );
    let removed = &receipt["removed"];
    for (kind, number) in [
        ("organization_keys", 2),
        ("credential_versions", 2),
        ("sealed_fields", 4),
        ("grants", 2),
        ("limits", 1),
        ("settings", 1),
    ] {
        assert_eq!(removed[kind], number, "{kind}: {receipt}");
    }
    let key = alone.key.split('_').nth(1).unwrap();
    assert_eq!(receipt["revoked_keys"], json!([key]));
    assert_eq!(receipt["revoked_tokens"].as_array().unwrap().len(), 1);
    assert_eq!(receipt["log_emptied"], true);
    assert!(
        receipt["note"].as_str().unwrap().contains("Backups"),
        "{receipt}"
    );

    // No waiting: the answer came when the gateway knew.
    let reply = read(&north).await;
    assert_eq!((reply.status, reply.code()), (403, "tenant_forbidden"));
    assert_eq!(read(&alone).await.status, 401);
    assert!(read(&south).await.is_ok());
    assert_eq!(operator.get("/orgs").await.status, 401);
    assert_eq!(auditor.get("/orgs/south").await.status, 200);
    let again = owner.delete("/orgs/north").await;
    assert_eq!(
        (again.status, again.code()),
        (404, "organization_not_found")
    );
    let tokens = owner.get("/admin-tokens").await.ok();
    let items = tokens["items"].as_array().unwrap();
    let ended: Vec<_> = items
        .iter()
        .filter(|one| one["state"] == "revoked")
        .collect();
    assert_eq!((ended.len(), &ended[0]["organization"]), (1, &uuid));

    // The log has it, under the number of the receipt, and all that came before.
    let seq = receipt["audit_seq"].as_i64().unwrap();
    let all = app.audit().await;
    let record = all.iter().find(|record| record.seq == seq).unwrap();
    assert_eq!(record.action, "org.delete");
    assert_eq!(
        record.organization_uuid.unwrap().to_string(),
        uuid.as_str().unwrap()
    );
    let of_it = all
        .iter()
        .filter(|one| one.organization.as_deref() == Some("north"));
    assert!(of_it.count() > 5);
    assert!(app.admin().audit_verify(None).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_is_given_again_has_nothing_of_the_one_before() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let owner = app.api(Role::Owner, None).await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let client = McpClient::new(&app.url(), &key).at("north", "dev");
    assert!(read(&client).await.is_ok());
    let former = owner.get("/orgs/north").await.ok()["uuid"].clone();
    owner.delete("/orgs/north").await.ok();

    let gone = owner.get("/audit?org=north").await.ok();
    assert!(!gone["items"].as_array().unwrap().is_empty(), "by its name");
    let new = json!({"id": "north", "name": "Another North"});
    let uuid = owner.post("/orgs", new).await.ok()["uuid"].clone();
    assert_ne!(uuid, former);
    let operator = app.api(Role::Operator, Some("north")).await;
    for path in ["/orgs/north/credentials", "/orgs/north/keys"] {
        assert_eq!(operator.get(path).await.ok()["items"], json!([]), "{path}");
    }
    let usage = operator.get("/usage").await.ok().to_string();
    assert!(!usage.contains("\"calls\":1"), "{usage}");
    // Who knows the new one alone sees its records and none of the former one's.
    let uuids = async |client: &ApiClient| {
        let records = client.get("/audit?org=north").await.ok();
        let items = records["items"].as_array().unwrap().clone();
        let uuids = items.iter().map(|one| one["organization_uuid"].to_string());
        uuids.collect::<BTreeSet<_>>()
    };
    assert_eq!(uuids(&operator).await, [uuid.to_string()].into());
    let both = [uuid.to_string(), former.to_string()];
    assert_eq!(uuids(&owner).await, both.into());
    let path = format!("/audit?org={}", former.as_str().unwrap());
    assert!(
        !owner.get(&path).await.ok()["items"]
            .as_array()
            .unwrap()
            .is_empty()
    );
    assert_eq!(operator.get(&path).await.status, 404);
    // A key of the former one opens nothing, also where a new one opens it.
    app.client(&["north"], &["dev"]).await;
    assert_eq!(read(&client).await.status, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn kept_answers_that_name_it_go_with_it() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let owner = app.api(Role::Owner, None).await;
    let fields = json!({"fields": {"client_id": "doomed-dev", "client_secret": "synthetic"}});
    let grant = |slugs: &[&str]| {
        let grants = slugs.iter().map(|slug| json!({"organization": slug}));
        let grants: Vec<_> = grants.collect();
        json!({"name": "desk", "grants": grants})
    };
    let of_it = [
        (
            "/orgs",
            json!({"id": "doomed", "name": "The Doomed Clinic"}),
        ),
        ("/orgs/doomed/credentials/dev/eka-care/rotations", fields),
        ("/keys", grant(&["doomed"])),
        ("/keys", grant(&["north", "doomed"])),
        (
            "/admin-tokens",
            json!({"name": "desk", "role": "auditor", "organization": "doomed"}),
        ),
    ];
    let others = [
        ("/orgs", json!({"id": "doomed-too", "name": "doomed"})),
        ("/keys", grant(&["south"])),
    ];
    let mut number = 0;
    for (path, body) in of_it.iter().chain(&others) {
        number += 1;
        let key = format!("request-{number}");
        let headers = [("idempotency-key", key.as_str())];
        let answer = owner.send(Method::POST, path, &headers, Some(body)).await;
        assert_eq!(answer.status, 201, "{path}: {answer:?}");
    }
    let path = app.running.app().loaded.database().unwrap();
    let mut database = open(&path).await;
    let mut kept = async || {
        let rows = sqlx::query("SELECT key, answer FROM idempotency_keys ORDER BY key");
        let rows = rows.fetch_all(&mut database).await.unwrap();
        let text = |row: &sqlx::sqlite::SqliteRow| (row.get(0), row.get(1));
        rows.iter().map(text).collect::<Vec<(String, String)>>()
    };
    assert_eq!(kept().await.len(), 7);
    owner.delete("/orgs/doomed").await.ok();
    let left: Vec<String> = kept().await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, ["request-6", "request-7"]);
    // And the same creation is a new one.
    let (path, body) = &of_it[0];
    let headers = [("idempotency-key", "request-1")];
    let again = owner.send(Method::POST, path, &headers, Some(body)).await;
    assert_eq!(
        (again.status, again.header("idempotent-replayed")),
        (201, "")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_still_has_to_write_of_it_is_dropped_and_the_rest_is_written() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north", "south"], &[]).await;
    for slug in ["north", "south", "south"] {
        assert!(read(&client.at(slug, "dev")).await.is_ok());
    }
    // Before the bookkeeper's next turn.
    let owner = app.api(Role::Owner, None).await;
    owner.delete("/orgs/north").await.ok();
    let path = app.running.app().loaded.database().unwrap();
    app.running.stop().await.unwrap();
    let mut database = open(&path).await;
    for (question, wanted) in [
        ("SELECT SUM(calls) FROM tenant_usage", 2),
        ("SELECT COUNT(*) FROM profile_health", 1),
        ("SELECT COUNT(*) FROM organizations", 1),
    ] {
        let row = sqlx::query(question)
            .fetch_one(&mut database)
            .await
            .unwrap();
        assert_eq!(row.get::<i64, _>(0), wanted, "{question}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_deletes_what_is_named_twice() {
    let program = Program::init().await;
    program.organization("north", &["dev"]).await;
    for (more, code, said) in [
        (&[][..], 2, "add --confirm north"),
        (&["--confirm", "south"], 2, "nothing was deleted"),
    ] {
        let arguments = [&["org", "delete", "north"], more].concat();
        let (found, text) = program.fails(&arguments).await;
        assert!(found == code && text.contains(said), "{found} {text}");
    }
    let (code, text) = program
        .fails(&["org", "delete", "nroth", "--confirm", "nroth"])
        .await;
    assert!(code == 1 && text.contains("did you mean"), "{code} {text}");
    let delete = ["org", "delete", "north", "--confirm", "north"];
    let receipt = program.ok(&delete).await;
    for part in [
        "`north`",
        "1 organization keys",
        "2 sealed values",
        "Backups",
        "audit record",
    ] {
        assert!(receipt.contains(part), "{part}: {receipt}");
    }
    assert!(!program.ok(&["org", "list"]).await.contains("north"));
    program.organization("north", &["dev"]).await;
    let receipt = program.json(&delete).await;
    assert_eq!(receipt["log_emptied"], true, "{receipt}");
    program.ok(&["check"]).await;
    program.ok(&["audit", "verify"]).await;
}
