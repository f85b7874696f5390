//! The routes of both listeners, and what every request passes on its way there.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use futures_util::FutureExt as _;
use http::{Response, StatusCode};
use tower::Service as _;
use uuid::timestamp::context::{ContextV7, ThreadLocalContext};
use uuid::{Timestamp, Uuid};

use super::admin::AdminApi;
use super::cors::Cors;
use super::hosts::HostPolicy;
use super::mcp::{self, Mcp};
use super::problem::problem;
use super::{admin, health, metrics};
use crate::domain::meter::Meters;
use crate::domain::origin::RequestId;
use crate::gateway::Gateway;

/// A listener's routes, and what is around them, from the outside in: CORS, an id for everything that
/// follows, a net under panics. Sizes and times are limited where the body is read.
///
/// Layers of the router would be the same, and each would be cloned for every request with all that are
/// within it.
#[derive(Clone)]
pub struct Routes {
    router: Router,
    cors: Option<Arc<Cors>>,
}

impl Routes {
    /// The answer to a request, as soon as it is polled.
    pub(super) fn answer(
        &self,
        request: Request,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let Self { router, cors } = self.clone();
        async move {
            match cors {
                // Around everything, so that pages can read refusals too.
                Some(cors) => {
                    cors.answer(request, |request| identified(router, request))
                        .await
                }
                None => identified(router, request).await,
            }
        }
    }
}

impl From<Router> for Routes {
    fn from(router: Router) -> Self {
        Self { router, cors: None }
    }
}

/// What MCP clients talk to.
pub fn mcp(front: Arc<Mcp>, cors: Arc<Cors>) -> Routes {
    let endpoint = axum::routing::any(mcp::handle);
    let routes = Router::new()
        .route("/mcp", endpoint.clone())
        // The front door reads the names itself, byte for byte: `/t/{organization}/mcp` and
        // `/t/{organization}/{environment}/mcp`.
        .route("/t/{*tenant}", endpoint)
        .fallback(not_found)
        .with_state(front);
    Routes {
        router: routes,
        cors: Some(cors),
    }
}

/// What operators and probes talk to.
pub fn admin(api: AdminApi, gateway: Arc<Gateway>, meters: Meters, hosts: HostPolicy) -> Routes {
    health::routes(gateway.clone())
        .merge(metrics::routes(gateway, meters))
        .nest("/admin/v1", admin::routes(api))
        .fallback(not_found)
        .layer(from_fn_with_state(Arc::new(hosts), check_host))
        .into()
}

async fn identified(mut router: Router, mut request: Request) -> Response<Body> {
    let id = new_request_id();
    request.extensions_mut().insert(id.clone());
    let answer = AssertUnwindSafe(async { router.call(request).await });
    let answer = answer.catch_unwind().await;
    let mut response = answer.map_or_else(
        |_panic| internal_error(),
        |answer| answer.unwrap_or_else(|never| match never {}),
    );
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
