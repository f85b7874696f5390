//! The login flows and the refresh.
//!
//! Any client id and secret is accepted, except a secret that starts with `wrong`, and except
//! secrets that differ from those pinned for the client id.

use std::time::Duration;

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::answer;
use super::refusal::Refusal;
use super::request::{self, Incoming};
use super::settings::ClientSettings;
use super::shared::Shared;
use super::tokens::{Pair, Terms};

/// `POST /connect-auth/v1/account/login`.
pub fn login(shared: &Shared, incoming: &Incoming, now: Timestamp) -> Result<Response, Refusal> {
    let body = incoming.object()?;
    let client_id = request::text(body, "client_id")?;
    let secret = request::text(body, "client_secret")?;
    let sharing_key = request::optional_text(body, "sharing_key")?;
    let settings = shared.clients.get(client_id);
    check_secret(&settings, secret)?;
    if sharing_key.is_some_and(is_wrong) {
        return Err(Refusal::Unauthorized("The sharing key is invalid"));
    }
    let terms = terms(shared, &settings, shared.settings.token_life);
    let pair = shared.tokens.issue(client_id, terms, now);
    Ok(answer::ok(&granted(pair, terms, &settings)))
}

/// `POST /connect-auth/v1/account/refresh-token`, version 2: the headers name the client, too.
pub fn refresh(shared: &Shared, incoming: &Incoming, now: Timestamp) -> Result<Response, Refusal> {
    let body = incoming.object()?;
    let token = request::text(body, "refresh_token")?;
    request::optional_text(body, "access_token")?;
    let client_id = incoming
        .header("client-id")
        .filter(|id| !id.is_empty())
        .ok_or_else(|| Refusal::field("Client-Id", "header is required"))?;
    let access = incoming
        .bearer()
        .ok_or(Refusal::Unauthorized("Authorization: Bearer is missing"))?;
    let owner = shared.tokens.owner(access, now);
    if owner.is_none_or(|owner| &*owner.client_id != client_id) {
        return Err(Refusal::Unauthorized(
            "The access token is not one of this client",
        ));
    }
    if !shared.tokens.redeem(token, client_id, now) {
        return Err(Refusal::Unauthorized("The refresh token is invalid"));
    }
    let settings = shared.clients.get(client_id);
    let terms = terms(shared, &settings, shared.settings.token_life);
    let pair = shared.tokens.issue(client_id, terms, now);
    Ok(answer::ok(&granted(pair, terms, &settings)))
}

/// `POST /api/v1/auth/token`, the flow of the documented quick test.
pub fn quick_login(
    shared: &Shared,
    incoming: &Incoming,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let api_key = incoming
        .header("x-api-key")
        .filter(|key| !key.is_empty())
        .ok_or_else(|| Refusal::field("X-API-KEY", "header is required"))?;
    let body = incoming.object()?;
    let client_id = request::text(body, "client_id")?;
    let secret = request::text(body, "client_secret")?;
    if request::text(body, "grant_type")? != "client_credentials" {
        return Err(Refusal::field("grant_type", "must be client_credentials"));
    }
    let settings = shared.clients.get(client_id);
    check_secret(&settings, secret)?;
    if is_wrong(api_key) {
        return Err(Refusal::Unauthorized("The API key is invalid"));
    }
    let terms = terms(shared, &settings, shared.settings.quick_token_life);
    let pair = shared.tokens.issue(client_id, terms, now);
    Ok(answer::ok(&bearer(pair, terms, &settings)))
}

/// `POST /lab/oauth/token`: OAuth 2.0 client credentials (RFC 6749, section 4.4), the client in HTTP
/// Basic (section 2.3.1) or in the form.
pub fn lab_token(
    shared: &Shared,
    incoming: &Incoming,
    now: Timestamp,
) -> Result<Response, Refusal> {
    let kind = incoming.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(Refusal::field("body", "must be a form"));
    }
    let body = incoming.object()?;
    if request::text(body, "grant_type")? != "client_credentials" {
        return Err(Refusal::field("grant_type", "must be client_credentials"));
    }
    let (client_id, secret) = match incoming.basic() {
        Some((user, password)) => (form_decoded(user), form_decoded(password)),
        None => (
            request::text(body, "client_id")?.to_owned(),
            request::text(body, "client_secret")?.to_owned(),
        ),
    };
    let settings = shared.clients.get(&client_id);
    check_secret(&settings, &secret)?;
    let terms = terms(shared, &settings, shared.settings.token_life);
    let pair = shared.tokens.issue(&client_id, terms, now);
    // A refresh token has no place in this flow (section 4.4.3).
    Ok(answer::ok(&bearer(pair, terms, &settings)))
}

fn form_decoded(text: &str) -> String {
    let pair = form_urlencoded::parse(text.as_bytes()).next();
    pair.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

pub fn check_secret(settings: &ClientSettings, secret: &str) -> Result<(), Refusal> {
    let is_pinned = |pinned: &Vec<String>| pinned.iter().any(|one| one == secret);
    if is_wrong(secret) || !settings.secrets.as_ref().is_none_or(is_pinned) {
        return Err(Refusal::Unauthorized(
            "The client id or the secret is invalid",
        ));
    }
    Ok(())
}

fn is_wrong(secret: &str) -> bool {
    secret.starts_with("wrong")
}

fn terms(shared: &Shared, settings: &ClientSettings, access_life: Duration) -> Terms {
    let refresh_life = shared.settings.refresh_life;
    Terms {
        access_life: settings
            .token_life_s
            .map_or(access_life, Duration::from_secs),
        refresh_life: settings
            .refresh_life_s
            .map_or(refresh_life, Duration::from_secs),
        jwt: settings.jwt,
    }
}

/// Without a refresh token.
fn bearer(pair: Pair, terms: Terms, settings: &ClientSettings) -> Value {
    let mut answer = json!({"access_token": pair.access, "token_type": "Bearer"});
    if let (Some(expires_in), Some(answer)) = (expires_in(terms, settings), answer.as_object_mut())
    {
        answer.insert("expires_in".to_owned(), expires_in);
    }
    answer
}

fn granted(pair: Pair, terms: Terms, settings: &ClientSettings) -> Value {
    let mut answer = Map::new();
    answer.insert("access_token".to_owned(), Value::from(pair.access));
    if let Some(expires_in) = expires_in(terms, settings) {
        answer.insert("expires_in".to_owned(), expires_in);
    }
    answer.insert("refresh_token".to_owned(), Value::from(pair.refresh));
    answer.insert(
        "refresh_expires_in".to_owned(),
        Value::from(terms.refresh_life.as_secs()),
    );
    Value::Object(answer)
}

/// The truth, unless the settings say otherwise; a `null` there leaves the field out.
fn expires_in(terms: Terms, settings: &ClientSettings) -> Option<Value> {
    match &settings.expires_in {
        None => Some(Value::from(terms.access_life.as_secs())),
        Some(Value::Null) => None,
        Some(odd) => Some(odd.clone()),
    }
}
