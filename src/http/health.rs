//! `/healthz`: the process answers. `/readyz`: it can serve, and with what.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::{Response, StatusCode};
use serde_json::json;

use super::json as answer;
use crate::gateway::Gateway;

/// The health endpoints of the admin listener.
pub fn routes(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .with_state(gateway)
}

async fn healthz() -> Response<Body> {
    answer(StatusCode::OK, r#"{"status":"ok"}"#)
}

async fn readyz(State(gateway): State<Arc<Gateway>>) -> Response<Body> {
    let (status, text) = match gateway.is_stale() {
        false => (StatusCode::OK, "ok"),
        true => (
            StatusCode::SERVICE_UNAVAILABLE,
            "stale: the database cannot be read",
        ),
    };
    let writes = match gateway.is_unwritable() {
        false => "ok",
        true => "failing: the database takes no change; see the log",
    };
    let configuration = match gateway.configuration_problem() {
        None => "ok".to_owned(),
        Some(problem) => {
            let place = problem.place.as_ref();
            let place = place.map(|place| format!(" ({place})")).unwrap_or_default();
            format!("refused{place}, the former is served; `locum status` and the log say why")
        }
    };
    let body = json!({
        "status": text,
        "writes": writes,
        "configuration": configuration,
        "revision": gateway.revision(),
        "tools": gateway.catalog().tools().count(),
    });
    answer(status, body.to_string())
}
