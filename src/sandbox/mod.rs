//! The sandbox: a simulator of an Eka.care-shaped upstream API, and beside it of a small laboratory
//! that logs in as most APIs do. It knows nothing of the gateway.
//!
//! It exists so that the gateway can be shown, tested and measured without the real upstream: it
//! demands what the upstream's OpenAPI files demand, answers in their shapes, and misbehaves when
//! told to. All data is synthetic.
//!
//! The path of a request (`pipeline`):
//! 1. `request` reads it; `endpoint` finds the route; paths under `/_sandbox` go to `control`;
//! 2. `journal` notes it, so that tests can assert exactly what reached the upstream;
//! 3. `fault` strikes, when a rule fits, instead of the answer or before it;
//! 4. `login` hands out `tokens`, or `access` checks the token and finds the client id;
//! 5. `workspace` opens that client id's records, generating them at first use;
//! 6. `api` answers; `refusal` turns what is refused into the endpoint's own error shape.
//!
//! Identifiers are the same in every workspace while everything else differs and names the client
//! id it belongs to: a gateway that mixes up two tenants is found out by one glance at an answer.
//!
//! Deliberately absent: persistence, TLS, and of ABHA all but the login and the card.

mod access;
mod answer;
mod api;
mod connection;
mod control;
mod endpoint;
mod fault;
mod ist;
mod journal;
mod login;
mod pipeline;
mod query;
mod refusal;
mod request;
mod settings;
mod shared;
mod tokens;
mod workspace;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::domain::clock::SharedClock;

use connection::{Breakable, Connection};
use shared::Shared;

pub use endpoint::Endpoint;
pub use fault::{Fault, FaultRule};
pub use journal::{ClientStats, SeenRequest, Stats};
pub use settings::{ClientSettings, Settings};

/// How long a stopping server waits for requests in flight; hanging ones never end by themselves.
const GRACE: Duration = Duration::from_secs(1);

/// A simulated upstream. Clones share one state.
#[derive(Clone)]
pub struct Sandbox {
    shared: Arc<Shared>,
}

impl Sandbox {
    pub fn new(settings: Settings, clock: SharedClock) -> Self {
        Self {
            shared: Arc::new(Shared::new(settings, clock)),
        }
    }

    /// The whole upstream, control API included.
    pub fn router(&self) -> Router {
        let shared = Arc::clone(&self.shared);
        Router::new().fallback(move |request: Request| pipeline::handle(shared, request))
    }

    /// Adds a fault rule; `false` when there are a thousand already.
    pub fn add_fault(&self, rule: FaultRule) -> bool {
        self.shared.faults.add(rule)
    }

    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// Ends the access and refresh tokens of one client id, or of all.
    pub fn revoke_tokens(&self, client_id: Option<&str>) {
        self.shared.tokens.revoke(client_id);
    }

    /// Ends the access tokens of one client id, or of all; a refresh still succeeds.
    pub fn expire_access_tokens(&self, client_id: Option<&str>) {
        self.shared.tokens.expire_access(client_id);
    }

    /// Replaces the settings of one client id; `false` when there are too many client ids.
    pub fn set_client(&self, client_id: &str, settings: ClientSettings) -> bool {
        self.shared.clients.set(client_id, settings)
    }

    /// Lets only these secrets log in, and leaves the client's other settings as they are;
    /// `false` when there are too many client ids.
    pub fn pin_secrets(&self, client_id: &str, secrets: Vec<String>) -> bool {
        let mut settings = (*self.shared.clients.get(client_id)).clone();
        settings.secrets = Some(secrets);
        self.set_client(client_id, settings)
    }

    pub fn stats(&self) -> Stats {
        self.shared.journal.stats()
    }

    /// The remembered requests, oldest first.
    pub fn requests(&self) -> Vec<SeenRequest> {
        self.shared.journal.requests()
    }

    pub fn clear_requests(&self) {
        self.shared.journal.clear_requests();
    }

    /// Forgets everything: tokens, workspaces, faults, client settings, requests and counters.
    pub fn reset(&self) {
        self.shared.reset();
    }
}

/// Serves until `stop`, then gives the requests in flight a second.
pub async fn serve(
    listener: TcpListener,
    sandbox: Sandbox,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let service = sandbox
        .router()
        .into_make_service_with_connect_info::<Connection>();
    let (stopping, mut stopped) = watch::channel(());
    let stop = async move {
        stop.await;
        drop(stopping);
    };
    let server = axum::serve(Breakable(listener), service).with_graceful_shutdown(stop);
    tokio::select! {
        result = server.into_future() => result,
        () = async {
            // The sender never sends; the wait ends when it is dropped.
            while stopped.changed().await.is_ok() {}
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}
