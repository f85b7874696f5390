//! Records of calls stand in batches, and are read and removed as one sequence with all others.

use std::time::Duration;

use locum::admin::{Admin, AuditEntry, AuditFilter, AuditOrder};
use serde_json::json;

use super::{READ, recorded};
use crate::support::TestApp;
use crate::support::app::org;

/// All that a filter admits, a page at a time.
async fn paged(admin: &Admin, filter: &AuditFilter, newest_first: bool) -> Vec<AuditEntry> {
    let mut found = Vec::new();
    let mut order = match newest_first {
        true => AuditOrder::NewestFirst(None),
        false => AuditOrder::OldestFirst(0),
    };
    loop {
        let page = admin.audit_page(filter, order, 3).await.unwrap();
        found.extend(page.items);
        order = match page.next {
            None => return found,
            Some(seq) if newest_first => AuditOrder::NewestFirst(Some(seq)),
            Some(seq) => AuditOrder::OldestFirst(seq),
        };
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_calls_and_changes_as_one_sequence() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let client = app.client(&["north", "south"], &[]).await;
    let admin = app.admin();
    for round in 0..4 {
        let slug = format!("clinic-{round}");
        admin.create_organization(org(&slug), &slug).await.unwrap();
        for name in ["north", "south", "north", "south", "south"] {
            client.at(name, "dev").call(READ, json!({})).await;
        }
        recorded(&app, 5 * (round + 1)).await;
    }
    let everything = AuditFilter::default();
    let all = paged(&admin, &everything, false).await;
    let numbers: Vec<i64> = all.iter().map(|entry| entry.seq).collect();
    assert_eq!(numbers, (1..=all.len() as i64).collect::<Vec<_>>());
    let north = |entry: &AuditEntry| entry.organization.as_deref() == Some("north");
    let called = |entry: &AuditEntry| entry.action.starts_with("call ");
    let of_north = AuditFilter {
        organization: Some("north".to_owned()),
        ..AuditFilter::default()
    };
    let calls_of_north = AuditFilter {
        action: Some("call *".to_owned()),
        outcome: Some("invalid_arguments".to_owned()),
        ..of_north.clone()
    };
    let changes = AuditFilter {
        action: Some("org.create".to_owned()),
        ..AuditFilter::default()
    };
    let nothing = AuditFilter {
        environment: Some("prod".to_owned()),
        ..AuditFilter::default()
    };
    type Wanted<'a> = &'a dyn Fn(&AuditEntry) -> bool;
    let cases: [(&AuditFilter, Wanted<'_>, usize); 5] = [
        (&everything, &|_| true, all.len()),
        (&of_north, &north, 11),
        (&calls_of_north, &|entry| north(entry) && called(entry), 8),
        (&changes, &|entry| entry.action == "org.create", 6),
        (&nothing, &|_| false, 0),
    ];
    for (filter, wanted, count) in cases {
        let wanted: Vec<i64> = all
            .iter()
            .filter(|entry| wanted(entry))
            .map(|entry| entry.seq)
            .collect();
        assert_eq!(wanted.len(), count, "{filter:?}");
        for newest_first in [false, true] {
            let found = paged(&admin, filter, newest_first).await;
            let mut found: Vec<i64> = found.iter().map(|entry| entry.seq).collect();
            if newest_first {
                found.reverse();
            }
            assert_eq!(found, wanted, "{filter:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn retention_removes_calls_and_changes_in_their_order() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    let admin = app.admin();
    let day = Duration::from_secs(86_400);
    let mut numbers = Vec::new();
    for round in 0..3 {
        let slug = format!("clinic-{round}");
        admin.create_organization(org(&slug), &slug).await.unwrap();
        client.call(READ, json!({})).await;
        client.call(READ, json!({})).await;
        recorded(&app, 2 * (round + 1)).await;
        numbers.push(paged(&admin, &AuditFilter::default(), false).await.len());
        app.clock.advance(day);
    }
    let removed = admin.audit_retain(day * 2).await.unwrap();
    assert_eq!(removed, numbers[0] as u64);
    let left = paged(&admin, &AuditFilter::default(), false).await;
    assert_eq!(left[0].seq, numbers[0] as i64 + 1);
    assert_eq!(left.last().unwrap().action, "audit.retention");
    let found = admin.audit_verify(None).await.unwrap();
    assert!(found.ok, "{found:?}");
    assert_eq!(found.removed_to, Some(numbers[0] as i64));
    admin.audit_retain(Duration::ZERO).await.unwrap();
    let found = admin.audit_verify(None).await.unwrap();
    // What both retentions wrote down, now.
    assert!(found.ok && found.records == 2, "{found:?}");
}
