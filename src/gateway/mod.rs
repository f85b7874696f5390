//! The request path: who calls, for which tenant, which tool; then a token, a request, an answer.
//!
//! ```text
//! authenticate   PresentedKey                    → Arrival (a principal)
//! visit          Arrival, selection, grants      → Visit (that principal at one tenant)
//! call           Visit, tool name, arguments
//!           ├ look up      name in the tenant's list                → Entry
//!           ├ check        arguments against the schema             → Arguments
//!           ├ authorize    principal, tenant, tool, arguments       → AuthorizedCall
//!           ├ form         template + arguments                     → FormedRequest
//!           ├ token        cache, single flight, renewal            → Bearer
//!           ├ send         upstream; one retry with a new token on 401 → UpstreamReply
//!           └ outcome      what the client is told; one log line
//! ```
//!
//! Nothing here waits for another tenant: the directory is an immutable snapshot, and the token of
//! a credential is behind that credential's own gate. A call with a cached token touches neither
//! the database nor a cipher.

mod authenticate;
mod directory;
mod error;
mod outcome;
mod resolve;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use http::StatusCode;
use tokio::sync::Mutex;

use directory::{Directory, Route};
pub use error::{Refusal, UnknownTool};
pub use outcome::CallOutcome;
pub use resolve::{Selection, SelectionError};

use crate::catalog::{Catalog, Entry};
use crate::domain::bearer::Bearer;
use crate::domain::bearer_secret::PresentedKey;
use crate::domain::call::{Arguments, AuthorizedCall};
use crate::domain::clock::SharedClock;
use crate::domain::principal::{Principal, ToolFilter};
use crate::domain::provider::ProviderName;
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
    tokens: Tokens,
    rest: Rest,
    clock: SharedClock,
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
    Login(LoginError),
    Upstream(UpstreamError),
}

impl Gateway {
    /// Reads the directory; no upstream is contacted.
    pub async fn open(
        store: Store,
        catalog: Arc<Catalog>,
        tokens: Tokens,
        rest: Rest,
        clock: SharedClock,
    ) -> Result<Self, StoreError> {
        let directory = ArcSwap::from_pointee(Directory::load(&store, &catalog).await?);
        Ok(Self {
            store,
            directory,
            refreshing: Mutex::new(()),
            stale: AtomicBool::new(false),
            catalog,
            tokens,
            rest,
            clock,
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
        let directory = Arc::new(Directory::load(&self.store, &self.catalog).await?);
        self.directory.store(directory.clone());
        self.tokens.retain(|id| directory.uses(id)).await;
        tracing::info!(revision = directory.revision(), "directory reloaded");
        Ok(())
    }

    /// The revision of the store that the directory was read at.
    pub fn revision(&self) -> i64 {
        self.directory.load().revision()
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
        request_id: &str,
    ) -> Result<CallOutcome, UnknownTool> {
        let started = self.clock.now();
        let entry = self.catalog.tool(tool).ok_or(UnknownTool)?;
        if !visit.filter.admits(&entry.tool) {
            return Err(UnknownTool);
        }
        let outcome = match entry.schema.check(arguments) {
            Err(mistakes) => CallOutcome::invalid_arguments(&mistakes, request_id),
            Ok(arguments) => {
                let (principal, tenant) = (&visit.principal, &visit.tenant);
                let call = AuthorizedCall::authorize(principal, tenant, &entry.tool, arguments)
                    .map_err(|_| UnknownTool)?;
                let result = self.run(&call, visit).await;
                let provider = self.catalog.provider(entry.tool.provider.as_str());
                CallOutcome::of(&call, provider.map(AsRef::as_ref), result, request_id)
            }
        };
        let elapsed = self.clock.now().duration_since(started);
        outcome.log(visit, &entry.tool, request_id, elapsed);
        Ok(outcome)
    }

    async fn run(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let (bearer, reply) = self.send_current(call, visit).await?;
        let rejected = reply.status == StatusCode::UNAUTHORIZED;
        if !rejected || !self.tokens.reject(&bearer).await {
            return Ok((bearer, reply));
        }
        let (bearer, reply) = self.send_current(call, visit).await?;
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
        visit: &Visit,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        match self.send_once(call, route(&visit.routes, call)?).await {
            Err(CallFailure::Login(LoginError::Revoked)) => self.send_replaced(call).await,
            sent => sent,
        }
    }

    /// The credential was replaced after the visit began: sends with the one that is active now.
    async fn send_replaced(
        &self,
        call: &AuthorizedCall<'_>,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        if let Err(error) = self.refresh().await {
            tracing::error!(%error, "the database cannot be read");
        }
        let routes = self.directory.load().routes(call.tenant());
        self.send_once(call, route(&routes, call)?).await
    }

    async fn send_once(
        &self,
        call: &AuthorizedCall<'_>,
        route: &Route,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let request = self
            .rest
            .form(call, &route.site.base_url)
            .map_err(CallFailure::Upstream)?;
        let bearer = self
            .tokens
            .bearer(call, &route.credential, &route.site)
            .await
            .map_err(CallFailure::Login)?;
        let reply = self.rest.send(call, &bearer, request).await;
        Ok((bearer, reply.map_err(CallFailure::Upstream)?))
    }
}

fn route<'a>(
    routes: &'a directory::Routes,
    call: &AuthorizedCall<'_>,
) -> Result<&'a Route, CallFailure> {
    routes
        .get(&call.tool().provider)
        .ok_or(CallFailure::NoCredential)
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
            providers: self.routes.keys().cloned().collect(),
            filter: self.filter.clone(),
        }
    }
}
