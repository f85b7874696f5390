//! A fault rule: the requests that it strikes and the fault that they meet.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What happens instead of the normal answer (`slow`: before it).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Fault {
    /// 401.
    Unauthorized {},
    /// 429, with `Retry-After` when asked for.
    RateLimited { retry_after_s: Option<u64> },
    /// A 5xx status.
    ServerError {
        #[serde(default = "unavailable")]
        status: u16,
        retry_after_s: Option<u64>,
    },
    /// The normal answer, later.
    Slow { delay_ms: u64 },
    /// No answer; ends when the client goes.
    Hang {},
    /// TCP reset: before any byte, or after the head and so many bytes of the body.
    Reset {
        #[serde(default)]
        after_bytes: u64,
    },
    /// 200 `application/json` with bytes that are not JSON.
    Garbage {},
    /// 200 `text/html`.
    WrongType {},
    /// Fewer bytes than `Content-Length` declares, then an orderly close.
    Truncated {},
    /// 302.
    Redirect {
        #[serde(default = "elsewhere")]
        location: String,
    },
    /// A JSON body of that many bytes, streamed.
    Huge {
        #[serde(default = "one_gibibyte")]
        size_bytes: u64,
    },
    /// A small gzip body that unpacks to about that many bytes.
    GzipBomb {
        #[serde(default = "one_gibibyte")]
        size_bytes: u64,
    },
}

/// The names of all kinds, with what each may be given.
pub const KINDS: [&str; 12] = [
    "unauthorized",
    "rate-limited {retry_after_s?}",
    "server-error {status? = 503, retry_after_s?}",
    "slow {delay_ms}",
    "hang",
    "reset {after_bytes? = 0}",
    "garbage",
    "wrong-type",
    "truncated",
    "redirect {location?}",
    "huge {size_bytes? = 1 GiB}",
    "gzip-bomb {size_bytes? = 1 GiB}",
];

/// Which requests meet which fault.
#[derive(Debug, Clone)]
pub struct FaultRule {
    /// Only requests of this client id.
    pub client_id: Option<String>,
    /// Only this method, in upper case.
    pub method: Option<String>,
    /// Only paths that start so.
    pub path: Option<String>,
    /// Login and refresh endpoints; `false`: all others.
    pub login: bool,
    /// So many requests, then the rule ends; absent: no end.
    pub count: Option<u64>,
    pub fault: Fault,
}

/// The fields of a rule's JSON that are not its fault's.
#[derive(Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Scope {
    client_id: Option<String>,
    method: Option<String>,
    path: Option<String>,
    login: bool,
    count: Option<u64>,
}

const SCOPE_FIELDS: [&str; 5] = ["client_id", "method", "path", "login", "count"];

impl FaultRule {
    /// A rule that strikes every API request.
    pub fn every(fault: Fault) -> Self {
        Self {
            client_id: None,
            method: None,
            path: None,
            login: false,
            count: None,
            fault,
        }
    }

    /// Reads a flat JSON object; the error names the field.
    pub fn parse(body: Map<String, Value>) -> Result<Self, String> {
        let is_scope = |name: &String| SCOPE_FIELDS.contains(&name.as_str());
        let (scope, fault): (Map<_, _>, Map<_, _>) =
            body.into_iter().partition(|(name, _)| is_scope(name));
        let scope: Scope =
            serde_json::from_value(Value::Object(scope)).map_err(|error| error.to_string())?;
        let fault: Fault =
            serde_json::from_value(Value::Object(fault)).map_err(|error| error.to_string())?;
        if let Fault::ServerError { status, .. } = &fault
            && !(500..=599).contains(status)
        {
            return Err("status must be from 500 to 599".to_owned());
        }
        let Scope {
            client_id,
            method,
            path,
            login,
            count,
        } = scope;
        let method = method.map(|method| method.to_uppercase());
        Ok(Self {
            client_id,
            method,
            path,
            login,
            count,
            fault,
        })
    }

    /// The flat JSON object that `parse` reads.
    pub fn shown(&self) -> Value {
        let scope = Scope {
            client_id: self.client_id.clone(),
            method: self.method.clone(),
            path: self.path.clone(),
            login: self.login,
            count: self.count,
        };
        let parts = [
            serde_json::to_value(&scope),
            serde_json::to_value(&self.fault),
        ];
        let fields = parts.into_iter().flatten().filter_map(|part| match part {
            Value::Object(fields) => Some(fields),
            _ => None,
        });
        Value::Object(
            fields
                .flatten()
                .filter(|(_, value)| !value.is_null())
                .collect(),
        )
    }
}

fn unavailable() -> u16 {
    503
}

fn elsewhere() -> String {
    "http://elsewhere.invalid/".to_owned()
}

fn one_gibibyte() -> u64 {
    1 << 30
}
