//! The audit log of administration: every change leaves its record or does not happen; who sees
//! which records; the commands that show and export them.

mod logins;

use std::fs;

use jiff::Timestamp;
use locum::admin::{
    Admin, AdminError, AuditEntry, AuditFilter, AuditOrder, ExportFormat, GrantRequest, KeyRequest,
    LimitChange, OrganizationChange,
};
use locum::domain::actor::{Actor, Role};
use locum::domain::limits::LimitSetting;
use locum::domain::organization::{OrganizationId, OrganizationState};
use locum::domain::principal::Scope;
use locum::domain::tenant::Environment;
use serde_json::Value;

use crate::support::TestApp;
use crate::support::app::{PROVIDER, org, set_credential};
use crate::support::commands::{PLACE, clinic, words};
use crate::support::database::{accept_records, refuse_records};
use crate::support::process::{serve_logged, soon};
use crate::support::program::Program;

const FIELDS: &str = "client_id = \"north-dev\"\nclient_secret = \"synthetic\"\n";

/// All records, oldest first.
async fn all(admin: &Admin) -> Vec<AuditEntry> {
    let filter = AuditFilter::default();
    let page = admin.audit_page(&filter, AuditOrder::OldestFirst(0), 1_000);
    page.await.unwrap().items
}

fn token(role: Role, organization: Option<OrganizationId>) -> Actor {
    Actor::Token {
        id: "tok1".to_owned(),
        name: "priya".to_owned(),
        role,
        organization,
    }
}

fn dev() -> Environment {
    Environment::parse("dev").unwrap()
}

fn key_request(slugs: &[&str]) -> KeyRequest {
    let grant = |slug: &&str| GrantRequest {
        organization: org(slug),
        environments: Scope::All,
        tools: Scope::All,
        read_only: false,
    };
    KeyRequest {
        name: "agent".to_owned(),
        grants: slugs.iter().map(grant).collect(),
        expires: None,
    }
}

