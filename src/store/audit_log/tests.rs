//! What a page of the log costs: counted in steps of SQLite's machine and in the records that are
//! opened, no more in a long log than in one that is a fraction of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::SignedDuration;
use sqlx::sqlite::SqliteConnectOptions;
use tempfile::TempDir;

use super::*;
use crate::domain::audit::{AuditEvent, AuditRecord, AuditedOrganization};
use crate::store::{CallBatch, pool_of};

const BUSY: OrganizationId = OrganizationId(Uuid::from_u128(1));
const IDLE: OrganizationId = OrganizationId(Uuid::from_u128(2));
/// Of each kind of records that take turns in the log.
const IN_TURN: i64 = 10;

/// A log, its readers' only connection, and the steps that are taken on it.
struct Log {
    _folder: TempDir,
    store: Store,
    steps: Arc<AtomicU64>,
    turns: i64,
}

fn event(seq: i64, action: &str) -> AuditEvent {
    let start: Timestamp = "2026-11-01T00:00:00Z".parse().unwrap();
    let at = start + SignedDuration::from_secs(seq);
    let mut event = AuditEvent::new(at, "local:priya".to_owned(), action);
    event.organization = Some(AuditedOrganization {
        uuid: BUSY,
        id: OrganizationSlug::parse("busy").unwrap(),
    });
    event
}

impl Log {
    /// Changes and calls in turn.
    async fn of(turns: i64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("locum.db");
        let store = Store::open(&path, true).await.unwrap();
        let mut write = store.write().await.unwrap();
        let (mut seq, mut changes) = (0, Vec::new());
        for _ in 0..turns {
            for _ in 0..IN_TURN {
                seq += 1;
                let (event, mac) = (event(seq, "org.rename"), [0; 32]);
                changes.push(AuditRecord { seq, event, mac });
            }
            let mut calls = CallBatch::default();
            for _ in 0..IN_TURN {
                seq += 1;
                calls.push(seq, (&event(seq, "call search")).into(), |_| [0; 32]);
            }
            write.insert_call_batch(calls).await.unwrap();
        }
        write.insert_audit_records(changes).await.unwrap();
        write.commit().await.unwrap();
        let options = SqliteConnectOptions::new().filename(&path);
        let readers = pool_of(1).connect_with(options).await.unwrap();
        let steps = Arc::new(AtomicU64::new(0));
        let counted = steps.clone();
        let mut connection = readers.acquire().await.unwrap();
        let mut handle = connection.lock_handle().await.unwrap();
        handle.set_progress_handler(1, move || {
            counted.fetch_add(1, Ordering::Relaxed);
            true
        });
        drop(handle);
        drop(connection);
        let store = Store { readers, ..store };
        Self {
            _folder: folder,
            store,
            steps,
            turns,
        }
    }

    /// The steps of a page, and its records.
    async fn cost(&self, asked: &AuditQuery, start: PageStart, limit: usize) -> (u64, usize) {
        let before = self.steps.load(Ordering::Relaxed);
        let asked = std::slice::from_ref(asked);
        let page = self.store.audit_page(asked, start, limit).await.unwrap();
        // When this is done, so is the end of the page's transaction.
        let next = sqlx::query("SELECT 1").fetch_all(&self.store.readers);
        next.await.unwrap();
        let steps = self.steps.load(Ordering::Relaxed) - before;
        (steps, page.records.len())
    }

    fn end(&self) -> i64 {
        self.turns * IN_TURN * 2
    }
}

/// What may be asked for, and whether anything is.
fn questions() -> Vec<(AuditQuery, bool)> {
    let all = AuditQuery::default;
    let text = |text: &str| Some(text.to_owned());
    let far = |text: &str| Some(text.parse().unwrap());
    vec![
        (all(), true),
        (
            AuditQuery {
                organization: Some(BUSY),
                ..all()
            },
            true,
        ),
        (
            AuditQuery {
                organization: Some(IDLE),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                action: text("org.rename"),
                ..all()
            },
            true,
        ),
        (
            AuditQuery {
                action: text("org.*"),
                ..all()
            },
            true,
        ),
        (
            AuditQuery {
                action: text("org.delete"),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                action: text("call *"),
                ..all()
            },
            true,
        ),
        (
            AuditQuery {
                action: text("call nothing"),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                actor: text("key:nobody"),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                environment: text("prod"),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                provider: text("nobody"),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                outcome: text("aborted"),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                outcome: text("ok"),
                ..all()
            },
            true,
        ),
        (
            AuditQuery {
                since: far("2030-01-01T00:00:00Z"),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                until: far("2020-01-01T00:00:00Z"),
                ..all()
            },
            false,
        ),
        (
            AuditQuery {
                since: far("2020-01-01T00:00:00Z"),
                ..all()
            },
            true,
        ),
    ]
}

