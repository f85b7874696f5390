//! The admin API: `/admin/v1` of the admin listener, one file per endpoint (`resource/verb.rs`).
//!
//! ```text
//! request ─ authenticate (admin token → actor) ─ endpoint: look up, act, answer
//!             │                                    └ Admin's use cases check rights and record
//!             └ afterwards: the gateway takes a change over before the answer goes out
//! ```
//!
//! Refusals are problem documents (`refusal`: the one table). Secrets go in and never come out, but
//! a key or token at the moment it is issued. `openapi.json` is the contract.

mod admin_tokens;
mod answer;
mod audit;
mod authenticate;
mod body;
mod credentials;
mod keys;
mod openapi;
mod orgs;
mod page;
mod path;
mod precondition;
mod refusal;
mod rotation;
mod rotations;
mod status;
mod usage;

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};

use crate::admin::Admin;
use crate::gateway::Gateway;
use crate::http::floods::Floods;

/// What the endpoints need.
#[derive(Clone)]
pub struct AdminApi {
    /// Acts for nobody: `authenticate` says for whom.
    admin: Admin,
    gateway: Arc<Gateway>,
    floods: Arc<Floods>,
}

impl AdminApi {
    pub fn new(admin: Admin, gateway: Arc<Gateway>, floods: Floods) -> Self {
        Self {
            admin,
            gateway,
            floods: Arc::new(floods),
        }
    }
}

/// Everything below `/admin/v1`.
pub fn routes(api: AdminApi) -> Router {
    Router::new()
        .route("/orgs", get(orgs::list).post(orgs::create))
        .route(
            "/orgs/{org}",
            get(orgs::show).patch(orgs::change).delete(orgs::remove),
        )
        .route("/orgs/{org}/keys", get(keys::list_of_org))
        .route("/orgs/{org}/credentials", get(credentials::list))
        .merge(of_credential())
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}", get(keys::show).delete(keys::revoke))
        .route("/keys/{id}/roll", post(keys::roll))
        .route(
            "/admin-tokens",
            get(admin_tokens::list).post(admin_tokens::create),
        )
        .route(
            "/admin-tokens/{id}",
            get(admin_tokens::show).delete(admin_tokens::revoke),
        )
        .route("/audit", get(audit::list))
        .route("/rotation/due", get(rotation::due))
        .route("/rotation/calendar.ics", get(rotation::calendar))
        .route("/status", get(status::show))
        .route("/usage", get(usage::list))
        .fallback(refusal::no_such_path)
        .method_not_allowed_fallback(refusal::no_such_method)
        .layer(from_fn_with_state(api, authenticate::enter))
        // What everybody may read.
        .merge(openapi::routes())
}

/// A credential profile and its rotations.
fn of_credential() -> Router {
    let below = |rest: &str| format!("/orgs/{{org}}/credentials/{{env}}/{{provider}}{rest}");
    let profile = get(credentials::show)
        .put(credentials::set)
        .delete(credentials::remove);
    Router::new()
        .route(&below(""), profile)
        .route(&below("/test"), post(credentials::test))
        .route(&below("/revoke"), post(credentials::revoke))
        .route(&below("/rotations"), post(rotations::start))
        .route(&below("/rotations/{id}"), get(rotations::show))
        .route(&below("/rotations/{id}/verify"), post(rotations::verify))
        .route(&below("/rotations/{id}/promote"), post(rotations::promote))
        .route(
            &below("/rotations/{id}/rollback"),
            post(rotations::rollback),
        )
        .route(&below("/rotations/{id}/cancel"), post(rotations::cancel))
}
