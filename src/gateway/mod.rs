//! The request path: who calls, for which tenant, which tool; then a token, a request, an answer.
//!
//! ```text
//! authenticate   PresentedKey                    → Arrival (a principal)
//! visit          Arrival, selection, grants      → Visit (that principal at one tenant)
//! call           Visit, tool name, arguments
//!           ├ look up      name in the tenant's list                → Entry
//!           ├ check        arguments against the schema             → Arguments
//!           ├ authorize    principal, tenant, tool, arguments       → AuthorizedCall
//!           ├ keep         an equal call's answer, where the profile says so: the rest is not done
//!           ├ admit        the tenant's limits, a slot              → Permit
//!           ├ run          the tool's one request; or its steps, those of a round side by side. Each:
//!           │  ├ form      template + arguments                     → FormedRequest
//!           │  ├ token     cache, single flight, renewal            → Bearer
//!           │  └ send      upstream; one retry with a new token on 401 → UpstreamReply
//!           │              a version that is over or refused gives way to the one in its place
//!           └ outcome      what the client is told; one record, one log line, one count
//! ```
//!
//! Nothing here waits for another tenant: the directory is an immutable snapshot, the token of a
//! credential is behind that credential's own gate, and tenants take turns where the gateway's
//! slots are all taken. A call with a cached token touches neither the database nor a cipher.

mod admit;
mod authenticate;
mod call;
mod census;
mod data;
mod directory;
mod edition;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod holders;
mod home;
mod kept;
mod meters;
mod outcome;
mod record;
mod recorder;
mod rehearse;
mod resolve;
mod run;
mod send;
mod turn;
mod turn_back;
mod unattended;
mod usage;
mod visit;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use tokio::sync::{Mutex, watch};

use admit::Admission;
pub use admit::AdmissionSettings;
use directory::Directory;
use edition::Edition;
pub use error::{NotCalled, Refusal};
use health::HealthBook;
use kept::KeptAnswers;
use meters::RecordMeters;
pub use outcome::CallOutcome;
use recorder::Recorder;
pub use recorder::RecorderSettings;
pub use rehearse::Rehearsed;
pub use resolve::{Selection, SelectionError};
pub use turn::{Told, Turn};
pub use visit::{Arrival, ListKey, Visit};

use crate::audit::Audit;
use crate::catalog::Catalog;
use crate::domain::clock::SharedClock;
use crate::domain::health::ConfigurationProblem;
use crate::domain::meter::Meters;
use crate::domain::seats::Seats;
use crate::store::{Store, StoreError};
use crate::token::Tokens;
use crate::upstream::Rest;

/// What a gateway works with.
pub struct GatewayParts {
    pub store: Store,
    pub audit: Audit,
    pub catalog: Arc<Catalog>,
    pub admission: AdmissionSettings,
    pub recorder: RecorderSettings,
    pub tokens: Tokens,
    pub rest: Rest,
    pub clock: SharedClock,
}

/// The request path with everything that it needs.
pub struct Gateway {
    store: Store,
    audit: Audit,
    directory: ArcSwap<Directory>,
    /// One reading of the store at a time; no call with a usable credential waits for it.
    refreshing: Mutex<()>,
    stale: AtomicBool,
    unwritable: AtomicBool,
    /// Why profiles and configuration are not served by as they are now.
    unconfigured: ArcSwapOption<ConfigurationProblem>,
    admission: Admission,
    recorder: Recorder,
    tokens: Tokens,
    rest: Rest,
    kept: KeptAnswers,
    /// Places for calls that go on when their clients go away.
    unattended: Arc<Seats>,
    /// Turns true when they are to end.
    over: watch::Sender<bool>,
    clock: SharedClock,
    /// Counts what is served otherwise than before.
    changes: watch::Sender<u64>,
    /// Where the meters of every edition are.
    meters: Meters,
    health: HealthBook,
}

