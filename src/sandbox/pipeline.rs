//! The path of one request: read it, note it, play a fault if one is asked for, authenticate,
//! answer, complete the note.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::Request;

use super::api::{self, Call};
use super::connection::Connection;
use super::endpoint::Endpoint;
use super::fault::{Scene, play};
use super::refusal::Refusal;
use super::request::Incoming;
use super::shared::Shared;
use super::{access, control, login};

/// Longer request bodies are refused.
const MAX_BODY: usize = 1024 * 1024;

/// Answers one request.
pub async fn handle(shared: Arc<Shared>, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_BODY).await else {
        return Refusal::TooLarge.answer(Endpoint::Unknown);
    };
    if control::owns(parts.uri.path()) {
        return control::answer(&shared, &parts.method, parts.uri.path(), &body);
    }
    // Absent when a test drives the router without a socket.
    let connection: Option<ConnectInfo<Connection>> = parts.extensions.get().cloned();
    let connection = connection.map(|ConnectInfo(connection)| connection);
    let incoming = Incoming::read(parts, &body);
    noted(&shared, &incoming, connection.as_ref()).await
}

/// Notes the request before and after it is answered.
async fn noted(shared: &Shared, incoming: &Incoming, connection: Option<&Connection>) -> Response {
    let (journal, now) = (&shared.journal, shared.clock.now());
    let client_id = access::presumed(incoming, &shared.tokens, now);
    let client_id = client_id.as_deref();
    let number = journal.arrived(incoming.seen(now, client_id));
    let response = respond(shared, incoming, client_id, connection).await;
    let status = response.status().as_u16();
    journal.answered(number, incoming.route.endpoint, client_id, status);
    tracing::debug!(method = %incoming.method, path = incoming.path(), status, client_id, "answered");
    response
}

async fn respond(
    shared: &Shared,
    incoming: &Incoming,
    client_id: Option<&str>,
    connection: Option<&Connection>,
) -> Response {
    let scene = Scene {
        endpoint: incoming.route.endpoint,
        client_id,
        method: incoming.method.as_str(),
        path: incoming.path(),
    };
    if let Some(fault) = shared.faults.take(&scene)
        && let Some(response) = play(&fault, scene.endpoint, connection).await
    {
        return response;
    }
    answer(shared, incoming).unwrap_or_else(|refusal| refusal.answer(incoming.route.endpoint))
}

/// The clock is read here, not on arrival, because a slow fault may have passed time.
fn answer(shared: &Shared, incoming: &Incoming) -> Result<Response, Refusal> {
    let now = shared.clock.now();
    match incoming.route.endpoint {
        Endpoint::Login => login::login(shared, incoming, now),
        Endpoint::QuickLogin => login::quick_login(shared, incoming, now),
        Endpoint::Refresh => login::refresh(shared, incoming, now),
        Endpoint::LabToken => login::lab_token(shared, incoming, now),
        Endpoint::Unknown => Err(Refusal::NotFound("There is nothing at this path")),
        _ => {
            let client_id = access::demand(incoming, shared, now)?;
            let workspace = shared
                .workspaces
                .open(&client_id, now)
                .ok_or(Refusal::Full)?;
            api::answer(&Call {
                workspace: &workspace,
                incoming,
                now,
            })
        }
    }
}
