//! A tool's request template and a call's arguments become one HTTP request.
//!
//! No argument changes method, host, the number of path segments or the names of query keys: an
//! argument fills exactly one percent-encoded segment or one query value.

use std::borrow::Cow;
use std::fmt::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::{RequestMeters, UpstreamError, meters};
use crate::domain::bearer::Bearer;
use crate::domain::call::{Arguments, AuthorizedCall};
use crate::domain::clock::SharedClock;
use crate::domain::provider::Provider;
use crate::domain::span::{ActiveSpan, Attribute, Step};
use crate::domain::template::Values;
use crate::domain::tool::{PathSegment, QueryRule, RequestTemplate};
use crate::net::{self, Answer, Net, NetFailure};

/// Everything but the unreserved characters (RFC 3986, section 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A longer URL is refused here rather than somewhere on the way (RFC 9110, section 4.1 recommends
/// to support 8000 octets).
const MAX_URL: usize = 8000;

/// What an upstream answered. No `Debug`: it may hold secrets or patient data.
pub struct UpstreamReply {
    pub status: StatusCode,
    pub retry_after: Option<Duration>,
    pub content_type: Option<HeaderValue>,
    pub body: Bytes,
}

impl UpstreamReply {
    /// How long the upstream asks to send nothing more (RFC 9110, section 10.2.3).
    pub fn asks_to_wait(&self) -> Option<Duration> {
        let asks = [
            StatusCode::TOO_MANY_REQUESTS,
            StatusCode::SERVICE_UNAVAILABLE,
        ];
        self.retry_after.filter(|_| asks.contains(&self.status))
    }
}

/// A call's request as it will be sent, but for the tenant's headers. No `Debug`: it has
/// arguments in it.
pub struct FormedRequest(pub(super) Box<reqwest::Request>);

/// A request for people, who are shown no secret.
#[derive(Debug, Serialize)]
pub struct DescribedRequest {
    pub method: String,
    pub url: String,
    /// By name; what the credential fills in stands as the profile has it.
    pub headers: Vec<(String, String)>,
    /// JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Value>,
}

impl FormedRequest {
    /// How it would be sent by a provider's profile.
    pub fn describe(&self, asked: &Asked<'_>, provider: &Provider) -> DescribedRequest {
        let Self(request) = self;
        let prefix = &asked.template.prefix;
        let own = request.headers().iter().map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes());
            (name.to_string(), text.into_owned())
        });
        let provided = provider.headers.iter().filter(|rule| {
            let start = rule.place.path.as_deref();
            start.is_none_or(|start| prefix.starts_with(start))
        });
        let provided = provided.map(|rule| (rule.place.name.to_string(), rule.value.to_string()));
        let body = request.body().and_then(reqwest::Body::as_bytes);
        DescribedRequest {
            method: request.method().to_string(),
            url: request.url().to_string(),
            headers: own.chain(provided).collect(),
            body: body.map(|body| serde_json::from_slice(body).unwrap_or_default()),
        }
    }
}

/// Sends REST requests.
pub struct Rest {
    net: Net,
    max_answer: AtomicUsize,
    clock: SharedClock,
}

/// What is asked of an upstream: a request, and where its names take their values from.
#[derive(Clone, Copy)]
pub struct Asked<'a> {
    template: &'a RequestTemplate,
    arguments: &'a Arguments,
    /// These count before the arguments.
    own: Option<&'a Arguments>,
    /// The tool's step that asks, where it has several.
    step: Option<&'a str>,
}

impl<'a> Asked<'a> {
    pub fn new(template: &'a RequestTemplate, arguments: &'a Arguments) -> Self {
        Self {
            template,
            arguments,
            own: None,
            step: None,
        }
    }

    /// The same with values of the request's own.
    pub fn with(self, own: &'a Arguments) -> Self {
        Self {
            own: Some(own),
            ..self
        }
    }

    /// The same for a step of a tool.
    pub fn of_step(self, name: &'a str) -> Self {
        Self {
            step: Some(name),
            ..self
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        let own = self.own.and_then(|own| own.get(name));
        own.or_else(|| self.arguments.get(name))
    }
}

impl Values for Asked<'_> {
    fn text(&self, name: &str) -> Option<Cow<'_, str>> {
        match self.get(name)? {
            Value::String(text) => Some(Cow::Borrowed(text)),
            Value::Number(number) => Some(Cow::Owned(number.to_string())),
            Value::Bool(flag) => Some(Cow::Borrowed(if *flag { "true" } else { "false" })),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn write_json(&self, name: &str, out: &mut Vec<u8>) -> bool {
        self.get(name)
            .is_some_and(|value| serde_json::to_writer(out, value).is_ok())
    }
}

impl Rest {
    pub fn new(net: Net, max_answer: usize, clock: SharedClock) -> Self {
        Self {
            net,
            max_answer: AtomicUsize::new(max_answer),
            clock,
        }
    }

    /// Larger answers are refused from now on.
    pub fn set_max_answer(&self, max_answer: usize) {
        self.max_answer.store(max_answer, Ordering::Relaxed);
    }

    /// Forms a request, before anybody logs in for it: arguments that do not fit into one cost
    /// nothing.
    pub fn form(&self, asked: &Asked<'_>, base_url: &Url) -> Result<FormedRequest, UpstreamError> {
        let path = path(asked)?;
        let request = request(asked, &path, base_url)?;
        if request.url().as_str().len() > MAX_URL {
            return Err(UpstreamError::TooLong);
        }
        Ok(FormedRequest(Box::new(request)))
    }

