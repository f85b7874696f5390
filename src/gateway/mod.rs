//! The request path: who calls, for which tenant, which tool; then a token, a request, an answer.
//!
//! ```text
//! authenticate   PresentedKey                    → Arrival (a principal)
//! visit          Arrival, selection, grants      → Visit (that principal at one tenant)
//! call           Visit, tool name, arguments
//!           ├ look up      name in the tenant's list                → Entry
//!           ├ check        arguments against the schema             → Arguments
//!           ├ authorize    principal, tenant, tool, arguments       → AuthorizedCall
//!           ├ admit        the tenant's limits, a slot              → Permit
//!           ├ form         template + arguments                     → FormedRequest
//!           ├ token        cache, single flight, renewal            → Bearer
//!           ├ send         upstream; one retry with a new token on 401 → UpstreamReply
//!           │              a version that is over or refused gives way to the one in its place
//!           └ outcome      what the client is told; one record, one log line, one count
//! ```
//!
//! Nothing here waits for another tenant: the directory is an immutable snapshot, the token of a
//! credential is behind that credential's own gate, and tenants take turns where the gateway's
//! slots are all taken. A call with a cached token touches neither the database nor a cipher.

mod admit;
mod authenticate;
mod census;
mod directory;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod meters;
mod outcome;
mod record;
mod recorder;
mod resolve;
mod send;
mod turn_back;
mod usage;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use http::StatusCode;
use tokio::sync::Mutex;

pub use admit::AdmissionSettings;
use admit::{Admission, Limited};
use directory::{Directory, Place};
pub use error::{NotCalled, Refusal};
use health::HealthBook;
use meters::{GatewayMeters, RecordMeters};
pub use outcome::CallOutcome;
pub use recorder::RecorderSettings;
use recorder::{Recorder, Recording};
pub use resolve::{Selection, SelectionError};

use crate::audit::Audit;
use crate::catalog::{Catalog, Entry};
use crate::domain::bearer::Bearer;
use crate::domain::bearer_secret::PresentedKey;
use crate::domain::call::{Arguments, AuthorizedCall};
use crate::domain::clock::SharedClock;
use crate::domain::meter::Meters;
use crate::domain::origin::Origin;
use crate::domain::principal::{Principal, ToolFilter};
use crate::domain::provider::ProviderName;
use crate::domain::span::Attribute;
use crate::domain::tenant::Tenant;
use crate::store::{Store, StoreError};
use crate::token::{LoginError, Tokens};
use crate::upstream::{Rest, UpstreamError, UpstreamReply};

/// Rejected tokens that a call replaces: that of the version in use, and that of the version which
/// takes its place meanwhile.
const REJECTED_TOKENS: usize = 2;

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
    catalog: Arc<Catalog>,
    admission: Admission,
    recorder: Recorder,
    tokens: Tokens,
    rest: Rest,
    clock: SharedClock,
    meters: GatewayMeters,
    health: HealthBook,
}

/// An authenticated principal, and the directory that knew it.
pub struct Arrival {
    directory: Arc<Directory>,
    principal: Arc<Principal>,
}

/// An authenticated principal at one tenant.
pub struct Visit {
    principal: Arc<Principal>,
    filter: Arc<ToolFilter>,
    place: Arc<Place>,
}

/// What decides which tools a visit sees: equal keys see equal lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListKey {
    providers: BTreeSet<ProviderName>,
    filter: Arc<ToolFilter>,
}

