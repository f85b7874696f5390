//! Login flows: one request, one answer, one token. Knows nothing of caches.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;
use zeroize::Zeroizing;

use super::error::LoginError;
use super::kept::KeptToken;
use super::life;
use crate::domain::bearer::{AppliedHeader, TokenHeaders};
use crate::domain::clock::SharedClock;
use crate::domain::credential::{OpenedCredential, SecretFields};
use crate::domain::origin::Origin;
use crate::domain::provider::{LoginFlow, LoginRequest, LoginResponse, Provider};
use crate::domain::redact::redact;
use crate::domain::template::Values;
use crate::net::{self, Answer, Net};

/// Login answers are small; more than this is none.
const MAX_ANSWER: usize = 64 * 1024;
const MAX_MESSAGE: usize = 200;
/// A clock that is corrected by less than this was not set back.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// Where a tenant logs in.
pub struct LoginSite {
    pub provider: Arc<Provider>,
    pub base_url: Arc<Url>,
}

/// A token, and the headers that carry it upstream. No `Debug`: it holds secrets.
pub struct LoginOutcome {
    pub headers: Arc<TokenHeaders>,
    /// As its profile was when it logged in.
    provider: Arc<Provider>,
    obtained_at: Timestamp,
    pub expires_at: Timestamp,
    pub(super) renew_at: Timestamp,
    refresh: Option<Box<Refresh>>,
}

/// What the next token can be had for, without a login.
struct Refresh {
    access_token: KeptToken,
    refresh_token: SecretString,
    end: Option<Timestamp>,
}

impl LoginOutcome {
    pub(super) fn generation(&self) -> u64 {
        self.headers.generation
    }

    /// Whether it was made by the profile that holds now.
    pub(super) fn is_of(&self, site: &LoginSite) -> bool {
        Arc::ptr_eq(&self.provider, &site.provider)
    }

    /// Whether it is time for the next one: its margin has begun, or it comes from the future,
    /// so that our clock says nothing about its end any more.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        now >= self.renew_at || self.obtained_at.duration_since(now) > SKEW
    }
}

/// Runs login flows.
pub struct Login {
    net: Net,
    clock: SharedClock,
    generations: AtomicU64,
}

/// What templates of a login may name.
pub(super) struct LoginValues<'a> {
    fields: &'a SecretFields,
    access_token: Option<&'a SecretString>,
    refresh_token: Option<&'a SecretString>,
}

impl<'a> LoginValues<'a> {
    /// Of a login that has no token yet.
    pub(super) fn of(fields: &'a SecretFields) -> Self {
        Self {
            fields,
            access_token: None,
            refresh_token: None,
        }
    }

    fn secret(&self, name: &str) -> Option<&str> {
        let secret = match name {
            "access_token" => self.access_token,
            "refresh_token" => self.refresh_token,
            field => self.fields.get(field),
        };
        secret.map(ExposeSecret::expose_secret)
    }
}

impl Values for LoginValues<'_> {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        self.secret(name).map(Cow::Borrowed)
    }

    fn write_json(&self, name: &str, out: &mut Vec<u8>) -> bool {
        self.secret(name)
            .is_some_and(|text| serde_json::to_writer(out, text).is_ok())
    }
}

impl Login {
    pub fn new(net: Net, clock: SharedClock) -> Self {
        Self {
            net,
            clock,
            generations: AtomicU64::new(1),
        }
    }

    /// Logs in with an opened credential, for the request `origin` where one causes it.
    pub async fn log_in(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        origin: Option<&Origin>,
    ) -> Result<LoginOutcome, LoginError> {
        let flow = flow(site, credential)?;
        check_fields(site, flow, &credential.fields)?;
        let values = LoginValues::of(&credential.fields);
        let request = request(&site.base_url, &flow.request, &values, origin)?;
        self.run(site, credential, request, &flow.response, &values)
            .await
    }

    /// Refreshes a token; `None` when the flow or the token has no way to.
    pub async fn refresh(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        previous: &LoginOutcome,
        origin: &Origin,
    ) -> Option<Result<LoginOutcome, LoginError>> {
        let (template, response) = flow(site, credential).ok()?.refresh.as_ref()?;
        let refresh = previous.refresh.as_ref()?;
        if refresh.end.is_some_and(|end| end <= self.clock.now()) {
            return None;
        }
        let access_token = refresh.access_token.token(&previous.headers.headers);
        let values = LoginValues {
            fields: &credential.fields,
            access_token: access_token.as_ref(),
            refresh_token: Some(&refresh.refresh_token),
        };
        let request = match request(&site.base_url, template, &values, Some(origin)) {
            Ok(request) => request,
            Err(error) => return Some(Err(error)),
        };
        Some(self.run(site, credential, request, response, &values).await)
    }

    async fn run(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        request: reqwest::Request,
        shape: &LoginResponse,
        values: &LoginValues<'_>,
    ) -> Result<LoginOutcome, LoginError> {
        let answer = self.net.send(request, MAX_ANSWER).await;
        let answer = answer.map_err(LoginError::Unreachable)?;
        self.read(site, credential, &answer, shape, values)
    }

