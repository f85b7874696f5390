//! Logins without a network, for `fuzz/`: exists with `--cfg fuzzing` only.

use http::HeaderValue;
use http::header::CONTENT_TYPE;
use jiff::Timestamp;
use url::Url;

use super::login::{self, LoginValues, request};
use super::{Login, LoginError, LoginOutcome, LoginSite};
use crate::domain::credential::OpenedCredential;
use crate::domain::provider::Way;
use crate::net::Answer;

/// What a credential would send: where, of which type, and which body.
pub fn request(
    login: &Login,
    site: &LoginSite,
    credential: &OpenedCredential,
) -> Result<(Url, Option<HeaderValue>, Vec<u8>), LoginError> {
    let (flow, base) = (login::flow(site, credential)?, &site.base_url);
    let request = match &flow.way {
        Way::Login(login) => {
            let values = LoginValues::of(&credential.fields);
            request::login(base, &login.first.request, &values, None)?
        }
        Way::Key { probe } => {
            let probe = probe.as_ref();
            let probe = probe.ok_or_else(|| LoginError::NothingToTry(flow.name.clone()))?;
            request::probe(base, probe, &login.carried(site, credential, None)?, None)
        }
    };
    let body = request.body().and_then(|body| body.as_bytes());
    let kind = request.headers().get(CONTENT_TYPE).cloned();
    Ok((
        request.url().clone(),
        kind,
        body.unwrap_or_default().to_vec(),
    ))
}

/// What an endpoint's answer comes to.
pub fn read(
    login: &Login,
    site: &LoginSite,
    credential: &OpenedCredential,
    answer: &Answer,
) -> Result<LoginOutcome, LoginError> {
    let flow = login::flow(site, credential)?;
    let values = LoginValues::of(&credential.fields);
    match &flow.way {
        Way::Login(token) => login.read(site, credential, answer, &token.first, &values),
        Way::Key { .. } => Err(LoginError::NothingToTry(flow.name.clone())),
    }
}

/// When a token is asked for anew.
pub fn renew_at(outcome: &LoginOutcome) -> Timestamp {
    outcome.more.renew_at
}
