//! The front door for MCP clients of every revision, on one URL.
//!
//! ```text
//! POST ─ Host and Origin → key (authenticate) → tenant (visit) → body → envelope → era → method → answer
//! GET ─ the same, as far as the tenant                                                        → stream
//!                          └ without one: how many of those may the address make?
//! ```
//!
//! Authentication and tenant are settled before the body is looked at, so a refusal is the same
//! whatever was asked. Every refusal carries a JSON-RPC error whose `data.code` says why: a client
//! that sees a bare 400 would try another revision and hide the reason. `rmcp::model` supplies
//! codes, versions and result types; the envelope is parsed in one pass over the bytes, and a
//! tool's answer is spliced into the response without being parsed into a tree.

mod envelope;
mod era;
#[cfg(fuzzing)]
pub mod fuzzing;
mod headers;
mod listen;
mod lists;
mod meters;
mod methods;
mod refusal;
mod reply;
mod trace;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use tokio::sync::watch;

use listen::{Full, Listeners};
use lists::Lists;
use meters::McpMeters;
use refusal::Rejection;

use super::bearer;
use super::floods::Floods;
use super::hosts::HostPolicy;
use super::proxies::Proxies;
use super::server::Peer;
use crate::domain::bearer_secret::{FormedKey, SecretKind};
use crate::domain::live::Live;
use crate::domain::meter::Meters;
use crate::domain::origin::{Origin, RequestId};
use crate::domain::span::Tracer;
use crate::gateway::{Arrival, Gateway, Visit};

/// Size and time that a request gets whose sender is refused anyway.
const REFUSED_BODY: (usize, Duration) = (16 * 1024, Duration::from_secs(5));

/// What the front door needs.
pub struct Mcp {
    gateway: Arc<Gateway>,
    door: Door,
    settings: McpSettings,
    limits: Live<McpLimits>,
    lists: Lists,
    listeners: Listeners,
    meters: McpMeters,
    tracer: Option<Arc<dyn Tracer>>,
}

/// Who may come as far as the key.
pub struct Door {
    pub hosts: HostPolicy,
    pub proxies: Proxies,
    pub floods: Floods,
}

/// How the front door behaves.
#[derive(Debug, Clone)]
pub struct McpSettings {
    pub organization_header: http::HeaderName,
    pub environment_header: http::HeaderName,
}

/// How much a request may take.
#[derive(Debug, Clone, Copy)]
pub struct McpLimits {
    /// The largest request body in bytes.
    pub max_body: usize,
    /// A request body has to arrive within this.
    pub body_timeout: Duration,
    /// A whole call has to end within this.
    pub call_timeout: Duration,
}

impl Mcp {
    pub fn new(
        gateway: Arc<Gateway>,
        door: Door,
        (settings, limits): (McpSettings, Live<McpLimits>),
        meters: &Meters,
        tracer: Option<Arc<dyn Tracer>>,
        (stop, max_connections): (watch::Receiver<bool>, usize),
    ) -> Self {
        Self {
            gateway,
            door,
            settings,
            limits,
            lists: Lists::new(meters),
            listeners: Listeners::new(stop, max_connections, meters),
            meters: McpMeters::new(meters),
            tracer,
        }
    }

    /// Who comes, and for which tenant.
    fn enter(
        &self,
        parts: &Parts,
        key: Option<FormedKey<'_>>,
        from: &From,
    ) -> Result<Visit, Rejection> {
        if let Some(key) = &key {
            self.gateway.expect(key.id());
        }
        self.door.hosts.check(&parts.uri, &parts.headers)?;
        if self.door.proxies.came_in_clear(from.peer, &parts.headers) {
            return Err(Rejection::InClear);
        }
        headers::refuse_duplicates(&parts.headers)?;
        // Who comes is settled first: a stranger learns nothing about tenants, not even what a
        // malformed one is.
        let arrival = self.authenticate(key, from)?;
        let selection = headers::selection(parts, &self.settings)?;
        Ok(self.gateway.visit(arrival, &selection)?)
    }

    /// Only those who fail are counted, so that nobody with a key pays for a neighbour.
    fn authenticate(&self, key: Option<FormedKey<'_>>, from: &From) -> Result<Arrival, Rejection> {
        let presented = key.and_then(FormedKey::checked);
        let refusal = match self.gateway.authenticate(presented.as_ref()) {
            Ok(arrival) => return Ok(arrival),
            Err(refusal) => refusal,
        };
        match self.door.floods.failed(from.client) {
            Ok(()) => Err(refusal.into()),
            Err(wait) => Err(Rejection::RateLimited(wait)),
        }
    }
}

/// Where a request comes from: the other end of its connection, and the client behind it.
struct From {
    peer: IpAddr,
    client: IpAddr,
}

impl From {
    fn of(parts: &Parts, proxies: &Proxies) -> Self {
        // Without a socket, in a test of the router alone, nobody is trusted.
        let nowhere = IpAddr::from(Ipv4Addr::UNSPECIFIED);
        let peer = parts.extensions.get().map_or(nowhere, |Peer(peer)| *peer);
        let client = proxies.client(peer, &parts.headers);
        Self { peer, client }
    }
}

/// Every request to an MCP URL.
pub async fn handle(State(mcp): State<Arc<Mcp>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let key = bearer::formed(&parts.headers, SecretKind::GatewayKey);
    if let Some(key) = &key {
        mcp.gateway.announce(key.id());
    }
    let request_id = parts.extensions.get::<RequestId>().cloned();
    let origin = Origin::new(request_id.unwrap_or_default());
    let request_id = origin.id().as_str();
    let from = From::of(&parts, &mcp.door.proxies);
    // The id goes back with a refusal too: some clients show an error only with their own id.
    let refuse = |rejection: Rejection, bytes: &[u8]| {
        rejection.log(request_id, from.client);
        rejection.respond(&mcp.meters, envelope::peek_id(bytes), request_id)
    };
    let visit = mcp.enter(&parts, key, &from);
    let limits = **mcp.limits.peek();
    // Of a refused request only as much is read as its id takes, and of a flood nothing.
    let (limit, time) = match &visit {
        Ok(_) => (limits.max_body, limits.body_timeout),
        Err(flood @ Rejection::RateLimited(_)) => return refuse(flood.clone(), &[]),
        Err(_) => REFUSED_BODY,
    };
    let bytes = match read(body, limit, time).await {
        Ok(bytes) => bytes,
        Err(broken) => return refuse(visit.err().unwrap_or(broken), &[]),
    };
    match visit {
        Err(rejection) => refuse(rejection, &bytes),
        Ok(visit) if parts.method == Method::GET && listen::is_asked(&parts.headers) => {
            listen::legacy(&mcp, visit).unwrap_or_else(|Full| refuse(Rejection::Listeners, &bytes))
        }
        Ok(_) if parts.method != Method::POST => refuse(Rejection::Method, &bytes),
        Ok(_) if !bearer::is_json(&parts.headers) => refuse(Rejection::ContentType, &bytes),
        Ok(visit) => methods::answer(&mcp, visit, &parts.headers, &bytes, &origin).await,
    }
}

async fn read(body: Body, limit: usize, time: Duration) -> Result<Bytes, Rejection> {
    let whole = tokio::time::timeout(time, axum::body::to_bytes(body, limit));
    whole
        .await
        .map_err(|_| Rejection::BodyTooSlow)?
        .map_err(|error| {
            let source = std::error::Error::source(&error);
            let too_large =
                source.is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
            if too_large {
                Rejection::BodyTooLarge(limit)
            } else {
                Rejection::BodyBroken
            }
        })
}