    /// Sends a request of the call's with the tenant's bearer.
    pub async fn send(
        &self,
        call: &AuthorizedCall<'_>,
        (asked, FormedRequest(mut request)): (&Asked<'_>, FormedRequest),
        bearer: &Bearer,
        meters: &RequestMeters,
    ) -> Result<UpstreamReply, UpstreamError> {
        assert!(
            bearer.tenant() == call.tenant(),
            "INVARIANT: a bearer goes upstream for its own tenant only"
        );
        for header in bearer.headers_for(&asked.template.prefix) {
            request
                .headers_mut()
                .insert(header.place.name.clone(), header.value.clone());
        }
        call.origin().id().sign(request.headers_mut());
        let span = call.origin().step(Step::UpstreamRequest);
        if let Some(step) = asked.step {
            span.note(Attribute::ToolStep(step));
        }
        let answer = self.observed(request, meters, &span).await;
        let answer = answer.map_err(UpstreamError::Net)?;
        Ok(UpstreamReply {
            status: answer.status,
            retry_after: net::retry_after(&answer.headers),
            content_type: answer.headers.get(CONTENT_TYPE).cloned(),
            body: answer.body,
        })
    }

    /// Sends a request, and says in meters and span how it went.
    async fn observed(
        &self,
        request: Box<reqwest::Request>,
        meters: &RequestMeters,
        span: &ActiveSpan,
    ) -> Result<Answer, NetFailure> {
        let started = self.clock.now();
        let max_answer = self.max_answer.load(Ordering::Relaxed);
        // What is awaited here lies within a dozen futures, each of which is moved once.
        let answer = Box::pin(self.net.send(*request, max_answer)).await;
        let took = self.clock.now().duration_since(started);
        let result = meters::result(&answer);
        meters.record(Duration::try_from(took).unwrap_or_default(), result);
        span.note(Attribute::Outcome(match result {
            "2xx" => "ok",
            other => other,
        }));
        if let Ok(answer) = &answer {
            span.note(Attribute::Status(answer.status.as_u16()));
        }
        answer
    }
}

fn request(
    asked: &Asked<'_>,
    path: &str,
    base_url: &Url,
) -> Result<reqwest::Request, UpstreamError> {
    let template = asked.template;
    let mut url = base_url.clone();
    match base_url.path().trim_end_matches('/') {
        "" => url.set_path(path),
        prefix => url.set_path(&format!("{prefix}{path}")),
    }
    url.set_query(query(asked).as_deref());
    let mut request = reqwest::Request::new(template.method.clone(), url);
    request
        .headers_mut()
        .insert(ACCEPT, template.accept.clone());
    for (name, value) in &template.headers {
        if let Some(text) = value.render(asked) {
            let value = HeaderValue::from_str(&text);
            let value = value.map_err(|_| UpstreamError::Header(name.clone()))?;
            request.headers_mut().insert(name.clone(), value);
        }
    }
    if let Some(body) = &template.body {
        let mut bytes = Vec::new();
        if body.render(asked, &mut bytes) {
            let json = HeaderValue::from_static("application/json");
            // A profile may have a name of its own for it: `application/fhir+json`.
            request.headers_mut().entry(CONTENT_TYPE).or_insert(json);
            *request.body_mut() = Some(bytes.into());
        }
    }
    Ok(request)
}

fn path(asked: &Asked<'_>) -> Result<String, UpstreamError> {
    let mut path = String::with_capacity(64);
    for segment in &asked.template.path {
        path.push('/');
        match segment {
            PathSegment::Literal(text) => path.push_str(text),
            PathSegment::Argument(name) => {
                // URL parsers treat dot segments as steps, percent-encoded ones too.
                let text = asked
                    .text(name)
                    .filter(|text| !matches!(&**text, "" | "." | ".."));
                let text = text.ok_or_else(|| UpstreamError::PathArgument(name.clone()))?;
                let _ = write!(path, "{}", utf8_percent_encode(&text, ENCODED));
            }
        }
    }
    Ok(path)
}

/// The query, or `None` when no key has a value.
fn query(asked: &Asked<'_>) -> Option<String> {
    let rules = &asked.template.query;
    let sent = |rule: &QueryRule| {
        let empty = |name: &str| asked.get(name).is_none_or(is_empty);
        if !rule.always && rule.value.names().any(empty) {
            return None;
        }
        rule.value.render(asked)
    };
    let alone = rules
        .iter()
        .filter(|rule| rule.alone)
        .find_map(|rule| Some((rule, sent(rule)?)));
    if let Some((rule, value)) = alone {
        return Some(pair(String::new(), rule, &value));
    }
    rules
        .iter()
        .filter_map(|rule| Some((rule, sent(rule)?)))
        .fold(None, |query, (rule, value)| {
            Some(pair(query.unwrap_or_default(), rule, &value))
        })
}

fn pair(mut query: String, rule: &QueryRule, value: &str) -> String {
    if !query.is_empty() {
        query.push('&');
    }
    let name = utf8_percent_encode(&rule.name, ENCODED);
    let _ = write!(query, "{name}={}", utf8_percent_encode(value, ENCODED));
    query
}

/// An optional argument that stands for "not given".
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(_) | Value::Object(_) => false,
    }
}

#[cfg(test)]
mod tests;
