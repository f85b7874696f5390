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
mod census;
mod data;
mod directory;
mod edition;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod health;
mod kept;
mod meters;
mod outcome;
mod record;
mod recorder;
mod rehearse;
mod resolve;
mod run;
mod send;
mod turn_back;
mod unattended;
mod usage;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::StatusCode;
use tokio::sync::{Mutex, watch};

pub use admit::AdmissionSettings;
use admit::{Admission, Limited, Permit};
use directory::{Directory, Place};
use edition::Edition;
pub use error::{NotCalled, Refusal};
use health::HealthBook;
use kept::{Attendance, KeptAnswers};
use meters::RecordMeters;
pub use outcome::CallOutcome;
pub use recorder::RecorderSettings;
use recorder::{Recorder, Recording};
pub use rehearse::Rehearsed;
pub use resolve::{Selection, SelectionError};
use send::Errand;

use crate::audit::Audit;
use crate::catalog::{Catalog, Entry};
use crate::domain::bearer::Bearer;
use crate::domain::bearer_secret::PresentedKey;
use crate::domain::call::{Arguments, AuthorizedCall};
use crate::domain::clock::SharedClock;
use crate::domain::health::ConfigurationProblem;
use crate::domain::jq::RunError;
use crate::domain::meter::Meters;
use crate::domain::organization::OrganizationSlug;
use crate::domain::origin::Origin;
use crate::domain::principal::{Grant, Principal, PrincipalKind, Scope, ToolFilter};
use crate::domain::provider::{Provider, ProviderName, ResultShape};
use crate::domain::seats::Seats;
use crate::domain::span::Attribute;
use crate::domain::tenant::Tenant;
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::tool::{ResponseRule, Run, Tool};
use crate::store::{Store, StoreError};
use crate::token::{LoginError, Tokens};
use crate::upstream::{Asked, Rest, UpstreamError, UpstreamReply};

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

/// An authenticated principal, and the directory that knew it.
pub struct Arrival {
    directory: Arc<Directory>,
    principal: Arc<Principal>,
}

/// An authenticated principal at one tenant. Cheap to clone.
#[derive(Clone)]
pub struct Visit {
    principal: Arc<Principal>,
    filter: Arc<ToolFilter>,
    place: Arc<Place>,
    edition: Arc<Edition>,
}

/// What decides which tools a visit sees: equal ones see equal lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListKey {
    edition: u64,
    providers: BTreeSet<ProviderName>,
    filter: Arc<ToolFilter>,
    /// Without values, which lists do not show.
    settings: Option<TenantSettings>,
}

