//! One pass over the body: method, id and params are found, nothing else is copied.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};
use serde_json::error::Category;
use serde_json::value::RawValue;

/// A JSON-RPC request, or a notification when it has no id.
pub(super) struct Envelope<'a> {
    pub id: Option<&'a RawValue>,
    pub method: Cow<'a, str>,
    pub params: Option<&'a RawValue>,
}

/// Why a body is no request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadEnvelope {
    /// Not JSON (JSON-RPC 2.0, -32700).
    Syntax,
    /// JSON, but no request (-32600).
    Invalid(&'static str),
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow, default)]
    jsonrpc: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    result: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    error: Option<&'a RawValue>,
}

const BATCH: BadEnvelope =
    BadEnvelope::Invalid("batches are not supported: send one message a request");

/// Keeps `null` apart from absence.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

pub(super) fn parse(body: &[u8]) -> Result<Envelope<'_>, BadEnvelope> {
    let is_array = body.trim_ascii_start().starts_with(b"[");
    let raw: Raw<'_> = serde_json::from_slice(body).map_err(|error| match error.classify() {
        Category::Data if is_array => BATCH,
        Category::Data => BadEnvelope::Invalid("the body is no JSON-RPC request"),
        _ => BadEnvelope::Syntax,
    })?;
    if is_array {
        // serde reads an array as the members in order: `["2.0", 1, "ping"]` is no request.
        return Err(BATCH);
    }
    if raw.jsonrpc.as_deref() != Some("2.0") {
        return Err(BadEnvelope::Invalid("`jsonrpc` is to be \"2.0\""));
    }
    if raw.id.is_some_and(|id| !is_id(id)) {
        return Err(BadEnvelope::Invalid("`id` is to be a string or an integer"));
    }
    match raw.method {
        Some(method) => Ok(Envelope {
            id: raw.id,
            method,
            params: raw.params,
        }),
        None if raw.result.is_some() || raw.error.is_some() => Err(BadEnvelope::Invalid(
            "nothing was asked that this would answer",
        )),
        None => Err(BadEnvelope::Invalid("`method` is missing")),
    }
}

/// The id of a request that is refused anyway.
pub(super) fn peek_id(body: &[u8]) -> Option<&RawValue> {
    #[derive(Deserialize)]
    struct Id<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }
    if body.trim_ascii_start().starts_with(b"[") {
        return None;
    }
    serde_json::from_slice::<Id<'_>>(body)
        .ok()
        .map(|found| found.id)
        .filter(|id| is_id(id))
}

fn is_id(id: &RawValue) -> bool {
    let text = id.get();
    text.starts_with('"')
        || text
            .trim_start_matches('-')
            .bytes()
            .all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tells_what_is_wrong_with_a_body() {
        let error = |body: &str| parse(body.as_bytes()).err().unwrap();
        for body in ["", "{", "{\"a\":}", "nonsense", "\u{0}"] {
            assert_eq!(error(body), BadEnvelope::Syntax, "{body}");
        }
        for body in [
            "[]",
            r#"["2.0",1,"ping"]"#,
            "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}]",
            "1",
            "{}",
            r#"{"jsonrpc":"1.0","id":1,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":[1],"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":7}"#,
            r#"{"jsonrpc":"2.0","id":1,"result":{}}"#,
        ] {
            assert!(matches!(error(body), BadEnvelope::Invalid(_)), "{body}");
        }
        assert_eq!(parse(b"\xff").err(), Some(BadEnvelope::Syntax));
    }

    #[test]
    fn keeps_id_and_params_as_they_are() {
        let body = br#"{"jsonrpc":"2.0","id":12345678901234567890123,"method":"a\u0062","params":{"x": 1}}"#;
        let envelope = parse(body).unwrap();
        assert_eq!(envelope.id.unwrap().get(), "12345678901234567890123");
        assert_eq!(envelope.method, "ab");
        assert_eq!(envelope.params.unwrap().get(), "{\"x\": 1}");
    }

    proptest! {
        #[test]
        fn foreign_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&body);
            let _ = peek_id(&body);
        }
    }
}
