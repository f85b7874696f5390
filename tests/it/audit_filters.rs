//! What a filter of the audit log names: there now, there once, or a mistake that is told.

use jiff::SignedDuration;
use locum::admin::{
    Admin, AdminError, AuditEntry, AuditFilter, AuditOrder, ExportFormat, Patience,
};
use locum::domain::actor::{Actor, Role};
use locum::domain::clock::Clock;
use locum::domain::organization::OrganizationId;

use crate::support::TestApp;
use crate::support::app::org;
use crate::support::program::Program;

async fn find(admin: &Admin, filter: &AuditFilter) -> Result<Vec<AuditEntry>, AdminError> {
    let page = admin.audit_page(filter, AuditOrder::OldestFirst(0), 1_000);
    Ok(page.await?.items)
}

fn of(name: &str) -> AuditFilter {
    AuditFilter {
        organization: Some(name.to_owned()),
        ..AuditFilter::default()
    }
}

fn at(name: &str) -> AuditFilter {
    AuditFilter {
        environment: Some(name.to_owned()),
        ..AuditFilter::default()
    }
}

fn by(name: &str) -> AuditFilter {
    AuditFilter {
        provider: Some(name.to_owned()),
        ..AuditFilter::default()
    }
}

fn auditor(admin: &Admin, organization: OrganizationId) -> Admin {
    let actor = Actor::Token {
        id: "tok1".to_owned(),
        name: "priya".to_owned(),
        role: Role::Auditor,
        organization: Some(organization),
    };
    admin.acting_as(actor, None)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_nothing_has_is_no_empty_answer() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let admin = app.admin();
    let unknown = "00000000-0000-4000-8000-000000000001";
    for (filter, code) in [
        (of("nope"), "organization_not_found"),
        (of(unknown), "organization_not_found"),
        (at("nope"), "environment_not_found"),
        (by("nope"), "provider_not_found"),
    ] {
        let error = find(&admin, &filter).await.unwrap_err();
        assert_eq!(error.code(), code, "{filter:?}");
        let export = admin.audit_export(&filter, ExportFormat::Csv).await;
        assert_eq!(export.err().unwrap().code(), code, "{filter:?}");
    }
    // Nothing happened there, but there is such a place.
    assert!(find(&admin, &at("prod")).await.unwrap().is_empty());
    let now = app.clock.now();
    let backwards = AuditFilter {
        since: Some(now),
        until: Some(now - SignedDuration::from_secs(1)),
        ..AuditFilter::default()
    };
    let error = find(&admin, &backwards).await.unwrap_err();
    assert!(matches!(error, AdminError::Unfit { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_organization_is_as_unknown_as_one_that_is_none() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let admin = app.admin();
    let north = auditor(&admin, admin.organization(&org("north")).await.unwrap().id);
    let texts = ["south", "sooth"].map(async |name| {
        let error = find(&north, &of(name)).await.unwrap_err();
        (error.code(), error.to_string().replace(name, "X"))
    });
    let [foreign, unknown] = texts;
    assert_eq!(foreign.await, unknown.await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_id_that_was_given_again_finds_all_that_had_it() {
    let app = TestApp::builder().start().await;
    let admin = app.admin();
    let first = admin
        .create_organization(org("north"), "first")
        .await
        .unwrap()
        .id;
    let patience = Patience {
        attempts: 1,
        pause: || std::future::ready(()),
    };
    let north = org("north");
    let deleted = admin.delete_organization(&north, patience);
    deleted.await.unwrap();
    // Gone, and found by either.
    for name in ["north", &first.to_string()] {
        assert_eq!(find(&admin, &of(name)).await.unwrap().len(), 2, "{name}");
    }
    let second = admin
        .create_organization(org("north"), "second")
        .await
        .unwrap()
        .id;
    admin
        .create_organization(org("south"), "south")
        .await
        .unwrap();
    let uuids = async |name: &str| -> Vec<_> {
        let found = find(&admin, &of(name)).await.unwrap();
        found
            .iter()
            .map(|entry| (entry.seq, entry.organization_uuid))
            .collect()
    };
    let (first, second) = (Some(first.0), Some(second.0));
    assert_eq!(uuids("north").await, [(1, first), (2, first), (3, second)]);
    assert_eq!(
        uuids(&first.unwrap().to_string()).await,
        [(1, first), (2, first)]
    );
    assert_eq!(uuids(&second.unwrap().to_string()).await, [(3, second)]);
    // Newest first, in pages that meet.
    let filter = of("north");
    let mut place = Some(None);
    let mut down = Vec::new();
    while let Some(before) = place {
        let page = admin.audit_page(&filter, AuditOrder::NewestFirst(before), 1);
        let page = page.await.unwrap();
        down.extend(page.items.iter().map(|entry| entry.seq));
        place = page.next.map(Some);
    }
    assert_eq!(down, [3, 2, 1]);
    // Who administers the present one does not see the former one.
    let scoped = auditor(&admin, OrganizationId(second.unwrap()));
    let found = find(&scoped, &of("north")).await.unwrap();
    assert!(found.len() == 1 && found[0].seq == 3, "{found:?}");
    let former = find(&scoped, &of(&first.unwrap().to_string())).await;
    assert!(matches!(former, Err(AdminError::NoOrganization { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_refuse_what_nothing_is_called() {
    let program = Program::init().await;
    program.ok(&["org", "create", "north", "--name", "n"]).await;
    for command in ["audit tail", "audit export --format csv"] {
        for (option, what) in [
            ("--org nope", "there is no organization `nope`"),
            ("--env nope", "there is no environment `nope`"),
            ("--provider nope", "there is no provider `nope`"),
            ("--since 2026-11-26 --until 2026-11-25", "`until`"),
        ] {
            let line = format!("{command} {option}");
            let words: Vec<&str> = line.split(' ').collect();
            let (code, text) = program.fails(&words).await;
            assert!(code == 1 && text.contains(what), "{line}: {text}");
        }
    }
}
