//! Calls on record: each leaves one for the audit log, however it ends.
//!
//! ```text
//! call ─ begin ─ … ─ end ─▶ queue (10,000, no lock) ─▶ batch ─ one transaction ─▶ audit log
//!          └ strict: waits until a record of its beginning is durable, or is refused
//! ```
//!
//! A call never waits for the database, unless the configuration is strict. What finds no room is
//! counted, and the count goes on record when there is room again.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc, oneshot};

use super::meters::RecordMeters;
use super::record::{CallRecord, Words};
use super::{Gateway, Visit, outcome};
use crate::audit::Audit;
use crate::catalog::Entry;
use crate::domain::audit::{AuditEvent, CallAudit};
use crate::domain::clock::SharedClock;
use crate::domain::credential::CredentialVersionId;
use crate::domain::origin::Origin;
use crate::store::{Store, StoreError};

/// Records that wait for the database at most.
const QUEUE: usize = 10_000;
/// A batch is due when so many records wait.
const DUE: usize = 2_000;
/// One transaction takes no more.
const BATCH: usize = 2_000;

/// What is recorded of calls, and where.
pub struct RecorderSettings {
    pub audit: Audit,
    pub calls: CallAudit,
    /// A call is on record before it is made.
    pub strict: bool,
}

/// A call cannot be made, because it cannot be recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unrecorded;

/// Takes records from calls and hands them to the log in batches.
pub(super) struct Recorder {
    settings: RecorderSettings,
    queue: mpsc::Sender<Item>,
    backlog: tokio::sync::Mutex<Backlog>,
    due: Notify,
    /// Records that found no room and are not on record as such yet.
    lost: AtomicU64,
    meters: RecordMeters,
}

struct Item {
    record: CallRecord,
    /// Who waits until the record is durable.
    waiting: Option<oneshot::Sender<()>>,
}

/// The other end of the queue, and what was taken from it and not written yet.
struct Backlog {
    queue: mpsc::Receiver<Item>,
    batch: Vec<Item>,
}

/// A call whose end goes on record, also when its client goes away.
pub(super) struct Recording<'a> {
    to: Option<(&'a Recorder, &'a SharedClock)>,
    record: Option<CallRecord>,
    /// The credential version that was used last; requests of one call go side by side.
    version: Mutex<Option<CredentialVersionId>>,
}

