//! Providers: an upstream as its profile describes it, compiled and checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, Method};
use jiff::tz::TimeZone;
use url::Url;

use super::header::HeaderText;
use super::slug::slug_name;
use super::template::{JsonTemplate, TextTemplate};
use super::tenant::Environment;

slug_name! {
    /// How a provider is named in configuration, commands and credential profiles.
    ProviderName
}

/// An upstream.
#[derive(Debug)]
pub struct Provider {
    pub name: ProviderName,
    pub title: String,
    /// What days and times without an offset mean.
    pub time_zone: TimeZone,
    pub environments: BTreeMap<Environment, Upstream>,
    pub credential: CredentialShape,
    pub login: Login,
    /// Headers that requests carry, the first column saying where.
    pub headers: Vec<HeaderRule>,
    pub result: ResultShape,
    pub errors: ErrorShape,
}

/// Where an environment of a provider is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    pub base_url: Arc<Url>,
    /// Other spellings of the same place in the provider's own documentation.
    pub aliases: Vec<Url>,
}

/// What a credential for a provider consists of.
#[derive(Debug)]
pub struct CredentialShape {
    pub fields: BTreeMap<String, FieldShape>,
    pub import: ImportShape,
}

/// One field of a credential.
#[derive(Debug)]
pub struct FieldShape {
    pub required: bool,
    pub description: String,
    /// The variable of a `.env` file that fills it.
    pub env: Option<String>,
}

/// What a `.env` file of the provider holds besides credential fields.
#[derive(Debug, Default)]
pub struct ImportShape {
    /// The variable with the base URL: must name one that the environment knows.
    pub base_url: Option<String>,
    /// Variables that Locum has no use for.
    pub ignored: Vec<String>,
}

/// The ways to log in.
#[derive(Debug)]
pub struct Login {
    pub default: String,
    pub flows: BTreeMap<String, Arc<LoginFlow>>,
}

impl Login {
    /// The flow of that name; `None` names the default one.
    pub fn flow(&self, name: Option<&str>) -> Option<&Arc<LoginFlow>> {
        self.flows.get(name.unwrap_or(&self.default))
    }
}

/// One way to be let in.
#[derive(Debug)]
pub struct LoginFlow {
    pub name: String,
    /// Fields that this flow cannot do without, beyond those that every flow needs.
    pub requires: Vec<String>,
    pub way: Way,
}

/// How a credential becomes what requests carry.
#[derive(Debug)]
pub enum Way {
    /// A request yields a token.
    Login(Box<TokenLogin>),
    /// The credential is a key: requests carry it as it is. The probe tells whether it is good.
    Key { probe: Option<Probe> },
}

/// How a token is had, and the next one.
#[derive(Debug)]
pub struct TokenLogin {
    pub first: LoginExchange,
    pub refresh: Option<LoginExchange>,
}

/// A request for a token, and where its answer holds it.
#[derive(Debug)]
pub struct LoginExchange {
    pub request: LoginRequest,
    pub response: LoginResponse,
}

/// A request for a token.
#[derive(Debug)]
pub struct LoginRequest {
    pub method: Method,
    pub path: String,
    pub headers: Vec<(HeaderName, HeaderText)>,
    pub body: LoginBody,
}

/// What a request for a token says.
#[derive(Debug)]
pub enum LoginBody {
    Nothing,
    Json(JsonTemplate),
    /// `application/x-www-form-urlencoded`; a pair whose value is missing is left out.
    Form(Vec<(String, TextTemplate)>),
}

/// A request with the provider's headers that a good key is answered 2xx to.
#[derive(Debug)]
pub struct Probe {
    pub method: Method,
    pub path: String,
}

/// Where an answer holds what: JSON Pointers (RFC 6901). Lives are in seconds.
#[derive(Debug, Clone)]
pub struct LoginResponse {
    pub access_token: String,
    pub expires_in: Option<String>,
    pub refresh_token: Option<String>,
    pub refresh_expires_in: Option<String>,
}

/// A header on requests.
#[derive(Debug)]
pub struct HeaderRule {
    pub place: Arc<HeaderPlace>,
    pub value: HeaderText,
}

/// Which header, on requests whose path starts with `path` (all when `None`). The tokens of all
/// tenants share it.
#[derive(Debug)]
pub struct HeaderPlace {
    pub path: Option<String>,
    pub name: HeaderName,
}

/// How data is wrapped for the client: the JSON before it and the JSON after it.
#[derive(Debug, Clone, Default)]
pub struct ResultShape {
    pub before: String,
    pub after: String,
}

/// Where error answers hold message and code, and what to add for a status.
#[derive(Debug, Default)]
pub struct ErrorShape {
    /// JSON Pointers, tried in order.
    pub message: Vec<String>,
    /// JSON Pointers, tried in order.
    pub code: Vec<String>,
    pub hints: BTreeMap<u16, String>,
}
