//! JSON-RPC messages with the headers that mirror them. What is accepted is what a strict parser
//! reads, and what an intermediary that looks at the headers alone would have routed.

#![no_main]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use locum::http::mcp::fuzzing as mcp;
use locum_fuzz::{Message, is_json, sole};
use serde_json::Value;

const REVISIONS: [&str; 4] = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];
const MODERN: &str = "2026-07-28";

fuzz_target!(|data: &[u8]| {
    let Message { headers, body, .. } = Message::read(data);
    let peeked = mcp::peek_id(body);
    peeked.inspect(|id| check_id(id));
    // `None` also for what is JSON and yet unreadable: half a surrogate pair, 1e999.
    let strict = serde_json::from_slice::<Value>(body).ok();
    match (mcp::message(&headers, body), strict) {
        (Err(no_json), strict) => assert!(!(no_json && strict.is_some()), "this is JSON"),
        (Ok(message), strict) => {
            assert_eq!(message.id, peeked, "a refusal repeats the same id");
            let strict = strict.inspect(|strict| check_members(&message, strict));
            if !mcp::has_duplicates(&headers) {
                check_era(&headers, &message, &strict.unwrap_or_default());
            }
        }
    }
});

/// An id is spliced into the answer as it came: it must be one value on one line.
fn check_id(id: &str) {
    let digits = id.strip_prefix('-').unwrap_or(id);
    assert!(id.starts_with('"') || digits.bytes().all(|byte| byte.is_ascii_digit()));
    assert!(is_json(format!(r#"{{"id":{id}}}"#).as_bytes()), "{id}");
    assert!(!id.bytes().any(|byte| byte < b' '), "{id}");
}

fn check_members(message: &mcp::Message<'_>, strict: &Value) {
    let value = |raw: &str| serde_json::from_str::<Value>(raw).expect("a part of what is JSON");
    assert_eq!(strict["jsonrpc"], "2.0");
    assert_eq!(strict["method"], *message.method);
    assert_eq!(message.id.map(value), strict.get("id").cloned());
    let params = strict.get("params").filter(|params| !params.is_null());
    assert_eq!(message.params.map(value), params.cloned());
    if let Some(traceparent) = &message.traceparent {
        assert_eq!(strict["params"]["_meta"]["traceparent"], **traceparent);
    }
}

fn check_era(headers: &http::HeaderMap, message: &mcp::Message<'_>, strict: &Value) {
    let is_modern = match &message.is_modern {
        Ok(is_modern) => *is_modern,
        Err(repeated) => return assert!(repeated.chars().count() <= 64, "{repeated}"),
    };
    let text = |value| str::from_utf8(value).unwrap_or("no text");
    let header = |name| sole(headers, name).map(text);
    let version = header("mcp-protocol-version");
    if message.method != "initialize" {
        assert!(
            version.is_none_or(|version| REVISIONS.contains(&version)),
            "{version:?}"
        );
    }
    let routed = header("mcp-method");
    assert!(
        routed.is_none_or(|method| method == message.method),
        "{routed:?}"
    );
    let name = header("mcp-name").filter(|_| message.method == "tools/call");
    if strict.is_null() {
        return;
    }
    let params = &strict["params"];
    if let Some(name) = name {
        let called = params["name"].as_str().expect("the name that was routed");
        assert!(name == called || name == format!("=?base64?{}?=", STANDARD.encode(called)));
    }
    if is_modern {
        let meta = &params["_meta"];
        assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], MODERN);
        assert!(!meta["io.modelcontextprotocol/clientCapabilities"].is_null());
        assert_eq!(version, Some(MODERN));
        assert!(
            routed.is_some() || message.id.is_none(),
            "a method to route by"
        );
        let named = message.method == "tools/call" && params["name"].is_string();
        assert!(
            !named || name.is_some() || message.id.is_none(),
            "a name to route by"
        );
    }
}
