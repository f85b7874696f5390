//! Profiles as they are written: the shapes of TOML, nothing checked but keys and types.
//!
//! Every struct here is a section of `docs/profiles.md`.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::steps::OnError;
use crate::domain::tool::ResponseKind;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// The version of this format.
    pub format: i64,
    pub name: String,
    pub title: String,
    pub time_zone: Option<String>,
    pub definitions: Option<String>,
    pub environments: BTreeMap<String, Environment>,
    pub credential: Credential,
    pub login: Login,
    #[serde(default)]
    pub headers: Vec<Header>,
    #[serde(default)]
    pub result: ResultShape,
    #[serde(default)]
    pub errors: Errors,
    #[serde(default)]
    pub tools: Vec<Tool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Environment {
    pub base_url: String,
    #[serde(default)]
    pub aliases: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Credential {
    pub fields: BTreeMap<String, Field>,
    #[serde(default)]
    pub import: Import,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Field {
    #[serde(default)]
    pub required: bool,
    pub description: String,
    pub env: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    pub base_url: Option<String>,
    #[serde(default)]
    pub ignored: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    pub default: String,
    pub flows: BTreeMap<String, Flow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Flow {
    #[serde(default)]
    pub requires: Vec<String>,
    pub request: Option<LoginRequest>,
    pub response: Option<LoginResponse>,
    pub refresh: Option<Refresh>,
    pub probe: Option<Probe>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Probe {
    pub method: String,
    pub path: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    pub request: LoginRequest,
    pub response: LoginResponse,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    pub basic: Option<Basic>,
    pub json: Option<toml::Value>,
    pub form: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Basic {
    pub user: String,
    #[serde(default)]
    pub password: String,
    #[serde(default)]
    pub form_encoded: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginResponse {
    pub access_token: String,
    pub expires_in: Option<String>,
    pub refresh_token: Option<String>,
    pub refresh_expires_in: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub path: Option<String>,
    pub name: String,
    pub value: Option<String>,
    pub basic: Option<Basic>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResultShape {
    pub success: Option<toml::Value>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Errors {
    #[serde(default)]
    pub message: Vec<String>,
    #[serde(default)]
    pub code: Vec<String>,
    #[serde(default)]
    pub hints: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tool {
    pub name: String,
    pub title: Option<String>,
    pub description: String,
    pub annotations: Annotations,
    #[serde(default)]
    pub input: toml::Table,
    #[serde(default)]
    pub checks: Vec<Check>,
    pub request: Option<Request>,
    pub response: Option<Response>,
    #[serde(default)]
    pub steps: Vec<Step>,
    pub output: Option<String>,
    #[serde(default)]
    pub result: ResultShape,
    #[serde(default)]
    pub hints: BTreeMap<String, String>,
    pub idempotency: Option<Idempotency>,
    pub cache: Option<String>,
    #[serde(default)]
    pub forgets: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Idempotency {
    #[serde(default)]
    pub key: Vec<String>,
    pub window: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    pub require: String,
    pub message: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    pub name: String,
    pub when: Option<String>,
    pub for_each: Option<String>,
    pub request: Option<Request>,
    pub response: Option<Response>,
    pub on_error: Option<OnError>,
    pub hints: Option<BTreeMap<String, String>>,
    pub value: Option<String>,
    #[serde(rename = "return")]
    pub returns: Option<Returns>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Returns {
    Success,
    Error,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Annotations {
    pub read_only: bool,
    #[serde(default)]
    pub destructive: bool,
    #[serde(default)]
    pub idempotent: bool,
    #[serde(default)]
    pub open_world: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Request {
    pub method: String,
    pub path: String,
    #[serde(default)]
    pub with: BTreeMap<String, String>,
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    #[serde(default)]
    pub query: Vec<Query>,
    pub body: Option<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Query {
    pub name: String,
    pub value: String,
    #[serde(default)]
    pub always: bool,
    #[serde(default)]
    pub alone: bool,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Response {
    #[serde(default)]
    pub kind: ResponseKind,
    pub empty: Option<toml::Value>,
}