impl Recorder {
    pub(super) fn new(settings: RecorderSettings, meters: RecordMeters) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        Self {
            settings,
            queue: sender,
            backlog: tokio::sync::Mutex::new(Backlog {
                queue: receiver,
                batch: Vec::new(),
            }),
            due: Notify::new(),
            lost: AtomicU64::new(0),
            meters,
        }
    }

    /// A call begins. In strict mode this is on record before it comes back.
    pub(super) async fn begin<'a>(
        &'a self,
        visit: &Visit,
        entry: &Arc<Entry>,
        origin: &Origin,
        clock: &'a SharedClock,
        started: Timestamp,
    ) -> Result<Recording<'a>, Unrecorded> {
        if !self.takes(entry) {
            return Ok(Recording::none());
        }
        let record = CallRecord::new(visit, entry, origin, started);
        if self.settings.strict {
            self.put_and_wait(record.clone()).await?;
        }
        Ok(Recording {
            to: Some((self, clock)),
            record: Some(record),
            version: Mutex::default(),
        })
    }

    /// A call of a tool that the principal was not granted.
    pub(super) fn denied(
        &self,
        visit: &Visit,
        entry: &Arc<Entry>,
        origin: &Origin,
        now: Timestamp,
    ) {
        if self.takes(entry) {
            let mut record = CallRecord::new(visit, entry, origin, now);
            record.outcome = outcome::DENIED;
            self.put(record);
        }
    }

    fn takes(&self, entry: &Entry) -> bool {
        match self.settings.calls {
            CallAudit::All => true,
            CallAudit::Writes => !entry.tool.annotations.read_only,
            CallAudit::Off => false,
        }
    }

    fn put(&self, record: CallRecord) {
        let item = Item {
            record,
            waiting: None,
        };
        match self.queue.try_send(item) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Closed(_)) => self.lose(1),
        }
        if self.queue.capacity() <= QUEUE - DUE {
            self.due.notify_one();
        }
    }

    async fn put_and_wait(&self, record: CallRecord) -> Result<(), Unrecorded> {
        let (waiting, written) = oneshot::channel();
        let item = Item {
            record,
            waiting: Some(waiting),
        };
        self.queue.try_send(item).map_err(|_| Unrecorded)?;
        self.due.notify_one();
        written.await.map_err(|_| Unrecorded)
    }

    fn lose(&self, records: usize) {
        let records = u64::try_from(records).unwrap_or(u64::MAX);
        self.lost.fetch_add(records, Ordering::Relaxed);
        self.meters.lost.add(records);
    }

    /// Writes a batch; answers whether it was a full one. What cannot be written now is kept for
    /// the next time, but for the beginnings of calls, which are refused.
    async fn write(&self, store: &Store, now: Timestamp) -> Result<bool, StoreError> {
        let mut backlog = self.backlog.lock().await;
        let backlog = &mut *backlog;
        while backlog.batch.len() < BATCH {
            let Ok(item) = backlog.queue.try_recv() else {
                break;
            };
            backlog.batch.push(item);
        }
        let lost = self.lost.load(Ordering::Relaxed);
        if backlog.batch.is_empty() && lost == 0 {
            return Ok(false);
        }
        match self.insert(store, &backlog.batch, lost, now).await {
            Ok(()) => {
                let written = backlog.batch.len();
                self.lost.fetch_sub(lost, Ordering::Relaxed);
                self.meters.written.add(u64::try_from(written).unwrap_or(0));
                for item in backlog.batch.drain(..) {
                    // Nobody waits for the end of a call, or any more.
                    let _ = item.waiting.map(|waiting| waiting.send(()));
                }
                Ok(written >= BATCH)
            }
            Err(error) => {
                backlog.batch.retain(|item| item.waiting.is_none());
                Err(error)
            }
        }
    }

    async fn insert(
        &self,
        store: &Store,
        batch: &[Item],
        lost: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let loss = (lost > 0)
            .then(|| AuditEvent::new(now, "locum".to_owned(), "audit.lost").on(lost.to_string()));
        let mut write = store.write().await?;
        let audit = &self.settings.audit;
        if let Some(loss) = loss {
            audit.append(&mut write, loss).await?;
        }
        let mut calls = audit.calls(&mut write).await?;
        let mut words = Words::default();
        for item in batch {
            calls.append(item.record.fields(&mut words))?;
        }
        calls.write(&mut write).await?;
        write.commit_unnoticed().await
    }
}

impl Recording<'_> {
    fn none() -> Self {
        Self {
            to: None,
            record: None,
            version: Mutex::default(),
        }
    }

    /// The credential version whose secret or token the call uses.
    pub(super) fn used(&self, version: CredentialVersionId) {
        *self.version() = Some(version);
    }

    fn version(&self) -> MutexGuard<'_, Option<CredentialVersionId>> {
        self.version.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call has ended.
    pub(super) fn end(mut self, outcome: &'static str, now: Timestamp) {
        self.close(outcome, now);
    }

    fn close(&mut self, outcome: &'static str, now: Timestamp) {
        if let (Some((recorder, _)), Some(mut record)) = (self.to, self.record.take()) {
            record.version = *self.version();
            record.end(outcome, now);
            recorder.put(record);
        }
    }
}

impl Drop for Recording<'_> {
    fn drop(&mut self) {
        if let (Some((_, clock)), true) = (self.to, self.record.is_some()) {
            self.close(outcome::ABORTED, clock.now());
        }
    }
}

impl Gateway {
    /// Waits until a batch of records is due before its time.
    pub async fn records_due(&self) {
        self.recorder.due.notified().await;
    }

    /// Writes down the calls that wait to be recorded.
    pub async fn save_records(&self) -> Result<(), StoreError> {
        while self.recorder.write(&self.store, self.clock.now()).await? {}
        Ok(())
    }

    /// Calls that are not on record yet.
    pub async fn unsaved_records(&self) -> usize {
        let backlog = self.recorder.backlog.lock().await;
        backlog.queue.len() + backlog.batch.len()
    }
}
