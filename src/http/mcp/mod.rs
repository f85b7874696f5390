//! The front door for MCP clients of every revision, on one URL.
//!
//! ```text
//! POST ─ Host and Origin → key → tenant (gateway::enter) → body → envelope → era → method → answer
//! ```
//!
//! Authentication and tenant are settled before the body is looked at, so a refusal is the same
//! whatever was asked. Every refusal carries a JSON-RPC error whose `data.code` says why: a client
//! that sees a bare 400 would try another revision and hide the reason. `rmcp::model` supplies
//! codes, versions and result types; the envelope is parsed in one pass over the bytes, and a
//! tool's answer is spliced into the response without being parsed into a tree.

mod envelope;
mod era;
mod headers;
mod lists;
mod methods;
mod refusal;
mod reply;

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use http::request::Parts;
use http::{Method, Response};

use lists::Lists;
use refusal::Rejection;

use super::hosts::HostPolicy;
use super::router::RequestId;
use crate::gateway::{Gateway, Visit};

/// What the front door needs.
pub struct Mcp {
    gateway: Arc<Gateway>,
    hosts: HostPolicy,
    settings: McpSettings,
    lists: Lists,
}

/// How the front door behaves.
#[derive(Debug, Clone)]
pub struct McpSettings {
    pub organization_header: http::HeaderName,
    pub environment_header: http::HeaderName,
    /// The largest request body in bytes.
    pub max_body: usize,
    /// A request body has to arrive within this.
    pub body_timeout: Duration,
    /// A whole call has to end within this.
    pub call_timeout: Duration,
}

impl Mcp {
    pub fn new(gateway: Arc<Gateway>, hosts: HostPolicy, settings: McpSettings) -> Self {
        Self {
            gateway,
            hosts,
            settings,
            lists: Lists::default(),
        }
    }

    /// Who comes, and for which tenant.
    fn enter(&self, parts: &Parts) -> Result<Visit, Rejection> {
        self.hosts.check(&parts.uri, &parts.headers)?;
        headers::refuse_duplicates(&parts.headers)?;
        let presented = headers::presented_key(&parts.headers);
        let selection = headers::selection(parts, &self.settings);
        match (presented, selection) {
            (None, _) => Err(crate::gateway::Refusal::Unauthenticated.into()),
            (presented, Ok(selection)) => Ok(self.gateway.enter(presented.as_ref(), &selection)?),
            (presented, Err(malformed)) => {
                // A stranger learns nothing about tenants, not even what a malformed one is.
                let nobody = crate::gateway::Selection::default();
                match self.gateway.enter(presented.as_ref(), &nobody) {
                    Err(refusal @ crate::gateway::Refusal::Unauthenticated) => Err(refusal.into()),
                    _ => Err(malformed.into()),
                }
            }
        }
    }
}

/// Every request to an MCP URL.
pub async fn handle(State(mcp): State<Arc<Mcp>>, request: Request) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let request_id = parts.extensions.get::<RequestId>().map(|id| id.0.clone());
    let request_id = request_id.unwrap_or_else(|| "".into());
    let visit = mcp.enter(&parts);
    let read = axum::body::to_bytes(body, mcp.settings.max_body);
    let bytes = match tokio::time::timeout(mcp.settings.body_timeout, read).await {
        Ok(Ok(bytes)) => Ok(bytes),
        Ok(Err(_)) => Err(Rejection::BodyTooLarge(mcp.settings.max_body)),
        Err(_) => Err(Rejection::BodyTooSlow),
    };
    let visit = match (visit, &bytes) {
        (Ok(visit), Ok(_)) => visit,
        (Err(rejection), bytes) => {
            // The id goes back even so: some clients show an error only with their own id.
            let id = bytes
                .as_ref()
                .ok()
                .and_then(|bytes| envelope::peek_id(bytes));
            return rejection.respond(id, &request_id);
        }
        (Ok(_), Err(_)) => {
            let rejection = bytes.err().unwrap_or(Rejection::BodyTooSlow);
            return rejection.respond(None, &request_id);
        }
    };
    if parts.method != Method::POST {
        return Rejection::Method.respond(None, &request_id);
    }
    let bytes = bytes.unwrap_or_default();
    methods::answer(&mcp, &visit, &parts.headers, &bytes, &request_id).await
}
