//! The routes of both listeners, and what every request passes on its way there.

use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use futures_util::FutureExt as _;
use http::{Method, Response, StatusCode};
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

/// A listener's routes, and what is around them, from the outside in: CORS, an id, a net under panics. Sizes and times are limited where the body is read.
///
/// Layers of the router would be the same, and each would be cloned for every request with all that are
/// within it.
#[derive(Clone)]
pub struct Routes {
    router: Router,
    cors: Option<Arc<Cors>>,
}

impl Routes {
    /// The answer to a request. The future is as large as that of the route and hardly larger, which it
    /// would not be as an `async` block.
    pub(super) fn answer(
        &self,
        mut request: Request,
    ) -> impl Future<Output = Response<Body>> + Send + use<> {
        let cors = self.cors.as_deref();
        let page = cors.and_then(|cors| cors.page(&request));
        let asked = cors.zip(page.as_ref());
        let preflight = asked.and_then(|(cors, page)| cors.preflight(page, &request));
        let id = new_request_id();
        request.extensions_mut().insert(id.clone());
        let answer = match preflight {
            Some(allowance) => ready(allowance).left_future(),
            None => routed(self.router.clone(), request).right_future(),
        };
        answer.map(move |mut response| {
            id.sign(response.headers_mut());
            // Refusals, too.
            if let Some(page) = page {
                page.let_read(&mut response);
            }
            response
        })
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

/// The answer of the router, or of the net under its panics.
fn routed(
    mut router: Router,
    request: Request,
) -> impl Future<Output = Response<Body>> + Send + use<> {
    // The router sees to it that these have no body.
    let head = request.method() == Method::HEAD;
    let failure = move || match head {
        true => internal_error().map(|_| Body::empty()),
        false => internal_error(),
    };
    let called = catch_unwind(AssertUnwindSafe(|| router.call(request)));
    let Ok(answer) = called else {
        return ready(failure()).left_future();
    };
    let answer = AssertUnwindSafe(answer).catch_unwind();
    let answer = answer.map(move |answer| match answer {
        Ok(answer) => answer.unwrap_or_else(|never| match never {}),
        Err(_) => failure(),
    });
    answer.right_future()
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
