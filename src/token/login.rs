//! Login flows: one request, one answer, one token; or a key, which is all that requests need. Knows
//! nothing of caches.

mod answer;
pub(super) mod request;
mod texts;
mod values;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use smallvec::SmallVec;
use url::Url;

use super::error::{Asked, LoginError};
use super::kept::KeptToken;
use super::life;
use crate::domain::bearer::{AppliedHeader, TokenHeaders};
use crate::domain::clock::SharedClock;
use crate::domain::credential::{OpenedCredential, SecretFields};
use crate::domain::origin::Origin;
use crate::domain::provider::{LoginExchange, LoginFlow, LoginResponse, Provider, Way};
use crate::net::{Answer, Net};
use texts::HeaderTexts;
pub(super) use values::LoginValues;

/// Login answers are small; more than this is none.
const MAX_ANSWER: usize = 64 * 1024;
/// A clock that is corrected by less than this was not set back.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// Where a tenant logs in.
#[derive(Clone)]
pub struct LoginSite {
    pub provider: Arc<Provider>,
    pub base_url: Arc<Url>,
}

/// The headers that carry a token upstream, and what there is to say of it: in one piece of memory, as each
/// call reads both. No `Debug`: it holds secrets.
pub type LoginOutcome = TokenHeaders<Term>;

/// How long a token is good, and what comes after it.
pub struct Term {
    /// As its profile was when it logged in.
    provider: Arc<Provider>,
    obtained_at: Timestamp,
    pub expires_at: Timestamp,
    pub(super) renew_at: Timestamp,
    refresh: ArcSwapOption<Refresh>,
    /// Its slot has let go of it: only calls that are under way have it still.
    let_go: AtomicBool,
}

/// What the next token can be had for, without a login.
struct Refresh {
    access_token: KeptToken,
    refresh_token: SecretString,
    end: Option<Timestamp>,
}

impl Term {
    /// A key is good for as long as its version is: there is nothing to renew.
    fn of_key(site: &LoginSite) -> Self {
        Self {
            provider: site.provider.clone(),
            obtained_at: Timestamp::MIN,
            expires_at: Timestamp::MAX,
            renew_at: Timestamp::MAX,
            refresh: ArcSwapOption::empty(),
            let_go: AtomicBool::new(false),
        }
    }

    /// There is no next token by this one any more.
    pub(super) fn let_go(&self) {
        self.let_go.store(true, Ordering::Release);
        self.refresh.store(None);
    }

    pub(super) fn is_let_go(&self) -> bool {
        self.let_go.load(Ordering::Acquire)
    }

    /// Whether it was made by the profile that holds now.
    pub(super) fn is_of(&self, site: &LoginSite) -> bool {
        Arc::ptr_eq(&self.provider, &site.provider)
    }

