//! A request that has been read: its route, its query, its body (JSON, or a form where the endpoint
//! takes one) and what it presents.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::endpoint::{Endpoint, Route};
use super::journal::SeenRequest;
use super::query::Query;
use super::refusal::Refusal;

/// Larger bodies reach the handlers but not the journal.
const JOURNAL_BODY: usize = 16 * 1024;

/// A longer request id is cut.
const JOURNAL_ID: usize = 64;

/// Fields whose values the journal must not hold.
const SECRET_FIELDS: [&str; 5] = [
    "client_secret",
    "api_key",
    "sharing_key",
    "refresh_token",
    "access_token",
];

/// A request as the endpoints see it.
pub struct Incoming {
    pub method: Method,
    pub route: Route,
    pub query: Query,
    uri: Uri,
    headers: HeaderMap,
    body_length: usize,
    body: Option<Value>,
    basic: Option<(String, String)>,
}

impl Incoming {
    pub fn read(parts: Parts, body: &Bytes) -> Self {
        let route = Route::find(&parts.method, parts.uri.path());
        let body_length = body.len();
        let body = match route.endpoint {
            Endpoint::LabToken => Some(form(body)),
            _ => serde_json::from_slice(body).ok(),
        };
        Self {
            route,
            query: Query::parse(parts.uri.query()),
            method: parts.method,
            uri: parts.uri,
            basic: basic(&parts.headers),
            headers: parts.headers,
            body_length,
            body,
        }
    }

    pub fn path(&self) -> &str {
        self.uri.path()
    }

    /// The header's value; one that is not visible ASCII counts as absent.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The token of `Authorization: Bearer` (RFC 6750, section 2.1).
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    }

    /// User and password of `Authorization: Basic` (RFC 7617).
    pub fn basic(&self) -> Option<(&str, &str)> {
        let (user, password) = self.basic.as_ref()?;
        Some((user, password))
    }

    /// The two parts of `X-Api-Key: ID.SECRET`.
    pub fn api_key(&self) -> Option<(&str, &str)> {
        self.header("x-api-key")?.split_once('.')
    }

    /// The body, which must be a JSON object.
    pub fn object(&self) -> Result<&Map<String, Value>, Refusal> {
        self.body
            .as_ref()
            .and_then(Value::as_object)
            .ok_or_else(|| Refusal::field("body", "must be a JSON object"))
    }

    /// The body where none is needed: nothing at all, or a JSON object.
    pub fn optional_object(&self) -> Result<(), Refusal> {
        if self.body_length == 0 {
            Ok(())
        } else {
            self.object().map(|_| ())
        }
    }

    /// The client id that a request without a known token names.
    pub fn claimed_client(&self) -> Option<&str> {
        let in_body = self
            .body
            .as_ref()
            .and_then(|body| body.get("client_id")?.as_str());
        let in_headers = self.basic().or_else(|| self.api_key());
        in_body
            .or(in_headers.map(|(id, _)| id))
            .or_else(|| self.header("client-id"))
            .filter(|id| !id.is_empty())
    }

    /// What the journal keeps of it.
    pub fn seen(&self, at: Timestamp, client_id: Option<&str>) -> SeenRequest {
        let small = self
            .body
            .as_ref()
            .filter(|_| self.body_length <= JOURNAL_BODY);
        SeenRequest {
            at,
            method: self.method.to_string(),
            path: self
                .uri
                .path_and_query()
                .map(ToString::to_string)
                .unwrap_or_default(),
            endpoint: self.route.endpoint,
            client_id: client_id.map(str::to_owned),
            headers: self.headers.keys().map(ToString::to_string).collect(),
            request_id: self.header("x-request-id").map(short),
            body: small.map(|body| self.redacted(body)),
            status: None,
        }
    }

    fn redacted(&self, body: &Value) -> Value {
        let mut body = body.clone();
        let fields = body
            .as_object_mut()
            .filter(|_| self.route.endpoint.is_login());
        for (name, value) in fields.into_iter().flatten() {
            if SECRET_FIELDS.contains(&name.as_str()) {
                *value = Value::from("[redacted]");
            }
        }
        body
    }
}

/// An object of the pairs of a form.
fn form(body: &[u8]) -> Value {
    let pairs = form_urlencoded::parse(body);
    let pairs = pairs.map(|(name, value)| (name.into_owned(), Value::from(value)));
    Value::Object(pairs.collect())
}

fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get("authorization")?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    let is_basic = scheme.eq_ignore_ascii_case("basic");
    let pair = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (user, password) = pair.split_once(':').filter(|_| is_basic)?;
    Some((user.to_owned(), password.to_owned()))
}

fn short(id: &str) -> String {
    id.chars().take(JOURNAL_ID).collect()
}

/// A field that must be a string with something in it.
pub fn text<'a>(body: &'a Map<String, Value>, name: &str) -> Result<&'a str, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Err(Refusal::field(name, "is required")),
        Some(Value::String(value)) if !value.is_empty() => Ok(value),
        Some(_) => Err(Refusal::field(name, "must be a non-empty string")),
    }
}

/// A field that may be absent or null, and otherwise is a string.
pub fn optional_text<'a>(
    body: &'a Map<String, Value>,
    name: &str,
) -> Result<Option<&'a str>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(value)) => Ok(Some(value)),
        Some(_) => Err(Refusal::field(name, "must be a string")),
    }
}

/// A field that may be absent or null, and otherwise is an integer.
pub fn optional_integer(body: &Map<String, Value>, name: &str) -> Result<Option<i64>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_i64() {
            Some(number) => Ok(Some(number)),
            None => Err(Refusal::field(name, "must be an integer")),
        },
    }
}
