//! What can be set: once for the whole simulator, and per client id while it runs.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

/// Lives and bounds of a simulator.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Life of an access token of the OpenAPI login. Default: 1800 s.
    pub token_life: Duration,
    /// Life of an access token of `POST /api/v1/auth/token`. Default: 3600 s.
    pub quick_token_life: Duration,
    /// Life of a refresh token. Default: seven days.
    pub refresh_life: Duration,
    /// Client ids that may have a workspace or settings; the next one is answered 503.
    /// Default: 10,000.
    pub max_clients: usize,
    /// Patients, and appointments, per workspace; the next one is answered 503. Default: 5,000.
    pub max_records: usize,
    /// Token pairs that are remembered; the oldest are forgotten first. Default: 50,000.
    pub max_tokens: usize,
    /// Requests that the journal remembers; the oldest are forgotten first. Default: 10,000.
    pub journal_length: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            token_life: Duration::from_secs(1800),
            quick_token_life: Duration::from_secs(3600),
            refresh_life: Duration::from_secs(7 * 86_400),
            max_clients: 10_000,
            max_records: 5_000,
            max_tokens: 50_000,
            journal_length: 10_000,
        }
    }
}

/// What differs for one client id. Every field has a default, so `{}` restores the defaults.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientSettings {
    /// Life of its access tokens in seconds, in both login flows.
    pub token_life_s: Option<u64>,
    /// Life of its refresh tokens in seconds.
    pub refresh_life_s: Option<u64>,
    /// Sent as `expires_in` whatever the real life is; `null` leaves the field out.
    #[serde(deserialize_with = "even_null")]
    pub expires_in: Option<Value>,
    /// Access tokens are JWTs instead of opaque strings.
    pub jwt: bool,
    /// The only secrets that log in; absent: any.
    pub secrets: Option<Vec<String>>,
}

impl ClientSettings {
    /// What may be shown of these settings: everything but the secrets.
    pub fn shown(&self) -> Value {
        json!({
            "token_life_s": self.token_life_s,
            "refresh_life_s": self.refresh_life_s,
            "expires_in": self.expires_in,
            "jwt": self.jwt,
            "pinned_secrets": self.secrets.as_ref().map(Vec::len),
        })
    }
}

impl fmt::Debug for ClientSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientSettings({})", self.shown())
    }
}

/// Tells `"expires_in": null` from an absent key, which serde's `Option` does not.
fn even_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// The settings of all client ids.
#[derive(Debug)]
pub struct Clients {
    by_id: RwLock<HashMap<String, Arc<ClientSettings>>>,
    max: usize,
}

impl Clients {
    pub fn new(max: usize) -> Self {
        Self {
            by_id: RwLock::default(),
            max,
        }
    }

    /// The settings of one client id: the defaults unless some were set.
    pub fn get(&self, client_id: &str) -> Arc<ClientSettings> {
        let by_id = self.by_id.read().unwrap_or_else(PoisonError::into_inner);
        by_id.get(client_id).cloned().unwrap_or_default()
    }

    /// Replaces the settings of one client id; `false` when there are too many.
    pub fn set(&self, client_id: &str, settings: ClientSettings) -> bool {
        let mut by_id = self.by_id.write().unwrap_or_else(PoisonError::into_inner);
        if by_id.len() >= self.max && !by_id.contains_key(client_id) {
            return false;
        }
        by_id.insert(client_id.to_owned(), Arc::new(settings));
        true
    }

    pub fn clear(&self) {
        self.by_id
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}