impl Gateway {
    /// Reads the directory; no upstream is contacted.
    pub async fn open(parts: GatewayParts, meters: &Meters) -> Result<Self, StoreError> {
        let GatewayParts {
            store,
            audit,
            catalog,
            admission,
            recorder,
            tokens,
            rest,
            clock,
        } = parts;
        let recorder = Recorder::new(recorder, RecordMeters::new(meters));
        let edition = Arc::new(Edition::first(catalog, meters));
        let usage = usage::of_today(&store, clock.now()).await?;
        let admission = Admission::new(admission, usage);
        let health = HealthBook::default();
        let directory = Directory::load(&store, edition, &admission, &health).await?;
        directory.warn_of_unknown_tools();
        Ok(Self {
            store,
            audit,
            directory: ArcSwap::from_pointee(directory),
            refreshing: Mutex::new(()),
            stale: AtomicBool::new(false),
            unwritable: AtomicBool::new(false),
            unconfigured: ArcSwapOption::empty(),
            admission,
            recorder,
            tokens,
            rest,
            kept: KeptAnswers::default(),
            unattended: unattended::seats(),
            over: watch::Sender::new(false),
            clock,
            changes: watch::Sender::new(0),
            meters: meters.clone(),
            health,
        })
    }

    /// Reads the store again if something was changed in it. Calls in flight finish with the
    /// directory that they began with.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _one = self.refreshing.lock().await;
        let result = self.read_again().await;
        self.stale.store(result.is_err(), Ordering::Release);
        result
    }

    /// Serves by another catalog and other limits from now on. Calls under way finish with those that
    /// they began with.
    pub async fn adopt(
        &self,
        catalog: Arc<Catalog>,
        admission: AdmissionSettings,
        max_answer: usize,
    ) -> Result<(), StoreError> {
        let _one = self.refreshing.lock().await;
        let former = self.directory.load().edition().clone();
        let edition = former.next(catalog, &self.meters);
        let limits = self.admission.set(admission);
        if let Err(error) = self.read(Arc::new(edition)).await {
            self.admission.set(*limits);
            return Err(error);
        }
        self.rest.set_max_answer(max_answer);
        former.meters.census.leave_ages();
        self.take_census();
        self.directory.load().warn_of_unknown_tools();
        Ok(())
    }

    /// Whether the store could not be read when it was last tried: what was revoked or suspended
    /// since is not known here.
    pub fn is_stale(&self) -> bool {
        self.stale.load(Ordering::Acquire)
    }

    /// Takes down whether the server's own books could be written when it was last tried.
    pub fn note_writes(&self, succeed: bool) {
        self.unwritable.store(!succeed, Ordering::Release);
    }

    /// Whether the database takes no change: its disk is full, or another program keeps it locked.
    pub fn is_unwritable(&self) -> bool {
        self.unwritable.load(Ordering::Acquire)
    }

    /// Takes down why profiles and configuration are not served by as they are now, if they are not.
    /// Whether that is news.
    pub fn note_configuration(&self, problem: Option<ConfigurationProblem>) -> bool {
        let problem = problem.map(Arc::new);
        let former = self.unconfigured.swap(problem.clone());
        former != problem
    }

    /// What [`Self::note_configuration`] was told.
    pub fn configuration_problem(&self) -> Option<Arc<ConfigurationProblem>> {
        self.unconfigured.load_full()
    }

    async fn read_again(&self) -> Result<(), StoreError> {
        if self.store.revision().await? == self.revision() {
            return Ok(());
        }
        let edition = self.directory.load().edition().clone();
        self.read(edition).await?;
        tracing::info!(revision = self.revision(), "directory reloaded");
        Ok(())
    }

    async fn read(&self, edition: Arc<Edition>) -> Result<(), StoreError> {
        let (store, admission, health) = (&self.store, &self.admission, &self.health);
        let directory = Directory::load(store, edition, admission, health).await?;
        let directory = Arc::new(directory);
        self.directory.store(directory.clone());
        self.tokens.retain(|id| directory.uses(id)).await;
        self.health.retain(|id| directory.uses(id));
        self.changes.send_modify(|changes| *changes += 1);
        Ok(())
    }

    /// Lets go of tokens that nobody used for long.
    pub async fn tidy(&self) {
        self.tokens.tidy().await;
    }

    /// The revision of the store that the directory was read at.
    pub fn revision(&self) -> i64 {
        self.directory.load().revision()
    }

    /// Brings the meters of what the directory holds up to date.
    pub fn take_census(&self) {
        let directory = self.directory.load();
        let census = &directory.edition().meters.census;
        census.take(&directory, self.clock.now());
        let refused = self.configuration_problem().is_some();
        census.take_state(self.is_stale(), self.is_unwritable(), refused);
    }

    /// The catalog that is served now.
    pub fn catalog(&self) -> Arc<Catalog> {
        self.directory.load().edition().catalog.clone()
    }

    /// Tells when something is served otherwise: organizations, keys, credentials, tools.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
