//! Who a request acts for: the headers that the OpenAPI files demand, endpoint by endpoint.
//!
//! `/profiles/*` takes `Authorization: Bearer` and `client-id`, `/abdm/*` the former; `/dr/*` takes `auth`, except the
//! appointment list, whose file names `Authorization`. A request may carry both token headers, as
//! long as they carry the same token, and any `client-id` must be the token's own. `/lab/*` takes
//! `Authorization: Bearer`, or with every request a client id and its secret: HTTP Basic, or
//! `X-Api-Key: ID.SECRET`.

use std::sync::Arc;

use jiff::Timestamp;

use super::endpoint::Endpoint;
use super::login;
use super::refusal::Refusal;
use super::request::Incoming;
use super::shared::Shared;
use super::tokens::Tokens;

/// The client id that a request acts for, once its token has been checked.
pub fn demand(incoming: &Incoming, shared: &Shared, now: Timestamp) -> Result<Arc<str>, Refusal> {
    let tokens = &shared.tokens;
    if incoming.route.endpoint.is_lab() {
        return match incoming.bearer() {
            Some(token) => live(token, tokens, now),
            None => with_secret(incoming, shared),
        };
    }
    let (bearer, auth) = (incoming.bearer(), incoming.header("auth"));
    let (demanded, missing) = match incoming.route.endpoint {
        endpoint
            if endpoint.is_profile()
                || endpoint.is_abha()
                || endpoint == Endpoint::AppointmentList =>
        {
            (bearer, "Authorization: Bearer is missing")
        }
        _ => (auth, "The auth header is missing"),
    };
    let token = demanded.ok_or(Refusal::Unauthorized(missing))?;
    if [bearer, auth]
        .into_iter()
        .flatten()
        .any(|other| other != token)
    {
        return Err(Refusal::Unauthorized("Authorization and auth differ"));
    }
    let client_id = live(token, tokens, now)?;
    match incoming.header("client-id") {
        Some(id) if id != &*client_id => Err(Refusal::Forbidden),
        None if incoming.route.endpoint.is_profile() => {
            Err(Refusal::field("client-id", "header is required"))
        }
        _ => Ok(client_id),
    }
}

/// The client id of a token that counts.
fn live(token: &str, tokens: &Tokens, now: Timestamp) -> Result<Arc<str>, Refusal> {
    let owner = tokens
        .owner(token, now)
        .ok_or(Refusal::Unauthorized("The token is unknown"))?;
    match owner.live {
        true => Ok(owner.client_id),
        false => Err(Refusal::Unauthorized("The token has expired")),
    }
}

fn with_secret(incoming: &Incoming, shared: &Shared) -> Result<Arc<str>, Refusal> {
    let pair = incoming.basic().or_else(|| incoming.api_key());
    let missing = Refusal::Unauthorized("A token, or a client id with its secret, is missing");
    let (client_id, secret) = pair.ok_or(missing)?;
    login::check_secret(&shared.clients.get(client_id), secret)?;
    Ok(Arc::from(client_id))
}

/// The client id to file a request under before anything is checked.
pub fn presumed(incoming: &Incoming, tokens: &Tokens, now: Timestamp) -> Option<String> {
    if incoming.route.endpoint.is_login() {
        return incoming.claimed_client().map(str::to_owned);
    }
    let token = incoming.bearer().or_else(|| incoming.header("auth"));
    let owner = token.and_then(|token| tokens.owner(token, now));
    match owner {
        Some(owner) => Some(owner.client_id.to_string()),
        None => incoming.claimed_client().map(str::to_owned),
    }
}
