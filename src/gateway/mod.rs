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
//!           └ outcome      what the client is told; one log line, one count
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
mod meters;
mod outcome;
mod resolve;
mod usage;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use http::StatusCode;
use tokio::sync::Mutex;

pub use admit::AdmissionSettings;
use admit::{Admission, Limited, Permit};
use directory::{Directory, Route};
pub use error::{Refusal, UnknownTool};
use meters::GatewayMeters;
pub use outcome::CallOutcome;
pub use resolve::{Selection, SelectionError};

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

/// The request path with everything that it needs.
pub struct Gateway {
    store: Store,
    directory: ArcSwap<Directory>,
    /// One reading of the store at a time; no call with a usable credential waits for it.
    refreshing: Mutex<()>,
    stale: AtomicBool,
    catalog: Arc<Catalog>,
    admission: Admission,
    tokens: Tokens,
    rest: Rest,
    clock: SharedClock,
    meters: GatewayMeters,
}

/// An authenticated principal, and the directory that knew it.
pub struct Arrival {
    directory: Arc<Directory>,
    principal: Arc<Principal>,
}

/// An authenticated principal at one tenant.
pub struct Visit {
    principal: Arc<Principal>,
    tenant: Tenant,
    filter: Arc<ToolFilter>,
    routes: Arc<directory::Routes>,
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
    pub async fn open(
        store: Store,
        catalog: Arc<Catalog>,
        limits: AdmissionSettings,
        tokens: Tokens,
        rest: Rest,
        clock: SharedClock,
        meters: &Meters,
    ) -> Result<Self, StoreError> {
        let meters = GatewayMeters::new(meters, &catalog);
        let admission = Admission::new(limits, usage::of_today(&store, clock.now()).await?);
        let directory = Directory::load(&store, &catalog, &admission, &meters).await?;
        Ok(Self {
            store,
            directory: ArcSwap::from_pointee(directory),
            refreshing: Mutex::new(()),
            stale: AtomicBool::new(false),
            catalog,
            admission,
            tokens,
            rest,
            clock,
            meters,
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

    async fn reload(&self) -> Result<(), StoreError> {
        if self.store.revision().await? == self.revision() {
            return Ok(());
        }
        let (admission, meters) = (&self.admission, &self.meters);
        let directory = Directory::load(&self.store, &self.catalog, admission, meters).await?;
        let directory = Arc::new(directory);
        self.directory.store(directory.clone());
        self.tokens.retain(|id| directory.uses(id)).await;
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
        census.take(&directory, self.is_stale(), self.clock.now());
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
        let tenant = resolve::tenant(&directory, &self.catalog, &principal, selection)?;
        let grant = principal
            .grant_for(&tenant)
            .ok_or(Refusal::TenantForbidden)?;
        let filter = grant.filter.clone();
        let routes = directory.routes(&tenant);
        Ok(Visit {
            principal,
            tenant,
            filter,
            routes,
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

    /// Runs a tool. Everything that can go wrong but an unknown name is an outcome.
    pub async fn call(
        &self,
        visit: &Visit,
        tool: &str,
        arguments: Arguments,
        origin: &Origin,
    ) -> Result<CallOutcome, UnknownTool> {
        let request_id = origin.id().as_str();
        let entry = self.catalog.tool(tool).ok_or(UnknownTool)?;
        if !visit.filter.admits(&entry.tool) {
            return Err(UnknownTool);
        }
        origin.note(Attribute::Tool(&entry.tool.name));
        origin.note(Attribute::Provider(&entry.tool.provider));
        let environment = &visit.tenant.environment;
        let ongoing = self.meters.begin(&entry.tool, environment, &self.clock);
        let outcome = match entry.schema.check(arguments) {
            Err(mistakes) => CallOutcome::invalid_arguments(&mistakes, request_id),
            Ok(arguments) => {
                let (principal, tenant) = (&visit.principal, &visit.tenant);
                let call =
                    AuthorizedCall::authorize(principal, tenant, &entry.tool, arguments, origin)
                        .map_err(|_| UnknownTool)?;
                let result = self.run(&call, visit).await;
                let provider = self.catalog.provider(entry.tool.provider.as_str());
                CallOutcome::of(&call, provider.map(AsRef::as_ref), result, request_id)
            }
        };
        let elapsed = ongoing.end(outcome.code);
        origin.note(Attribute::Outcome(outcome.code));
        outcome.log(visit, &entry.tool, request_id, elapsed);
        Ok(outcome)
    }

    async fn run(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        route(&visit.routes, call)?;
        let gate = &visit.routes.gate;
        let permit = self.admission.admit(call.tenant(), gate, self.clock.now());
        let permit = permit.await.map_err(CallFailure::Limited)?;
        let (bearer, reply) = self.send_current(call, &permit, visit).await?;
        let rejected = reply.status == StatusCode::UNAUTHORIZED;
        if !rejected || !self.tokens.reject(&bearer).await {
            return Ok((bearer, reply));
        }
        let (bearer, reply) = self.send_current(call, &permit, visit).await?;
        match reply.status {
            StatusCode::UNAUTHORIZED => self.tokens.rejected_again(&bearer).await,
            _ => self.tokens.accepted(&bearer).await,
        }
        Ok((bearer, reply))
    }

    /// Sends with the visit's credential, or with the one that has replaced it since.
    async fn send_current(
        &self,
        call: &AuthorizedCall<'_>,
        permit: &Permit<'_>,
        visit: &Visit,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let sent = self.send_once(call, permit, route(&visit.routes, call)?);
        match sent.await {
            Err(CallFailure::Login(LoginError::Revoked)) => self.send_replaced(call, permit).await,
            sent => sent,
        }
    }

    /// The credential was replaced after the visit began: sends with the one that is active now.
    async fn send_replaced(
        &self,
        call: &AuthorizedCall<'_>,
        permit: &Permit<'_>,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        if let Err(error) = self.refresh().await {
            tracing::error!(%error, "the database cannot be read");
        }
        let routes = self.directory.load().routes(call.tenant());
        self.send_once(call, permit, route(&routes, call)?).await
    }

    async fn send_once(
        &self,
        call: &AuthorizedCall<'_>,
        permit: &Permit<'_>,
        route: &Route,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let credential = route.account.credential.id;
        permit.check_pause(credential, self.clock.now())?;
        let request = self
            .rest
            .form(call, &route.account.site.base_url)
            .map_err(CallFailure::Upstream)?;
        let bearer = self
            .tokens
            .bearer(call, &route.account)
            .await
            .map_err(CallFailure::Login)?;
        permit.request(self.clock.now())?;
        let reply = self
            .rest
            .send(call, &bearer, request, &route.requests)
            .await
            .map_err(CallFailure::Upstream)?;
        if let Some(wait) = reply.asks_to_wait() {
            permit.pause(credential, wait, self.clock.now());
        }
        Ok((bearer, reply))
    }
}

fn route<'a>(
    routes: &'a directory::Routes,
    call: &AuthorizedCall<'_>,
) -> Result<&'a Route, CallFailure> {
    routes
        .by_provider
        .get(&call.tool().provider)
        .ok_or(CallFailure::NoCredential)
}

impl From<Limited> for CallFailure {
    fn from(limited: Limited) -> Self {
        Self::Limited(limited)
    }
}

impl Visit {
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// What the visit's tool list depends on.
    pub fn list_key(&self) -> ListKey {
        ListKey {
            providers: self.routes.by_provider.keys().cloned().collect(),
            filter: self.filter.clone(),
        }
    }
}