    /// Whether it works: of another profile's headers nobody knows whether they do.
    pub(super) fn is_live(&self, site: &LoginSite, now: Timestamp) -> bool {
        now < self.expires_at && self.is_of(site)
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

impl Login {
    pub fn new(net: Net, clock: SharedClock) -> Self {
        Self {
            net,
            clock,
            generations: AtomicU64::new(1),
        }
    }

    /// Logs in with an opened credential, for the request `origin` where one causes it. Nobody logs in
    /// with a key: it is what requests carry.
    pub async fn log_in(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        origin: Option<&Origin>,
    ) -> Result<LoginOutcome, LoginError> {
        let flow = flow(site, credential)?;
        check_fields(site, flow, &credential.fields)?;
        let values = LoginValues::of(&credential.fields);
        match &flow.way {
            Way::Login(login) => {
                let exchange = &login.first;
                self.run(site, credential, exchange, &values, origin).await
            }
            Way::Key { .. } => {
                let carried = self.carried(site, credential, None)?;
                Ok(carried.with(Term::of_key(site)))
            }
        }
    }

    /// Whether an opened credential is good: by a login, or by the probe of a flow without one.
    pub async fn try_out(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        origin: Option<&Origin>,
    ) -> Result<(), LoginError> {
        let flow = flow(site, credential)?;
        let probe = match &flow.way {
            Way::Login(_) => return self.log_in(site, credential, origin).await.map(drop),
            Way::Key { probe } => probe.as_ref(),
        };
        let probe = probe.ok_or_else(|| LoginError::NothingToTry(flow.name.clone()))?;
        check_fields(site, flow, &credential.fields)?;
        let carried = self.carried(site, credential, None)?;
        let request = request::probe(&site.base_url, probe, &carried, origin);
        let answer = self.net.send(request, MAX_ANSWER).await;
        let by = Asked::Probe;
        let answer = answer.map_err(|failure| LoginError::Unreachable { by, failure })?;
        answer::of_probe(&answer, site, &LoginValues::of(&credential.fields))
    }

    /// Refreshes a token; `None` when the flow or the token has no way to.
    pub async fn refresh(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        previous: &LoginOutcome,
        origin: &Origin,
    ) -> Option<Result<LoginOutcome, LoginError>> {
        let Way::Login(login) = &flow(site, credential).ok()?.way else {
            return None;
        };
        let (exchange, refresh) = (login.refresh.as_ref()?, previous.more.refresh.load_full()?);
        if refresh.end.is_some_and(|end| end <= self.clock.now()) {
            return None;
        }
        let access_token = refresh.access_token.token(&previous.headers);
        let values = LoginValues {
            fields: &credential.fields,
            access_token: access_token.as_ref(),
            refresh_token: Some(&refresh.refresh_token),
        };
        let outcome = self.run(site, credential, exchange, &values, Some(origin));
        Some(outcome.await)
    }

    async fn run(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        exchange: &LoginExchange,
        values: &LoginValues<'_>,
        origin: Option<&Origin>,
    ) -> Result<LoginOutcome, LoginError> {
        let request = request::login(&site.base_url, &exchange.request, values, origin)?;
        let answer = self.net.send(request, MAX_ANSWER).await;
        let by = Asked::LoginEndpoint;
        let answer = answer.map_err(|failure| LoginError::Unreachable { by, failure })?;
        self.read(site, credential, &answer, exchange, values)
    }

    /// What the endpoint's answer comes to.
    pub(super) fn read(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        answer: &Answer,
        exchange: &LoginExchange,
        values: &LoginValues<'_>,
    ) -> Result<LoginOutcome, LoginError> {
        let now = self.clock.now();
        let body = answer::of_login(answer, site, (&exchange.request, values))?;
        let shape = &exchange.response;
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
        let headers = self.carried(site, credential, Some(&access_token))?;
        let access_token = KeptToken::new(access_token, &headers.headers);
        Ok(headers.with(Term {
            provider: site.provider.clone(),
            obtained_at: now,
            expires_at: life.expires_at,
            renew_at: life.renew_at,
            refresh: refresh(&body, shape, access_token, now).into(),
            let_go: AtomicBool::new(false),
        }))
    }

    /// What requests carry of a credential, and of its token where it has one.
    pub(super) fn carried(
        &self,
        site: &LoginSite,
        credential: &OpenedCredential,
        access_token: Option<&SecretString>,
    ) -> Result<TokenHeaders<()>, LoginError> {
        let values = LoginValues {
            fields: &credential.fields,
            access_token,
            refresh_token: None,
        };
        Ok(TokenHeaders {
            tenant: credential.key.tenant.clone(),
            version: credential.id,
            generation: self.generations.fetch_add(1, Ordering::Relaxed),
            headers: headers(&site.provider, &values)?,
            more: (),
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

fn headers(
    provider: &Provider,
    values: &LoginValues<'_>,
) -> Result<SmallVec<[AppliedHeader; 3]>, LoginError> {
    let rendered = provider.headers.iter().filter_map(|rule| {
        let text = request::rendered(&rule.value, values).transpose()?;
        Some(text.map(|text| (&rule.place, text)))
    });
    let rendered = rendered.collect::<Result<Vec<_>, _>>()?;
    let most = rendered.iter().map(|(_, text)| text.len()).sum();
    let mut texts = HeaderTexts::with_capacity(most);
    let parts: Vec<_> = rendered
        .iter()
        .map(|(place, text)| (*place, texts.add(text.as_bytes())))
        .collect();
    let texts = texts.share();
    let applied = parts.into_iter().map(|(place, part)| {
        Ok(AppliedHeader {
            place: place.clone(),
            value: request::sensitive(texts.slice(part))?,
        })
    });
    applied.collect()
}

fn refresh(
    body: &Value,
    shape: &LoginResponse,
    access_token: KeptToken,
    now: Timestamp,
) -> Option<Arc<Refresh>> {
    let token = body.pointer(shape.refresh_token.as_deref()?)?.as_str()?;
    let end = shape
        .refresh_expires_in
        .as_deref()
        .and_then(|pointer| body.pointer(pointer))
        .and_then(life::seconds)
        .and_then(|seconds| now.checked_add(SignedDuration::from_secs(seconds)).ok());
    Some(Arc::new(Refresh {
        access_token,
        refresh_token: SecretString::from(token),
        end,
    }))
}
