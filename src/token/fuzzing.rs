//! Logins without a network, for `fuzz/`: exists with `--cfg fuzzing` only.

use jiff::Timestamp;
use url::Url;

use super::login::{self, LoginValues};
use super::{Login, LoginError, LoginOutcome, LoginSite};
use crate::domain::credential::OpenedCredential;
use crate::net::Answer;

/// What a credential would send: where, and which body.
pub fn request(
    site: &LoginSite,
    credential: &OpenedCredential,
) -> Result<(Url, Vec<u8>), LoginError> {
    let flow = login::flow(site, credential)?;
    let values = LoginValues::of(&credential.fields);
    let request = login::request(&site.base_url, &flow.request, &values, None)?;
    let body = request.body().and_then(|body| body.as_bytes());
    Ok((request.url().clone(), body.unwrap_or_default().to_vec()))
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
    login.read(site, credential, answer, &flow.response, &values)
}

/// When a token is asked for anew.
pub fn renew_at(outcome: &LoginOutcome) -> Timestamp {
    outcome.renew_at
}
