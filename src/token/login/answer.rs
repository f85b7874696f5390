//! What the answer to a login or a probe says.

use http::StatusCode;
use serde_json::Value;

use super::{LoginSite, LoginValues};
use crate::domain::header::{HeaderText, secrets_in};
use crate::domain::provider::LoginRequest;
use crate::domain::redact::redact;
use crate::net::{self, Answer};
use crate::token::LoginError;
use crate::token::error::Asked;

const MAX_MESSAGE: usize = 200;
/// Shorter words in a header are its scheme.
const SHORTEST_SECRET: usize = 8;

/// The body of a login that was granted.
pub(super) fn of_login(
    answer: &Answer,
    site: &LoginSite,
    (request, values): (&LoginRequest, &LoginValues<'_>),
) -> Result<Value, LoginError> {
    let by = Asked::LoginEndpoint;
    match answer.status {
        status if status.is_success() => serde_json::from_slice(&answer.body)
            .map_err(|_| LoginError::Malformed("a body that is no JSON")),
        status if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS => {
            let headers = request.headers.iter().map(|(_, value)| value);
            Err(LoginError::Refused {
                by,
                status: status.as_u16(),
                message: message(&answer.body, site, headers, values),
            })
        }
        _ => Err(later(by, answer)),
    }
}

/// Whether the key of a probe was accepted. Only 401 and 403 say that it was not: any other error may
/// be the profile's, or the moment's.
pub(super) fn of_probe(
    answer: &Answer,
    site: &LoginSite,
    values: &LoginValues<'_>,
) -> Result<(), LoginError> {
    let by = Asked::Probe;
    match answer.status {
        status if status.is_success() => Ok(()),
        status @ (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) => {
            let headers = site.provider.headers.iter().map(|rule| &rule.value);
            Err(LoginError::Refused {
                by,
                status: status.as_u16(),
                message: message(&answer.body, site, headers, values),
            })
        }
        _ => Err(later(by, answer)),
    }
}

/// Neither yes nor no.
fn later(by: Asked, answer: &Answer) -> LoginError {
    let retry_after = net::retry_after(&answer.headers);
    match answer.status {
        StatusCode::TOO_MANY_REQUESTS => LoginError::RateLimited { by, retry_after },
        status => LoginError::Unavailable {
            by,
            status: status.as_u16(),
            retry_after,
        },
    }
}

/// Upstream's own words, short and without what was sent.
fn message<'a>(
    body: &[u8],
    site: &LoginSite,
    headers: impl Iterator<Item = &'a HeaderText>,
    values: &LoginValues<'_>,
) -> String {
    let Ok(body) = serde_json::from_slice::<Value>(body) else {
        return String::new();
    };
    let pointers = &site.provider.errors.message;
    let found = pointers
        .iter()
        .find_map(|pointer| body.pointer(pointer)?.as_str());
    let Some(text) = found else {
        return String::new();
    };
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let basic = headers.filter(|value| matches!(value, HeaderText::Basic(_)));
    let sent = basic.filter_map(|value| value.render(values).ok().flatten());
    let sent = sent.flat_map(|value| secrets_in(&value, SHORTEST_SECRET));
    let secrets: Vec<_> = sent.chain(values.forms()).collect();
    let text = redact(&text, secrets.iter().map(|secret| secret.as_str()));
    format!(" ({})", text.chars().take(MAX_MESSAGE).collect::<String>())
}
