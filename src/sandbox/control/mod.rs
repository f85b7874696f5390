//! The control API under `/_sandbox`: the same powers over HTTP that `Sandbox` has in code.

mod describe;

use axum::response::Response;
use http::{Method, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::answer;
use super::endpoint::decoded;
use super::fault::FaultRule;
use super::settings::ClientSettings;
use super::shared::Shared;

const ROOT: &str = "/_sandbox";

/// Why a control request is refused.
#[derive(Debug, thiserror::Error)]
enum ControlError {
    #[error("{0}")]
    BadInput(String),
    #[error("GET /_sandbox lists what there is")]
    NotFound,
    #[error("Too many; DELETE some or POST /_sandbox/reset")]
    Full,
}

impl ControlError {
    fn answer(&self) -> Response {
        let (status, code) = match self {
            Self::BadInput(_) => (StatusCode::BAD_REQUEST, "BAD_INPUT"),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::Full => (StatusCode::SERVICE_UNAVAILABLE, "FULL"),
        };
        answer::json(
            status,
            &json!({"error": {"code": code, "message": self.to_string()}}),
        )
    }
}

/// Whether a path belongs to the control API.
pub fn owns(path: &str) -> bool {
    path.strip_prefix(ROOT)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Answers one control request.
pub fn answer(shared: &Shared, method: &Method, path: &str, body: &[u8]) -> Response {
    let rest = path
        .strip_prefix(ROOT)
        .unwrap_or_default()
        .trim_matches('/');
    let segments: Vec<&str> = rest.split('/').collect();
    let result = match (method.as_str(), segments.as_slice()) {
        ("GET", [""]) => Ok(answer::ok(&describe::description())),
        ("GET", ["faults"]) => Ok(list_faults(shared)),
        ("POST", ["faults"]) => add_fault(shared, body),
        ("DELETE", ["faults"]) => Ok(done(|| shared.faults.clear())),
        ("POST", ["revoke"]) => revoke(shared, body),
        ("PUT", ["clients", client_id]) => set_client(shared, client_id, body),
        ("GET", ["stats"]) => Ok(answer::ok(&shared.journal.stats())),
        ("GET", ["requests"]) => Ok(answer::ok(&json!({"requests": shared.journal.requests()}))),
        ("DELETE", ["requests"]) => Ok(done(|| shared.journal.clear_requests())),
        ("POST", ["reset"]) => Ok(done(|| shared.reset())),
        _ => Err(ControlError::NotFound),
    };
    result.unwrap_or_else(|error| error.answer())
}

fn list_faults(shared: &Shared) -> Response {
    let rules: Vec<Value> = shared.faults.list().iter().map(FaultRule::shown).collect();
    answer::ok(&json!({"faults": rules}))
}

fn add_fault(shared: &Shared, body: &[u8]) -> Result<Response, ControlError> {
    let fields: Map<String, Value> = parsed(body)?;
    let rule = FaultRule::parse(fields).map_err(ControlError::BadInput)?;
    let shown = rule.shown();
    if !shared.faults.add(rule) {
        return Err(ControlError::Full);
    }
    Ok(answer::json(StatusCode::CREATED, &shown))
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Revocation {
    client_id: Option<String>,
    /// Refresh tokens go on counting.
    access_only: bool,
}

fn revoke(shared: &Shared, body: &[u8]) -> Result<Response, ControlError> {
    let wish: Revocation = if body.is_empty() {
        Revocation::default()
    } else {
        parsed(body)?
    };
    let client_id = wish.client_id.as_deref();
    if wish.access_only {
        shared.tokens.expire_access(client_id);
    } else {
        shared.tokens.revoke(client_id);
    }
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

fn set_client(shared: &Shared, client_id: &str, body: &[u8]) -> Result<Response, ControlError> {
    let settings: ClientSettings = parsed(body)?;
    let client_id = decoded(client_id);
    let shown = settings.shown();
    if !shared.clients.set(&client_id, settings) {
        return Err(ControlError::Full);
    }
    Ok(answer::ok(&shown))
}

/// Reads a JSON body; serde's message names the field, whether unknown, missing or mistyped.
fn parsed<T: DeserializeOwned>(body: &[u8]) -> Result<T, ControlError> {
    serde_json::from_slice(body).map_err(|error| ControlError::BadInput(error.to_string()))
}

fn done(act: impl FnOnce()) -> Response {
    act();
    answer::empty(StatusCode::NO_CONTENT)
}