/// Why a call did not get an upstream answer.
enum CallFailure {
    NoCredential,
    Limited(Limited),
    Login(LoginError),
    Upstream(UpstreamError),
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
        let meters = GatewayMeters::new(meters, &catalog);
        let usage = usage::of_today(&store, clock.now()).await?;
        let admission = Admission::new(admission, usage);
        let health = HealthBook::default();
        let directory = Directory::load(&store, &catalog, &admission, &meters, &health).await?;
        Ok(Self {
            store,
            audit,
            directory: ArcSwap::from_pointee(directory),
            refreshing: Mutex::new(()),
            stale: AtomicBool::new(false),
            unwritable: AtomicBool::new(false),
            catalog,
            admission,
            recorder,
            tokens,
            rest,
            clock,
            meters,
            health,
        })
    }

    /// Reads the store again if something was changed in it. Calls in flight finish with the
    /// directory that they began with.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let _one = self.refreshing.lock().await;
        let result = self.reload().await;
        self.stale.store(result.is_err(), Ordering::Release);
        result
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

    async fn reload(&self) -> Result<(), StoreError> {
        if self.store.revision().await? == self.revision() {
            return Ok(());
        }
        let (admission, meters) = (&self.admission, &self.meters);
        let (store, catalog, health) = (&self.store, &self.catalog, &self.health);
        let directory = Directory::load(store, catalog, admission, meters, health).await?;
        let directory = Arc::new(directory);
        self.directory.store(directory.clone());
        self.tokens.retain(|id| directory.uses(id)).await;
        self.health.retain(|id| directory.uses(id));
        tracing::info!(revision = directory.revision(), "directory reloaded");
        Ok(())
    }

    /// The revision of the store that the directory was read at.
    pub fn revision(&self) -> i64 {
        self.directory.load().revision()
    }

    /// Brings the meters of what the directory holds up to date.
    pub fn take_census(&self) {
        let directory = self.directory.load();
        let census = &self.meters.census;
        census.take(&directory, self.clock.now());
        census.take_state(self.is_stale(), self.is_unwritable());
    }

    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Whose key this is.
    pub fn authenticate(&self, presented: Option<&PresentedKey>) -> Result<Arrival, Refusal> {
        let directory = self.directory.load_full();
        let principal = authenticate::principal(&directory, presented, self.clock.now())?;
        Ok(Arrival {
            directory,
            principal,
        })
    }

    /// The tenant that an authenticated principal comes for.
    pub fn visit(&self, arrival: Arrival, selection: &Selection) -> Result<Visit, Refusal> {
        let Arrival {
            directory,
            principal,
        } = arrival;
        let place = resolve::place(&directory, &self.catalog, &principal, selection)?;
        let grant = principal
            .grant_for(&place.tenant)
            .ok_or(Refusal::TenantForbidden)?;
        let filter = grant.filter.clone();
        Ok(Visit {
            principal,
            filter,
            place,
        })
    }

    /// The tools that a visit may call, by name.
    pub fn tools(&self, visit: &Visit) -> Vec<Arc<Entry>> {
        let key = visit.list_key();
        self.catalog
            .listed(&key.providers, &key.filter)
            .cloned()
            .collect()
    }

    /// Runs a tool. Everything that can go wrong once a call is made is an outcome.
    pub async fn call(
        &self,
        visit: &Visit,
        tool: &str,
        arguments: Arguments,
        origin: &Origin,
    ) -> Result<CallOutcome, NotCalled> {
        let request_id = origin.id().as_str();
        let entry = self.catalog.tool(tool).ok_or(NotCalled::UnknownTool)?;
        if !visit.filter.admits(&entry.tool) {
            let now = self.clock.now();
            self.recorder.denied(visit, entry, origin, now);
            return Err(NotCalled::UnknownTool);
        }
        origin.note(Attribute::Tool(&entry.tool.name));
        origin.note(Attribute::Provider(&entry.tool.provider));
        let environment = &visit.tenant().environment;
        let ongoing = self.meters.begin(&entry.tool, environment, &self.clock);
        let (clock, started) = (&self.clock, ongoing.started());
        let begun = self.recorder.begin(visit, entry, origin, clock, started);
        let Ok(mut recording) = begun.await else {
            ongoing.end(outcome::UNRECORDED);
            return Err(NotCalled::Unrecorded);
        };
        let outcome = match entry.schema.check(arguments) {
            Err(mistakes) => CallOutcome::invalid_arguments(&mistakes, request_id),
            Ok(arguments) => {
                let (principal, tenant) = (&visit.principal, visit.tenant());
                let call =
                    AuthorizedCall::authorize(principal, tenant, &entry.tool, arguments, origin)
                        .map_err(|_| NotCalled::UnknownTool)?;
                let result = self.run(&call, visit, &mut recording).await;
                let provider = self.catalog.provider(entry.tool.provider.as_str());
                CallOutcome::of(&call, provider.map(AsRef::as_ref), result, request_id)
            }
        };
        let (now, elapsed) = ongoing.end(outcome.code);
        recording.end(outcome.code, now);
        if let Some(route) = visit.place.route(&entry.tool.provider) {
            route.health.call(outcome.code, outcome.status, now);
        }
        origin.note(Attribute::Outcome(outcome.code));
        outcome.log(visit, &entry.tool, request_id, elapsed);
        Ok(outcome)
    }

    async fn run(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
        recording: &mut Recording<'_>,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        send::route(&visit.place, call)?;
        let gate = &visit.place.gate;
        let permit = self.admission.admit(call.tenant(), gate, self.clock.now());
        let permit = permit.await.map_err(CallFailure::Limited)?;
        let (mut bearer, mut reply) = self.send(call, &permit, visit, recording).await?;
        for _ in 0..REJECTED_TOKENS {
            let rejected = reply.status == StatusCode::UNAUTHORIZED;
            if !rejected || !self.tokens.reject(&bearer).await {
                break;
            }
            let version = bearer.version();
            (bearer, reply) = self.send(call, &permit, visit, recording).await?;
            match reply.status {
                // After a return it is the first time for the version that is in use now.
                StatusCode::UNAUTHORIZED if bearer.version() != version => continue,
                StatusCode::UNAUTHORIZED => self.tokens.rejected_again(&bearer).await,
                _ => self.tokens.accepted(&bearer).await,
            }
            break;
        }
        Ok((bearer, reply))
    }
}

impl From<Limited> for CallFailure {
    fn from(limited: Limited) -> Self {
        Self::Limited(limited)
    }
}

impl Visit {
    pub fn tenant(&self) -> &Tenant {
        &self.place.tenant
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the visit's tool list depends on.
    pub fn list_key(&self) -> ListKey {
        ListKey {
            providers: self.place.providers().cloned().collect(),
            filter: self.filter.clone(),
        }
    }
}