/// What a record says, in one line.
fn line(entry: &AuditEntry) -> String {
    let none = || "-".to_owned();
    let parts = [
        entry.action.clone(),
        entry.organization.clone().unwrap_or_else(none),
        entry.environment.clone().unwrap_or_else(none),
        entry.provider.clone().unwrap_or_else(none),
    ];
    parts.join(" ")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_leaves_one_record_for_each_organization_that_it_is_about() {
    let app = TestApp::builder().start().await;
    let owner = token(Role::Owner, None);
    let admin = app.admin().acting_as(owner, Some("request-1".to_owned()));
    for slug in ["north", "south"] {
        admin.create_organization(org(slug), slug).await.unwrap();
    }
    let change = OrganizationChange {
        name: Some("North".to_owned()),
        state: Some(OrganizationState::Suspended),
        limits: vec![(
            dev(),
            LimitChange {
                per_day: Some(LimitSetting::At(10)),
                ..LimitChange::default()
            },
        )],
        settings: Vec::new(),
    };
    admin
        .change_organization(&org("north"), &change)
        .await
        .unwrap();
    set_credential(&admin, "north", "dev", "synthetic-secret").await;
    let (north, dev) = (org("north"), dev());
    let tested = admin.test_credential(&north, &dev, PROVIDER).await.unwrap();
    let key = admin.create_key(&key_request(&["north", "south"])).await;
    let key = key.unwrap().summary.id;
    admin.revoke_key(&key).await.unwrap();
    let records = all(&admin).await;
    let lines: Vec<String> = records.iter().map(line).collect();
    assert_eq!(
        lines,
        [
            "org.create north - -",
            "org.create south - -",
            "org.rename north - -",
            "org.suspend north - -",
            "org.limits north dev -",
            "credential.set north dev eka-care",
            "credential.test north dev eka-care",
            "key.create north - -",
            "key.create south - -",
            "key.revoke north - -",
            "key.revoke south - -",
        ]
    );
    for entry in &records {
        assert_eq!(entry.actor, "token:tok1");
        assert_eq!(entry.request_id.as_deref(), Some("request-1"));
        assert_eq!(entry.outcome, "ok");
    }
    assert_eq!(records[5].version, Some(tested.id.0));
    for entry in &records[7..] {
        assert_eq!(entry.target.as_deref(), Some(&*key));
    }
    assert!(admin.audit_verify(None).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_record_there_is_no_change() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let admin = app.admin();
    let key = admin.create_key(&key_request(&["north"])).await.unwrap();
    let database = app.running.app().loaded.database().unwrap();
    let before = all(&admin).await.len();
    let suspend = OrganizationChange {
        state: Some(OrganizationState::Suspended),
        ..OrganizationChange::default()
    };
    refuse_records(&database).await;
    let refused: [Result<(), AdminError>; 5] = [
        admin
            .create_organization(org("south"), "South")
            .await
            .map(drop),
        admin.change_organization(&org("north"), &suspend).await,
        admin.create_key(&key_request(&["north"])).await.map(drop),
        admin.revoke_key(&key.summary.id).await,
        admin
            .test_credential(&org("north"), &dev(), PROVIDER)
            .await
            .map(|report| assert!(!report.ok, "{report:?}")),
    ];
    for result in &refused[..4] {
        assert!(matches!(result, Err(AdminError::Store(_))), "{result:?}");
    }
    accept_records(&database).await;
    assert_eq!(all(&admin).await.len(), before);
    let organizations = admin.organizations().await.unwrap();
    assert_eq!(organizations.len(), 1);
    assert_eq!(organizations[0].state, OrganizationState::Active);
    let keys = admin.keys().await.unwrap();
    assert_eq!((keys.len(), keys[0].state), (1, "active"));
    let credentials = admin.credentials(None).await.unwrap();
    assert_eq!(credentials[0].verified_at, None);
    admin.revoke_key(&key.summary.id).await.unwrap();
    assert!(admin.audit_verify(None).await.unwrap().ok);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_organizations_administrators_see_its_records_and_learn_of_no_other() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let admin = app.admin();
    let north = admin.organization(&org("north")).await.unwrap().id;
    for role in [Role::Operator, Role::Auditor] {
        let scoped = admin.acting_as(token(role, Some(north)), None);
        let records = all(&scoped).await;
        let of_north = |entry: &AuditEntry| entry.organization.as_deref() == Some("north");
        assert!(records.len() == 2 && records.iter().all(of_north));
        for name in ["north", &north.to_string()] {
            let filter = AuditFilter {
                organization: Some(name.to_owned()),
                ..AuditFilter::default()
            };
            let page = scoped.audit_page(&filter, AuditOrder::NewestFirst(None), 10);
            assert_eq!(page.await.unwrap().items.len(), 2, "{name}");
        }
        let south = admin.organization(&org("south")).await.unwrap().id;
        for name in ["south", "nowhere", &south.to_string()] {
            let filter = AuditFilter {
                organization: Some(name.to_owned()),
                ..AuditFilter::default()
            };
            let page = scoped.audit_page(&filter, AuditOrder::NewestFirst(None), 10);
            let error = page.await.unwrap_err();
            assert!(
                matches!(error, AdminError::NoOrganization { .. }),
                "{name}: {error:?}"
            );
            let export = scoped.audit_export(&filter, ExportFormat::Csv).await;
            assert!(export.is_err(), "{name}");
        }
        assert!(matches!(
            scoped.audit_verify(None).await,
            Err(AdminError::Forbidden)
        ));
        assert!(matches!(
            scoped.audit_checkpoint().await,
            Err(AdminError::Forbidden)
        ));
    }
    let auditor = admin.acting_as(token(Role::Auditor, None), None);
    assert_eq!(all(&auditor).await.len(), 4);
    assert!(auditor.audit_verify(None).await.unwrap().ok);
    let year = std::time::Duration::from_secs(365 * 86_400);
    assert!(matches!(
        auditor.audit_retain(year).await,
        Err(AdminError::Forbidden)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_meet_in_both_directions_and_filters_hold() {
    let app = TestApp::builder()
        .org("north", &["dev", "prod"])
        .start()
        .await;
    let admin = app.admin();
    for number in 0..20 {
        let name = format!("clinic-{number}");
        app.clock.advance(std::time::Duration::from_secs(60));
        admin.create_organization(org(&name), &name).await.unwrap();
    }
    let everything = all(&admin).await;
    let none = AuditFilter::default;
    let any = none();
    let mut up = Vec::new();
    let mut place = Some(0);
    while let Some(after) = place {
        let page = admin.audit_page(&any, AuditOrder::OldestFirst(after), 7);
        let page = page.await.unwrap();
        up.extend(page.items.iter().map(|entry| entry.seq));
        place = page.next;
    }
    let mut down = Vec::new();
    let mut place = Some(None);
    while let Some(before) = place {
        let page = admin.audit_page(&any, AuditOrder::NewestFirst(before), 7);
        let page = page.await.unwrap();
        down.extend(page.items.iter().map(|entry| entry.seq));
        place = page.next.map(Some);
    }
    let expected: Vec<i64> = (1..=23).collect();
    assert_eq!(up, expected);
    down.reverse();
    assert_eq!(down, expected);
    let count = async |filter: AuditFilter| {
        let page = admin.audit_page(&filter, AuditOrder::OldestFirst(0), 1_000);
        page.await.unwrap().items.len()
    };
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        count(AuditFilter {
            action: text("org.create"),
            ..none()
        })
        .await,
        21
    );
    assert_eq!(
        count(AuditFilter {
            action: text("cred*"),
            ..none()
        })
        .await,
        2
    );
    assert_eq!(
        count(AuditFilter {
            action: text("cred"),
            ..none()
        })
        .await,
        0
    );
    assert_eq!(
        count(AuditFilter {
            environment: text("prod"),
            ..none()
        })
        .await,
        1
    );
    assert_eq!(
        count(AuditFilter {
            provider: text(PROVIDER),
            ..none()
        })
        .await,
        2
    );
    assert_eq!(
        count(AuditFilter {
            organization: text("clinic-3"),
            ..none()
        })
        .await,
        1
    );
    assert_eq!(
        count(AuditFilter {
            actor: text("local:test"),
            ..none()
        })
        .await,
        23
    );
    assert_eq!(
        count(AuditFilter {
            actor: text("locum"),
            ..none()
        })
        .await,
        0
    );
    assert_eq!(
        count(AuditFilter {
            outcome: text("ok"),
            ..none()
        })
        .await,
        23
    );
    let (since, until): (Timestamp, Timestamp) = (everything[5].at, everything[9].at);
    let range = AuditFilter {
        since: Some(since),
        until: Some(until),
        ..none()
    };
    assert_eq!(count(range).await, 4);
}

/// Organization north with a few records.
async fn small_log() -> Program {
    let program = Program::init().await;
    program.organization("north", &["dev"]).await;
    program.ok(&["org", "create", "south", "--name", "s"]).await;
    program
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_show_and_export_the_log() {
    let program = small_log().await;
    let text = program.ok(&["audit", "tail"]).await;
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(
        lines[0].starts_with("SEQ") && lines[1].starts_with("1 "),
        "{text}"
    );
    assert!(
        lines[2].contains("north/dev/eka-care  credential.set  ok"),
        "{text}"
    );
    let last = program.json(&["audit", "tail", "-n", "1"]).await;
    assert_eq!(last["items"].as_array().unwrap().len(), 1);
    assert_eq!(last["items"][0]["seq"], 3);
    assert_eq!(last["items"][0]["organization"], "south");
    let verified = program.ok(&["audit", "verify"]).await;
    assert_eq!(
        verified,
        "The log is as it was written: 3 records, 1 to 3.\n"
    );

    let csv = program
        .ok(&["audit", "export", "--format", "csv", "--org", "north"])
        .await;
    let rows: Vec<&str> = csv.split("\r\n").collect();
    assert_eq!(rows.len(), 4, "{csv}");
    assert!(
        rows[0].starts_with("seq,at,actor,action,outcome,organization,"),
        "{csv}"
    );
    assert!(
        rows[1].starts_with("1,20") && rows[2].contains("credential.set"),
        "{csv}"
    );
    let path = program.path("log.jsonl");
    let file = path.to_str().unwrap();
    let export = ["audit", "export", "--format", "jsonl", "--output", file];
    program.ok(&export).await;
    let lines = fs::read_to_string(&path).unwrap();
    let entries: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[1]["action"], "credential.set");
    // What is there is kept.
    let (code, message) = program.fails(&export).await;
    assert!(code == 1 && message.contains("exists"), "{message}");
    let since = [
        "audit",
        "export",
        "--format",
        "jsonl",
        "--since",
        "2099-01-01",
    ];
    assert_eq!(program.ok(&since).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_shows_up_where_the_log_is_followed() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let program = small_log().await;
    let mut command = program.command(&["audit", "tail", "-n", "1", "--follow", "--json"]);
    let mut child = command
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = async || -> Value {
        let wait = std::time::Duration::from_secs(10);
        let line = tokio::time::timeout(wait, lines.next_line()).await;
        serde_json::from_str(&line.unwrap().unwrap().unwrap()).unwrap()
    };
    assert_eq!(next().await["seq"], 3);
    program.ok(&["org", "suspend", "south"]).await;
    assert_eq!(next().await["action"], "org.suspend");
    program.ok(&["org", "resume", "south"]).await;
    assert_eq!(next().await["action"], "org.resume");
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_shorter_than_a_year_is_refused() {
    let program = Program::init().await;
    for (section, message) in [
        (
            "retention = \"364d\"",
            "records are kept for a year at least",
        ),
        ("retention = \"0y\"", "0 is no time at all"),
        (
            "calls = \"some\"",
            "unknown value `some`; known here: all, writes, off",
        ),
        (
            "strict = true\ncalls = \"off\"",
            "there is no call to be strict about",
        ),
    ] {
        program.configure(&format!("[audit]\n{section}\n"));
        let (code, text) = program.fails(&["org", "list"]).await;
        assert!(code == 78 && text.contains(message), "{section}: {text}");
    }
    program.configure("[audit]\nretention = \"1y\"\ncalls = \"writes\"\nstrict = true\n");
    program.ok(&["org", "list"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_command_and_a_server_do_is_one_chain() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (server, _) = serve_logged(&program, &[]).await;
    let client = crate::support::McpClient::new(&server.url, &key).at("north", "dev");
    let set = words("credential set --from-file -", &PLACE);
    for _ in 0..3 {
        let arguments = serde_json::json!({"clinic_id": "C2001"});
        assert!(
            client
                .call("get_clinic_details_basic", arguments)
                .await
                .is_ok()
        );
        let output = crate::support::commands::fed(&program, &set, FIELDS).await;
        assert!(output.status.success());
    }
    soon("the calls are on record", async || {
        let filter = ["audit", "export", "--format", "jsonl", "--action", "call *"];
        program.ok(&filter).await.lines().count() == 3
    })
    .await;
    program.ok(&["audit", "verify"]).await;
}
