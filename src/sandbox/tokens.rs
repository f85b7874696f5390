//! Access and refresh tokens: who they belong to and until when they count.
//!
//! Both are random. An access token is remembered beyond its expiry, as long as its refresh token
//! counts, because a refresh presents the expired one. Memory is bounded: the oldest pairs are
//! forgotten first.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

/// How long a new pair of tokens counts and what it looks like.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    pub access_life: Duration,
    pub refresh_life: Duration,
    pub jwt: bool,
}

/// A new pair of tokens.
#[derive(Clone)]
pub struct Pair {
    pub access: String,
    pub refresh: String,
}

/// What is known of a presented access token.
pub struct Owner {
    pub client_id: Arc<str>,
    /// Neither expired nor revoked.
    pub live: bool,
}

struct Grant {
    client_id: Arc<str>,
    expires: Timestamp,
}

#[derive(Default)]
struct Kept {
    access: HashMap<String, Grant>,
    refresh: HashMap<String, Grant>,
    /// Pairs in the order of issue, with the time from which neither token counts.
    order: VecDeque<(Timestamp, Pair)>,
}

/// All tokens of the simulator.
pub struct Tokens {
    kept: RwLock<Kept>,
    max: usize,
}

impl Tokens {
    pub fn new(max: usize) -> Self {
        Self {
            kept: RwLock::default(),
            max,
        }
    }

    pub fn issue(&self, client_id: &str, terms: Terms, now: Timestamp) -> Pair {
        let client_id: Arc<str> = Arc::from(client_id);
        let grant = |life| Grant {
            client_id: Arc::clone(&client_id),
            expires: after(now, life),
        };
        let (access_grant, refresh_grant) = (grant(terms.access_life), grant(terms.refresh_life));
        let access = match terms.jwt {
            true => jwt(&client_id, now, access_grant.expires),
            false => opaque("at"),
        };
        let pair = Pair {
            access,
            refresh: opaque("rt"),
        };
        let until = access_grant.expires.max(refresh_grant.expires);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.forget(now, self.max);
        kept.access.insert(pair.access.clone(), access_grant);
        kept.refresh.insert(pair.refresh.clone(), refresh_grant);
        kept.order.push_back((until, pair.clone()));
        pair
    }

    /// Whose access token this is; `None` for one that was never issued or is forgotten.
    pub fn owner(&self, access: &str, now: Timestamp) -> Option<Owner> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let grant = kept.access.get(access)?;
        Some(Owner {
            client_id: Arc::clone(&grant.client_id),
            live: now < grant.expires,
        })
    }

    /// Uses up a refresh token of `client_id`; `false` when it does not count (any more).
    pub fn redeem(&self, refresh: &str, client_id: &str, now: Timestamp) -> bool {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        let good = kept
            .refresh
            .get(refresh)
            .is_some_and(|grant| &*grant.client_id == client_id && now < grant.expires);
        good && kept.refresh.remove(refresh).is_some()
    }

    /// Ends the access tokens of one client id, or of all; refresh tokens go on counting.
    pub fn expire_access(&self, client_id: Option<&str>) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        for grant in kept
            .access
            .values_mut()
            .filter(|grant| is_of(grant, client_id))
        {
            grant.expires = Timestamp::MIN;
        }
    }

    /// Ends the access and refresh tokens of one client id, or of all.
    pub fn revoke(&self, client_id: Option<&str>) {
        self.expire_access(client_id);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        kept.refresh.retain(|_, grant| !is_of(grant, client_id));
    }

    pub fn clear(&self) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Kept::default();
    }
}

impl Kept {
    /// Makes room for one more pair: drops what no longer counts, then what is oldest.
    fn forget(&mut self, now: Timestamp, max: usize) {
        while let Some((until, _)) = self.order.front() {
            if *until > now && self.order.len() < max {
                return;
            }
            if let Some((_, pair)) = self.order.pop_front() {
                self.access.remove(&pair.access);
                self.refresh.remove(&pair.refresh);
            }
        }
    }
}

fn is_of(grant: &Grant, client_id: Option<&str>) -> bool {
    client_id.is_none_or(|id| id == &*grant.client_id)
}

fn after(now: Timestamp, life: Duration) -> Timestamp {
    let life = SignedDuration::try_from(life).unwrap_or(SignedDuration::MAX);
    now.checked_add(life).unwrap_or(Timestamp::MAX)
}

fn opaque(kind: &str) -> String {
    format!(
        "sandbox_{kind}_{}{}",
        Uuid::new_v4().simple(),
        Uuid::new_v4().simple()
    )
}

/// Looks like a signed JWT; the signature is noise, since a client has no key to check it with.
fn jwt(client_id: &str, now: Timestamp, expires: Timestamp) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let header = part(&json!({"alg": "HS256", "typ": "JWT"}));
    let claims = part(&json!({
        "iss": "sandbox",
        "client-id": client_id,
        "iat": now.as_second(),
        "exp": expires.as_second(),
        "jti": Uuid::new_v4(),
    }));
    let signature = URL_SAFE_NO_PAD.encode(Uuid::new_v4().into_bytes());
    format!("{header}.{claims}.{signature}")
}
