//! Tools: what a model may call, and the request that a call becomes.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::provider::ProviderName;
use super::steps::Plan;
use super::template::{JsonTemplate, TextTemplate};

/// The longest tool name in bytes (MCP 2026-07-28, server/tools, "Tool Names").
pub const MAX_TOOL_NAME_BYTES: usize = 128;

/// Why a text is no tool name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a tool name has 1 to {MAX_TOOL_NAME_BYTES} characters out of A-Z, a-z, 0-9, _, - and .")]
pub struct InvalidToolName;

/// The name of a tool; cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ToolName(Arc<str>);

impl ToolName {
    pub fn parse(text: &str) -> Result<Self, InvalidToolName> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        let fits = (1..=MAX_TOOL_NAME_BYTES).contains(&text.len());
        if fits && text.bytes().all(allowed) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidToolName)
        }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ToolName {
    type Error = InvalidToolName;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<ToolName> for String {
    fn from(name: ToolName) -> Self {
        name.0.as_ref().to_owned()
    }
}

impl std::str::FromStr for ToolName {
    type Err = InvalidToolName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl std::borrow::Borrow<str> for ToolName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ToolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Hints for clients (MCP `ToolAnnotations`); `read_only` is also what a read-only grant admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Annotations {
    pub read_only: bool,
    pub destructive: bool,
    pub idempotent: bool,
    pub open_world: bool,
}

/// What a model may call.
#[derive(Debug)]
pub struct Tool {
    pub name: ToolName,
    pub provider: ProviderName,
    pub title: Option<String>,
    pub description: String,
    /// JSON Schema 2020-12 of the arguments object.
    pub input_schema: Map<String, Value>,
    pub annotations: Annotations,
    pub run: Run,
    /// Whether its answer is given again, to whom, and for how long.
    pub keep: Option<Keep>,
    /// Tools whose kept answers are over when this one was called.
    pub forgets: Vec<ToolName>,
    /// What to tell the model about an upstream status, by status.
    pub hints: BTreeMap<u16, String>,
}

/// How the answer of a call is given again to an equal call.
#[derive(Debug, PartialEq, Eq)]
pub struct Keep {
    pub kept_for: KeptFor,
    /// JSON pointers to the arguments that make two calls equal; without one, all of them.
    pub arguments: Vec<String>,
    pub window: Duration,
}

impl Keep {
    /// No answer is given again after this.
    pub const LONGEST: Duration = Duration::from_secs(3600);
}

/// Whose equal calls get it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptFor {
    /// A write's: those of the same principal.
    Principal,
    /// A read's: all of the tenant's.
    Tenant,
}

/// What a tool does.
#[derive(Debug)]
pub enum Run {
    /// One request, whose answer is the tool's.
    Request(Box<Exchange>),
    Steps(Box<Plan>),
}

/// A request, and how its answer becomes data.
#[derive(Debug)]
pub struct Exchange {
    pub request: RequestTemplate,
    pub response: ResponseRule,
}

/// An upstream request.
#[derive(Debug)]
pub struct RequestTemplate {
    pub method: Method,
    /// What the answer is to be.
    pub accept: HeaderValue,
    /// Headers beside those of the provider, which count before these.
    pub headers: Vec<(HeaderName, TextTemplate)>,
    /// Segments of the path after the base URL; a trailing slash is an empty last one.
    pub path: Vec<PathSegment>,
    /// The path up to its first argument: what decides which headers apply, so that no argument
    /// does.
    pub prefix: String,
    pub query: Vec<QueryRule>,
    pub body: Option<JsonTemplate>,
}

/// One segment of a path: an argument fills exactly one, percent-encoded.
#[derive(Debug, PartialEq, Eq)]
pub enum PathSegment {
    Literal(String),
    Argument(String),
}

/// As a profile has it.
impl fmt::Display for PathSegment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(text) => f.write_str(text),
            Self::Argument(name) => write!(f, "{{{name}}}"),
        }
    }
}

/// One key of the query.
#[derive(Debug)]
pub struct QueryRule {
    pub name: String,
    pub value: TextTemplate,
    /// Send it also when the value is false, empty or 0; `null` has no text and is never sent.
    pub always: bool,
    /// When this key has a value, no other key is sent.
    pub alone: bool,
}

/// How the body of an upstream answer becomes data.
#[derive(Debug)]
pub struct ResponseRule {
    pub kind: ResponseKind,
    /// What an answer without a body stands for (JSON); without it, `null`.
    pub empty: Option<Value>,
}

/// What the body of an upstream answer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResponseKind {
    #[default]
    Json,
    Text,
    /// Any bytes: an object of their base64 text and their type.
    Bytes,
}
