//! What a full disk, a crash and a stop leave of the records of calls.

use locum::admin::{AuditFilter, AuditOrder};
use rustix::process::Signal;
use serde_json::json;

use super::{READ, lines, read};
use crate::support::commands::clinic;
use crate::support::database::{accept_records, refuse_records};
use crate::support::load::spread;
use crate::support::process::{end, serve_logged, soon};
use crate::support::scrape::Scrape;
use crate::support::{McpClient, TestApp};

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_loses_one_batch_at_most_and_a_stop_none() {
    let (program, _sandbox) = clinic().await;
    let key = program.key(&["north"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    for _ in 0..30 {
        assert!(read(&client).await.is_ok());
    }
    soon("the calls are on record", async || {
        lines(&program).await.len() == 30
    })
    .await;
    for _ in 0..5 {
        assert!(read(&client).await.is_ok());
    }
    assert!(!end(&mut server.child, Signal::KILL).await.success());
    let kept = lines(&program).await.len();
    assert!((30..=35).contains(&kept), "{kept}");
    program.ok(&["audit", "verify"]).await;
    let (mut server, _) = serve_logged(&program, &[]).await;
    let client = McpClient::new(&server.url, &key).at("north", "dev");
    for _ in 0..7 {
        assert!(read(&client).await.is_ok());
    }
    assert!(end(&mut server.child, Signal::TERM).await.success());
    assert_eq!(lines(&program).await.len(), kept + 7);
    program.ok(&["audit", "verify"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_written_costs_no_call_and_says_later_how_many_it_lost() {
    // The queue and a batch that waits to be written.
    const KEPT: usize = 12_000;
    const CALLS: usize = KEPT + 300;
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let client = app.client(&["north"], &[]).await.at("north", "dev");
    let database = app.running.app().loaded.database().unwrap();
    refuse_records(&database).await;
    let replies = spread(CALLS, 16, {
        let client = client.clone();
        move |number| {
            let client = client.clone();
            async move {
                match number % 100 {
                    0 => read(&client).await.is_ok(),
                    _ => client.call(READ, json!({})).await.status == 200,
                }
            }
        }
    })
    .await;
    assert!(replies.iter().all(|served| *served));
    let metrics = Scrape::of(&format!("http://{}", app.running.admin)).await;
    let count = |metrics: &Scrape, result| {
        metrics.value("locum_audit_records_total", &[("result", result)])
    };
    assert_eq!(count(&metrics, "written"), 0.0);
    let lost = count(&metrics, "lost");
    assert!((300.0..=2_300.0).contains(&lost), "{lost}");
    accept_records(&database).await;
    let admin = app.admin();
    let filter = AuditFilter {
        action: Some("audit.lost".to_owned()),
        ..AuditFilter::default()
    };
    soon("the loss is on record", async || {
        let page = admin.audit_page(&filter, AuditOrder::OldestFirst(0), 10);
        let items = page.await.unwrap().items;
        items.len() == 1 && items[0].target == Some(lost.to_string())
    })
    .await;
    assert!(read(&client).await.is_ok());
    let kept = CALLS as f64 - lost + 1.0;
    soon("the rest is written", async || {
        let metrics = Scrape::of(&format!("http://{}", app.running.admin)).await;
        count(&metrics, "written") == kept && count(&metrics, "lost") == lost
    })
    .await;
    assert!(admin.audit_verify(None).await.unwrap().ok);
}