#[tokio::test]
async fn a_page_takes_as_many_steps_in_a_log_that_is_longer() {
    // In both there is more than a page looks at.
    let shorter = Log::of(WINDOW / IN_TURN + 100).await;
    let longer = Log::of(shorter.turns * 3).await;
    for (asked, finds) in questions() {
        for limit in [3, 100] {
            let page = async |log: &Log, start| log.cost(&asked, start, limit).await;
            let newest = |log: &Log| PageStart::Before(log.end() + 1);
            let oldest = PageStart::After(0);
            for (one, other) in [
                (
                    page(&shorter, newest(&shorter)).await,
                    page(&longer, newest(&longer)).await,
                ),
                (page(&shorter, oldest).await, page(&longer, oldest).await),
            ] {
                assert_eq!(one, other, "{asked:?}");
                assert_eq!(one.1, if finds { limit } else { 0 }, "{asked:?}");
            }
            // Nor in the middle.
            let middle = page(&longer, PageStart::Before(longer.end() / 2 + 1)).await;
            assert_eq!(middle, page(&longer, newest(&longer)).await, "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_page_of_everything_takes_as_many_steps_as_in_a_short_log() {
    let (short, long) = (Log::of(20).await, Log::of(2_000).await);
    let all = AuditQuery::default();
    for limit in [3, 100] {
        let one = short.cost(&all, PageStart::Before(i64::MAX), limit).await;
        let other = long.cost(&all, PageStart::Before(i64::MAX), limit).await;
        assert_eq!(one, other);
    }
}

#[tokio::test]
async fn many_calls_that_are_recorded_at_once_are_opened_a_few_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("locum.db"), true)
        .await
        .unwrap();
    let mut write = store.write().await.unwrap();
    let mut calls = CallBatch::default();
    for seq in 1..=2_000 {
        calls.push(seq, (&event(seq, "call search")).into(), |_| [0; 32]);
    }
    write.insert_call_batch(calls).await.unwrap();
    write.commit().await.unwrap();
    let longest = "SELECT MAX(last - first) + 1 FROM audit_calls";
    let longest: i64 = sqlx::query_scalar(longest)
        .fetch_one(&store.readers)
        .await
        .unwrap();
    assert_eq!(longest, 100);
    let all = [AuditQuery::default()];
    for (start, wanted) in [
        (
            PageStart::Before(i64::MAX),
            (1..=2_000).rev().collect::<Vec<i64>>(),
        ),
        (PageStart::After(0), (1..=2_000).collect()),
        (PageStart::After(150), (151..=2_000).collect()),
    ] {
        let page = store.audit_page(&all, start, 5_000).await.unwrap();
        let found: Vec<i64> = page.records.iter().map(|record| record.seq).collect();
        assert_eq!((found, page.next), (wanted, None));
    }
}

#[tokio::test]
async fn no_statement_of_a_page_reads_a_table_from_end_to_end() {
    let log = Log::of(1).await;
    let mut statements: Vec<String> = audit_calls::statements().into();
    for texts in [&OF_ALL_UP, &OF_ALL_DOWN, &OF_ONE_UP, &OF_ONE_DOWN] {
        statements.extend([texts.page.clone(), texts.reach.clone()]);
    }
    for statement in statements {
        let explain = format!("EXPLAIN QUERY PLAN {statement}");
        let plan = sqlx::query(AssertSqlSafe(explain));
        let plan = plan.fetch_all(&log.store.readers).await.unwrap();
        assert!(!plan.is_empty());
        for line in plan {
            let line: String = get(&line, "detail").unwrap();
            let scans = line.starts_with("SCAN audit") || line.contains("TEMP B-TREE");
            assert!(!scans, "{line}: {statement}");
        }
    }
}
