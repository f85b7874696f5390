//! JSON-RPC answers, written once into one buffer.

use axum::body::Body;
use http::{Response, StatusCode};
use rmcp::model::ErrorCode;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::era::Era;
use crate::domain::plain::{plain_of_eight, plain_run};
use crate::gateway::CallOutcome;
use crate::http::json;

/// A result: `fields` are the members of the result object, without braces.
pub(super) fn result(id: &RawValue, era: Era, fields: &[&str]) -> Response<Body> {
    let mut out = head(id, fields.iter().map(|field| field.len()).sum());
    let mut separator = "";
    if era == Era::Modern {
        push(&mut out, r#""resultType":"complete""#);
        separator = ",";
    }
    for field in fields {
        push(&mut out, separator);
        push(&mut out, field);
        separator = ",";
    }
    push(&mut out, "}}");
    json(StatusCode::OK, out)
}

/// The result of a call: as text for every client, and as it is for those that read it. A result
/// that is a text speaks for itself; other JSON is shown as JSON.
pub(super) fn call(id: &RawValue, era: Era, outcome: &CallOutcome) -> Response<Body> {
    let mut out = head(id, 2 * outcome.json.len() + 64);
    if era == Era::Modern {
        push(&mut out, r#""resultType":"complete","#);
    }
    push(&mut out, r#""content":[{"type":"text","text":"#);
    let text = plain_text(&outcome.json);
    push_string(&mut out, text.as_ref().unwrap_or(&outcome.json));
    push(&mut out, "}]");
    // Before 2026-07-28 structured content is an object and nothing else.
    let is_structured = era == Era::Modern && text.is_none();
    if is_structured || outcome.json.starts_with('{') {
        push(&mut out, r#","structuredContent":"#);
        push(&mut out, &outcome.json);
    }
    let end = match outcome.is_error {
        true => r#","isError":true}}"#,
        false => r#","isError":false}}"#,
    };
    push(&mut out, end);
    json(StatusCode::OK, out)
}

/// The text that a JSON string stands for.
fn plain_text(json: &str) -> Option<String> {
    let is_string = json.starts_with('"');
    is_string.then(|| serde_json::from_str(json).ok())?
}

fn head(id: &RawValue, room: usize) -> Vec<u8> {
    // JSON within JSON: every fourth byte or so is a quote, which becomes two.
    let mut out = Vec::with_capacity(room + room / 4 + 128);
    push(&mut out, r#"{"jsonrpc":"2.0","id":"#);
    push(&mut out, id.get());
    push(&mut out, r#","result":{"#);
    out
}

fn push(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

/// What follows the backslash where a byte of a text is escaped, and 0 where it is not (RFC 8259,
/// section 7); `u` stands for four digits more.
const ESCAPES: [u8; 256] = {
    let mut escapes = [0; 256];
    let mut control = 0;
    while control < 0x20 {
        escapes[control] = b'u';
        control += 1;
    }
    escapes[0x08] = b'b';
    escapes[0x0c] = b'f';
    escapes[b'\n' as usize] = b'n';
    escapes[b'\r' as usize] = b'r';
    escapes[b'\t' as usize] = b't';
    escapes[b'"' as usize] = b'"';
    escapes[b'\\' as usize] = b'\\';
    escapes
};

/// Bytes that are written together.
const PIECE: usize = 128;
/// Of them a step takes at most eight as they are, and an escape.
const STEP: usize = 8 + 6;

/// A JSON string. Most texts are JSON themselves, where a quote is never far: eight bytes are written
/// at once, and those from the first that is escaped are written over.
fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut piece = [0; PIECE];
    let mut length = 0;
    let mut rest = text.as_bytes();
    loop {
        if length > PIECE - STEP {
            out.extend_from_slice(&piece[..length]);
            length = 0;
        }
        let run = match rest.first_chunk::<8>() {
            Some(eight) => {
                piece[length..length + 8].copy_from_slice(eight);
                plain_of_eight(eight)
            }
            None => {
                let run = plain_run(rest);
                piece[length..length + run].copy_from_slice(&rest[..run]);
                run
            }
        };
        length += run;
        match rest.get(run) {
            // Eight of them.
            Some(_) if run == 8 => rest = &rest[8..],
            Some(byte) => {
                length += escape(*byte, &mut piece[length..]);
                rest = &rest[run + 1..];
            }
            None => break,
        }
    }
    out.extend_from_slice(&piece[..length]);
    out.push(b'"');
}

/// Writes an escape, and says how long it is.
fn escape(byte: u8, room: &mut [u8]) -> usize {
    let letter = ESCAPES[usize::from(byte)];
    room[..2].copy_from_slice(&[b'\\', letter]);
    if letter != b'u' {
        return 2;
    }
    let digit = |half: u8| b"0123456789abcdef"[usize::from(half)];
    room[2..6].copy_from_slice(&[b'0', b'0', digit(byte >> 4), digit(byte & 0xf)]);
    6
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
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn a_written_string_reads_back(text in any::<String>()) {
            let mut out = Vec::new();
            push_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text.clone());
            // What needs no escape has none.
            prop_assert_eq!(String::from_utf8(out).unwrap(), json!(text).to_string());
        }
    }
}
