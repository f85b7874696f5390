//! JSON-RPC answers, written once into one buffer.

use axum::body::Body;
use http::{Response, StatusCode};
use rmcp::model::ErrorCode;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::era::Era;
use crate::gateway::CallOutcome;
use crate::http::json;

/// A result: `fields` are the members of the result object, without braces.
pub(super) fn result(id: &RawValue, era: Era, fields: &[&str]) -> Response<Body> {
    let mut out = head(id, fields.iter().map(|field| field.len()).sum());
    let mut separator = "";
    if era == Era::Modern {
        out.push_str(r#""resultType":"complete""#);
        separator = ",";
    }
    for field in fields {
        out.push_str(separator);
        out.push_str(field);
        separator = ",";
    }
    out.push_str("}}");
    json(StatusCode::OK, out)
}

/// The result of a call: as text for every client, and as it is for those that read it. A result
/// that is a text speaks for itself; other JSON is shown as JSON.
pub(super) fn call(id: &RawValue, era: Era, outcome: &CallOutcome) -> Response<Body> {
    let mut out = head(id, 2 * outcome.json.len() + 64);
    if era == Era::Modern {
        out.push_str(r#""resultType":"complete","#);
    }
    out.push_str(r#""content":[{"type":"text","text":"#);
    let text = plain_text(&outcome.json);
    push_string(&mut out, text.as_ref().unwrap_or(&outcome.json));
    out.push_str("}]");
    // Before 2026-07-28 structured content is an object and nothing else.
    let is_structured = era == Era::Modern && text.is_none();
    if is_structured || outcome.json.starts_with('{') {
        out.push_str(r#","structuredContent":"#);
        out.push_str(&outcome.json);
    }
    out.push_str(if outcome.is_error {
        r#","isError":true}}"#
    } else {
        r#","isError":false}}"#
    });
    json(StatusCode::OK, out)
}

/// The text that a JSON string stands for.
fn plain_text(json: &str) -> Option<String> {
    let is_string = json.starts_with('"');
    is_string.then(|| serde_json::from_str(json).ok())?
}

fn head(id: &RawValue, room: usize) -> String {
    let mut out = String::with_capacity(room + room / 8 + 128);
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(id.get());
    out.push_str(r#","result":{"#);
    out
}

/// A JSON string. What needs no escape is copied in runs.
fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut copied = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape: &str = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[copied..at]);
        if escape.is_empty() {
            out.push_str(&format!("\\u{byte:04x}"));
        } else {
            out.push_str(escape);
        }
        copied = at + 1;
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

/// An error; without a readable request its id is `null` (JSON-RPC 2.0, section 5).
pub(super) fn error(
    status: StatusCode,
    id: Option<&RawValue>,
    code: ErrorCode,
    message: &str,
    data: Option<&Value>,
) -> Response<Body> {
    #[derive(Serialize)]
    struct Answer<'a> {
        jsonrpc: &'static str,
        id: Option<&'a RawValue>,
        error: Detail<'a>,
    }
    #[derive(Serialize)]
    struct Detail<'a> {
        code: i32,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a Value>,
    }
    let error = Detail {
        code: code.0,
        message,
        data,
    };
    let answer = Answer {
        jsonrpc: "2.0",
        id,
        error,
    };
    json(status, serde_json::to_vec(&answer).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_written_string_reads_back(text in any::<String>()) {
            let mut out = String::new();
            push_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }
    }
}