/// What a call came to.
enum Answer<'a> {
    /// What the upstream answered, whatever its status, and how it becomes data.
    Reply(Bearer, UpstreamReply, &'a ResponseRule),
    /// What steps made of several answers: JSON, and its frame where it has one of its own.
    Made(String, Option<&'a ResultShape>),
    /// An error in the profile's own words: JSON.
    Failure(String),
}

/// Why a call did not get an answer to work with.
enum CallFailure {
    NoCredential,
    Limited(Limited),
    Login(LoginError),
    Upstream(UpstreamError),
    /// The arguments do not go together, in the profile's words.
    Check(String),
    /// The arguments are none that the profile's checks can work with.
    Unchecked(RunError),
    /// A step was answered with an error.
    Refused(Box<Refused>),
    /// A step's answer is not what it is documented to be.
    Malformed(StatusCode),
    /// What a step is to ask for, out of other answers, is nothing that can be asked for.
    Unaskable(String),
    /// The answers to a call's steps take more room than one call may take.
    TooLarge,
    /// A program of the profile's did not work.
    Program(String, RunError),
    /// A step would make more requests than so many.
    TooMany(String, usize),
}

/// An error that a step was answered with.
struct Refused {
    bearer: Bearer,
    reply: UpstreamReply,
    /// What the profile says about it there.
    hint: Option<String>,
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

    /// Whose key this is.
    pub fn authenticate(&self, presented: Option<&PresentedKey>) -> Result<Arrival, Refusal> {
        let directory = self.directory.load_full();
        let principal = authenticate::principal(&directory, presented, self.clock.now())?;
        Ok(Arrival {
            directory,
            principal,
        })
    }

    /// Tells when something is served otherwise: organizations, keys, credentials, tools.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The same visit by what holds now, if its key still opens the tenant.
    pub fn revisit(&self, visit: &Visit) -> Result<Visit, Refusal> {
        let directory = self.directory.load_full();
        let key = directory.key(&visit.principal.id);
        let key = key.filter(|key| !key.principal.is_expired(self.clock.now()));
        let principal = key.ok_or(Refusal::Unauthenticated)?.principal.clone();
        let tenant = visit.tenant();
        let selection = Selection {
            organization: Some(tenant.slug.clone()),
            environment: Some(tenant.environment.clone()),
        };
        let arrival = Arrival {
            directory,
            principal,
        };
        let again = self.visit(arrival, &selection)?;
        // Another organization may have the name by now.
        match again.tenant() == tenant {
            true => Ok(again),
            false => Err(Refusal::TenantForbidden),
        }
    }

    /// Somebody at the command line, for one organization.
    pub fn arrive_locally(&self, user: &str, slug: &OrganizationSlug) -> Result<Arrival, Refusal> {
        let directory = self.directory.load_full();
        let home = directory.home(slug).ok_or(Refusal::TenantForbidden)?;
        let grant = Grant {
            organization: home.id,
            environments: Arc::new(Scope::All),
            filter: Arc::new(ToolFilter {
                tools: Scope::All,
                read_only: false,
            }),
            ends_at: None,
            revoked: false,
        };
        let principal = Arc::new(Principal {
            kind: PrincipalKind::Local,
            id: user.into(),
            name: user.into(),
            grants: [grant].into(),
            expires_at: None,
        });
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
        let place = resolve::place(&directory, &principal, selection, self.clock.now())?;
        let grant = principal
            .grant_for(&place.tenant)
            .ok_or(Refusal::TenantForbidden)?;
        let filter = grant.filter.clone();
        Ok(Visit {
            principal,
            filter,
            place,
            edition: directory.edition().clone(),
        })
    }

    async fn make_call(
        &self,
        visit: &Visit,
        tool: &str,
        arguments: Arguments,
        (origin, attended): (&Origin, Attendance),
    ) -> Result<CallOutcome, NotCalled> {
        let request_id = origin.id().as_str();
        let edition = &visit.edition;
        let entry = edition.catalog.tool(tool).ok_or(NotCalled::UnknownTool)?;
        if !visit.admits(&entry.tool) {
            let now = self.clock.now();
            self.recorder.denied(visit, entry, origin, now);
            return Err(NotCalled::UnknownTool);
        }
        origin.note(Attribute::Tool(&entry.tool.name));
        origin.note(Attribute::Provider(&entry.tool.provider));
        let environment = &visit.tenant().environment;
        let ongoing = edition.meters.begin(&entry.tool, environment, &self.clock);
        let (clock, started) = (&self.clock, ongoing.started());
        let begun = self.recorder.begin(visit, entry, origin, clock, started);
        let Ok(recording) = begun.await else {
            ongoing.end(outcome::UNRECORDED);
            return Err(NotCalled::Unrecorded);
        };
        match &visit.place.gate {
            Some(gate) => gate.count_call(started),
            None => self.admission.count_ungated(visit.tenant(), started),
        }
        let outcome = match entry.schema.check(arguments) {
            Err(mistakes) => CallOutcome::invalid_arguments(&mistakes, request_id),
            Ok(arguments) => {
                let here = (visit.tenant(), visit.place.settings.as_ref());
                let (principal, tool) = (&visit.principal, &entry.tool);
                let call = AuthorizedCall::authorize(principal, here, tool, arguments, origin)
                    .map_err(|_| NotCalled::UnknownTool)?;
                let answer = self.answer(&call, visit, &recording, attended).await;
                answer.ok_or(NotCalled::Abandoned)?
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

    /// The answer of an authorized call: one that is kept, or a new one. `None`: nobody waits for it
    /// any more, or it may not be made any more.
    async fn answer(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
        recording: &Recording<'_>,
        attended: Attendance,
    ) -> Option<CallOutcome> {
        let tool = call.tool();
        let outcome = match (&tool.keep, visit.place.route(&tool.provider)) {
            (Some(keep), Some(route)) => {
                let version = route.account.credential.id;
                let now = || self.clock.now();
                let whose = (version, visit.edition.number);
                let new = async {
                    // It may have waited for others; who may call is asked as for a new one.
                    let may = visit.principal.kind == PrincipalKind::Local
                        || self.revisit(visit).is_ok_and(|now| now.admits(tool));
                    match may {
                        true => Some(self.new_answer(call, visit, recording).await),
                        false => None,
                    }
                };
                let made = self.kept.or_make((call, keep), whose, now, attended, new);
                Box::pin(made).await
            }
            // Without a credential nothing is given, kept or not.
            (None, _) | (_, None) => Some(self.new_answer(call, visit, recording).await),
        };
        self.kept.forget(call, &tool.forgets);
        outcome
    }

    async fn new_answer(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
        recording: &Recording<'_>,
    ) -> CallOutcome {
        let result = self.run(call, visit, recording).await;
        let provider = visit.provider_of(call.tool());
        let request_id = call.origin().id().as_str();
        CallOutcome::of(call, provider, result, request_id)
    }

    async fn run<'a>(
        &'a self,
        call: &'a AuthorizedCall<'a>,
        visit: &Visit,
        recording: &Recording<'_>,
    ) -> Result<Answer<'a>, CallFailure> {
        let only = match &call.tool().run {
            Run::Request(only) => only,
            // A call of one request does not carry the state of many.
            Run::Steps(plan) => {
                return Box::pin(self.run_steps(plan, call, visit, recording)).await;
            }
        };
        let permit = self.admit(call, visit).await?;
        let errand = Errand {
            call,
            visit,
            permit: &permit,
            recording,
        };
        let asked = Asked::new(&only.request, call.arguments());
        let (bearer, reply) = self.exchange(errand, &asked).await?;
        Ok(Answer::Reply(bearer, reply, &only.response))
    }

    /// Waits for a place among the calls that are under way.
    async fn admit<'a>(
        &'a self,
        call: &AuthorizedCall<'_>,
        visit: &'a Visit,
    ) -> Result<Permit<'a>, CallFailure> {
        send::route(&visit.place, call)?;
        let gate = visit.place.gate.as_deref();
        let gate = gate.ok_or(CallFailure::NoCredential)?;
        let now = self.clock.now();
        let permit = self.admission.admit(call.tenant(), gate, now).await;
        permit.map_err(CallFailure::Limited)
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

    /// The tools that may be called, by name.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let has_way = |entry: &&Arc<Entry>| self.place.route(&entry.tool.provider).is_some();
        let tools = self.edition.catalog.tools().filter(has_way);
        tools.filter(|entry| self.admits(&entry.tool))
    }

    /// Whether the key opens a tool and the tenant has it.
    fn admits(&self, tool: &Tool) -> bool {
        let settings = self.place.settings.as_ref();
        self.filter.admits(tool) && settings.is_none_or(|settings| settings.admits(tool))
    }

    fn provider_of(&self, tool: &Tool) -> Option<&Provider> {
        let provider = self.edition.catalog.provider(tool.provider.as_str());
        provider.map(AsRef::as_ref)
    }

    /// What the visit's tool list depends on.
    pub fn list_key(&self) -> ListKey {
        ListKey {
            edition: self.edition.number,
            providers: self.place.providers().cloned().collect(),
            filter: self.filter.clone(),
            settings: self
                .place
                .settings
                .as_ref()
                .and_then(|settings| settings.lists()),
        }
    }
}