    /// What the endpoint's answer comes to.
    pub(super) fn read(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        answer: &Answer,
        shape: &LoginResponse,
        values: &LoginValues<'_>,
    ) -> Result<LoginOutcome, LoginError> {
        let now = self.clock.now();
        let body = body_of(answer, site, values)?;
        let text = |pointer: &str| body.pointer(pointer).and_then(Value::as_str);
        let access_token = text(&shape.access_token)
            .filter(|token| !token.is_empty())
            .map(SecretString::from)
            .ok_or(LoginError::Malformed("no access token"))?;
        let stated = shape
            .expires_in
            .as_deref()
            .and_then(|pointer| body.pointer(pointer));
        let life = life::of(stated, access_token.expose_secret(), now);
        let headers = TokenHeaders {
            tenant: credential.key.tenant.clone(),
            version: credential.id,
            generation: self.generations.fetch_add(1, Ordering::Relaxed),
            headers: headers(&site.provider, values.fields, &access_token)?,
        };
        let access_token = KeptToken::new(access_token, &headers.headers);
        Ok(LoginOutcome {
            headers: Arc::new(headers),
            provider: site.provider.clone(),
            obtained_at: now,
            expires_at: life.expires_at,
            renew_at: life.renew_at,
            refresh: refresh(&body, shape, access_token, now),
        })
    }
}

pub(super) fn flow<'a>(
    site: &'a LoginSite,
    credential: &OpenedCredential,
) -> Result<&'a LoginFlow, LoginError> {
    let name = credential.flow.as_deref();
    site.provider
        .login
        .flow(name)
        .map(AsRef::as_ref)
        .ok_or_else(|| {
            LoginError::UnknownFlow(name.unwrap_or(&site.provider.login.default).to_owned())
        })
}

fn check_fields(
    site: &LoginSite,
    flow: &LoginFlow,
    fields: &SecretFields,
) -> Result<(), LoginError> {
    let shape = &site.provider.credential.fields;
    let required = shape
        .iter()
        .filter(|(_, field)| field.required)
        .map(|(name, _)| name);
    match required
        .chain(&flow.requires)
        .find(|name| !fields.contains_key(*name))
    {
        None => Ok(()),
        Some(field) => Err(LoginError::MissingField {
            field: field.clone(),
            flow: flow.name.clone(),
        }),
    }
}

pub(super) fn request(
    base_url: &Url,
    template: &LoginRequest,
    values: &LoginValues<'_>,
    origin: Option<&Origin>,
) -> Result<reqwest::Request, LoginError> {
    let mut url = base_url.clone();
    url.set_path(&format!(
        "{}{}",
        base_url.path().trim_end_matches('/'),
        template.path
    ));
    let mut request = reqwest::Request::new(template.method.clone(), url);
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in &template.headers {
        if let Some(text) = value.render(values).map(Zeroizing::new) {
            headers.insert(
                name.clone(),
                sensitive(Bytes::copy_from_slice(text.as_bytes()))?,
            );
        }
    }
    if let Some(origin) = origin {
        origin.id().sign(headers);
    }
    let mut body = Vec::with_capacity(512);
    template.json.render(values, &mut body);
    // The buffer travels into the HTTP client, where nobody can wipe it; it lives for one request.
    *request.body_mut() = Some(body.into());
    Ok(request)
}

fn sensitive(text: Bytes) -> Result<HeaderValue, LoginError> {
    let mut value = HeaderValue::from_maybe_shared(text)
        .map_err(|_| LoginError::Malformed("a value that does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}

fn body_of(
    answer: &Answer,
    site: &LoginSite,
    values: &LoginValues<'_>,
) -> Result<Value, LoginError> {
    let retry_after = net::retry_after(&answer.headers);
    match answer.status {
        status if status.is_success() => serde_json::from_slice(&answer.body)
            .map_err(|_| LoginError::Malformed("a body that is no JSON")),
        StatusCode::TOO_MANY_REQUESTS => Err(LoginError::RateLimited { retry_after }),
        status if status.is_client_error() => Err(LoginError::Refused {
            status: status.as_u16(),
            message: message(&answer.body, site, values),
        }),
        status => Err(LoginError::Unavailable {
            status: status.as_u16(),
            retry_after,
        }),
    }
}

/// Upstream's own words, short and without what was sent.
fn message(body: &[u8], site: &LoginSite, values: &LoginValues<'_>) -> String {
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
    let sent = values
        .fields
        .values()
        .chain(values.access_token)
        .chain(values.refresh_token);
    let text = redact(&text, sent.map(|secret| secret.expose_secret()));
    format!(" ({})", text.chars().take(MAX_MESSAGE).collect::<String>())
}

fn headers(
    provider: &Provider,
    fields: &SecretFields,
    access_token: &SecretString,
) -> Result<Box<[AppliedHeader]>, LoginError> {
    let values = LoginValues {
        fields,
        access_token: Some(access_token),
        refresh_token: None,
    };
    let mut texts: Vec<Bytes> = Vec::new();
    let applied = provider.headers.iter().filter_map(|rule| {
        let text = Zeroizing::new(rule.value.render(&values)?);
        let text = kept_once(text.as_bytes(), &texts);
        texts.push(text.clone());
        Some(sensitive(text).map(|value| AppliedHeader {
            place: rule.place.clone(),
            value,
        }))
    });
    applied.collect()
}

/// A header's text, as a part of an earlier one that has it: tokens are long, and profiles may send
/// one in several headers.
fn kept_once(text: &[u8], earlier: &[Bytes]) -> Bytes {
    let part = |kept: &Bytes| {
        let mut parts = kept.windows(text.len().max(1));
        let start = parts.position(|part| part == text)?;
        Some(kept.slice(start..start + text.len()))
    };
    let found = earlier.iter().find_map(part);
    found.unwrap_or_else(|| Bytes::copy_from_slice(text))
}

fn refresh(
    body: &Value,
    shape: &LoginResponse,
    access_token: KeptToken,
    now: Timestamp,
) -> Option<Box<Refresh>> {
    let token = body.pointer(shape.refresh_token.as_deref()?)?.as_str()?;
    let end = shape
        .refresh_expires_in
        .as_deref()
        .and_then(|pointer| body.pointer(pointer))
        .and_then(life::seconds)
        .and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok());
    Some(Box::new(Refresh {
        access_token,
        refresh_token: SecretString::from(token),
        end,
    }))
}
