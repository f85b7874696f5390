//! The request path: who calls, for which tenant, which tool; then a token, a request, an answer.
//!
//! ```text
//! enter   PresentedKey ─ authenticate → Principal ─ resolve (selection, grants) → Visit
//! call    Visit, tool name, arguments
//!           ├ look up      name in the tenant's list                → Entry
//!           ├ check        arguments against the schema             → Arguments
//!           ├ authorize    principal, tenant, tool, arguments       → AuthorizedCall
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

use arc_swap::ArcSwap;
use http::StatusCode;

pub use directory::{Directory, Route};
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
use crate::token::{LoginError, Tokens};
use crate::upstream::{Rest, UpstreamError, UpstreamReply};

/// The request path with everything that it needs.
pub struct Gateway {
    directory: ArcSwap<Directory>,
    catalog: Arc<Catalog>,
    tokens: Tokens,
    rest: Rest,
    clock: SharedClock,
}

/// An authenticated principal at one tenant.
pub struct Visit {
    principal: Arc<Principal>,
    tenant: Tenant,
    filter: ToolFilter,
    routes: Arc<directory::Routes>,
}

/// What decides which tools a visit sees: equal keys see equal lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListKey {
    providers: BTreeSet<ProviderName>,
    filter: ToolFilter,
}

/// Why a call did not get an upstream answer.
enum CallFailure {
    NoCredential,
    Login(LoginError),
    Upstream(UpstreamError),
}

impl Gateway {
    pub fn new(
        directory: Directory,
        catalog: Arc<Catalog>,
        tokens: Tokens,
        rest: Rest,
        clock: SharedClock,
    ) -> Self {
        Self {
            directory: ArcSwap::from_pointee(directory),
            catalog,
            tokens,
            rest,
            clock,
        }
    }

    /// Replaces the directory; calls in flight finish with the one they began with.
    pub async fn replace_directory(&self, directory: Directory) {
        let directory = Arc::new(directory);
        self.directory.store(directory.clone());
        self.tokens.retain(|id| directory.uses(id)).await;
    }

    /// The revision of the store that the directory was read at.
    pub fn revision(&self) -> i64 {
        self.directory.load().revision()
    }

    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Authenticates a key and resolves the tenant that it may act for.
    pub fn enter(
        &self,
        presented: Option<&PresentedKey>,
        selection: &Selection,
    ) -> Result<Visit, Refusal> {
        let directory = self.directory.load();
        let principal = authenticate::principal(&directory, presented, self.clock.now())?;
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
        let entry = self.catalog.tool(tool).ok_or(UnknownTool)?;
        let arguments = match entry.schema.check(arguments) {
            Ok(arguments) => arguments,
            Err(mistakes) if visit.filter.admits(&entry.tool) => {
                return Ok(CallOutcome::invalid_arguments(&mistakes, request_id));
            }
            Err(_) => return Err(UnknownTool),
        };
        let call =
            AuthorizedCall::authorize(&visit.principal, &visit.tenant, &entry.tool, arguments)
                .map_err(|_| UnknownTool)?;
        let started = self.clock.now();
        let result = self.run(&call, visit).await;
        let provider = self.catalog.provider(entry.tool.provider.as_str());
        let outcome = CallOutcome::of(&call, provider.map(AsRef::as_ref), result, request_id);
        let elapsed = self.clock.now().duration_since(started);
        outcome.log(&call, request_id, elapsed);
        Ok(outcome)
    }

    async fn run(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
    ) -> Result<UpstreamReply, CallFailure> {
        let route = visit
            .routes
            .get(&call.tool().provider)
            .ok_or(CallFailure::NoCredential)?;
        let (bearer, reply) = self.send_once(call, route).await?;
        let rejected = reply.status == StatusCode::UNAUTHORIZED;
        if !rejected || !self.tokens.reject(&bearer).await {
            return Ok(reply);
        }
        let (bearer, reply) = self.send_once(call, route).await?;
        if reply.status == StatusCode::UNAUTHORIZED {
            self.tokens.rejected_again(&bearer).await;
        }
        Ok(reply)
    }

    async fn send_once(
        &self,
        call: &AuthorizedCall<'_>,
        route: &Route,
    ) -> Result<(Bearer, UpstreamReply), CallFailure> {
        let bearer = self
            .tokens
            .bearer(call, &route.credential, &route.site)
            .await
            .map_err(CallFailure::Login)?;
        let reply = self.rest.send(call, &bearer, &route.site.base_url).await;
        Ok((bearer, reply.map_err(CallFailure::Upstream)?))
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
            providers: self.routes.keys().cloned().collect(),
            filter: self.filter.clone(),
        }
    }
}
