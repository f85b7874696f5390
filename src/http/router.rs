//! The routes of both listeners, and the one ordered list of what every request passes.

use std::sync::Arc;

pub use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use http::{Response, StatusCode};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use uuid::timestamp::context::{ContextV7, ThreadLocalContext};
use uuid::{Timestamp, Uuid};

use super::admin::AdminApi;
use super::cors::{self, Cors};
use super::hosts::HostPolicy;
use super::mcp::{self, Mcp};
use super::problem::problem;
use super::{admin, health, metrics};
use crate::domain::meter::Meters;
use crate::domain::origin::RequestId;
use crate::gateway::Gateway;

/// What MCP clients talk to.
pub fn mcp(front: Arc<Mcp>, cors: Arc<Cors>) -> Router {
    let endpoint = axum::routing::any(mcp::handle);
    let routes = Router::new()
        .route("/mcp", endpoint.clone())
        // The front door reads the names itself, byte for byte: `/t/{organization}/mcp` and
        // `/t/{organization}/{environment}/mcp`.
        .route("/t/{*tenant}", endpoint)
        .fallback(not_found)
        .with_state(front);
    // Around everything, so that pages can read refusals too.
    with_middleware(routes).layer(from_fn_with_state(cors, cors::answer))
}

/// What operators and probes talk to.
pub fn admin(api: AdminApi, gateway: Arc<Gateway>, meters: Meters, hosts: HostPolicy) -> Router {
    let routes = health::routes(gateway.clone())
        .merge(metrics::routes(gateway, meters))
        .nest("/admin/v1", admin::routes(api))
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::new(hosts), check_host));
    with_middleware(routes)
}

/// From the outside in: an id for everything that follows, then a net under panics. Sizes and
/// times are limited where the body is read.
fn with_middleware(routes: Router) -> Router {
    let middleware = ServiceBuilder::new()
        .layer(from_fn(identify))
        .layer(CatchPanicLayer::custom(|_| internal_error()));
    routes.layer(middleware)
}

async fn identify(mut request: Request, next: Next) -> Response<Body> {
    let id = new_request_id();
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    id.sign(response.headers_mut());
    response
}

/// A UUID of version 7 (RFC 9562, section 5.7), in order within its thread: `Uuid::now_v7` would
/// take a lock that all threads share.
fn new_request_id() -> RequestId {
    thread_local!(static ORDER: ContextV7 = const { ContextV7::new() });
    RequestId::new(Uuid::new_v7(Timestamp::now(ThreadLocalContext::new(
        &ORDER,
    ))))
}

async fn check_host(
    State(hosts): State<Arc<HostPolicy>>,
    request: Request,
    next: Next,
) -> Response<Body> {
    match hosts.check(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(_) => problem(
            StatusCode::FORBIDDEN,
            "host_forbidden",
            "unknown Host or Origin",
        ),
    }
}

async fn not_found() -> Response<Body> {
    problem(
        StatusCode::NOT_FOUND,
        "not_found",
        "nothing is served at this path; MCP is at /mcp and takes a gateway key: \
         Authorization: Bearer <key>",
    )
}

fn internal_error() -> Response<Body> {
    tracing::error!("a request handler panicked");
    problem(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the gateway failed on this request",
    )
}
