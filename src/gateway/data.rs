//! The data of a successful answer as JSON, as the profile says what the answer is.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};

use crate::domain::json::sound;
use crate::domain::tool::{ResponseKind, ResponseRule};
use crate::upstream::UpstreamReply;

/// What an answer stands for, or `None` when it is not what the profile says.
pub(super) fn data<'a>(rule: &ResponseRule, reply: &'a UpstreamReply) -> Option<Cow<'a, str>> {
    match empty(rule, reply) {
        Some(empty) => Some(empty.to_string().into()),
        None => written(rule.kind, reply),
    }
}

/// What an answer without a body stands for.
pub(super) fn empty<'r>(rule: &'r ResponseRule, reply: &UpstreamReply) -> Option<&'r Value> {
    let empty = reply.body.iter().all(u8::is_ascii_whitespace);
    empty.then(|| rule.empty.as_ref().unwrap_or(&Value::Null))
}

/// The body of an answer that has one.
pub(super) fn written(kind: ResponseKind, reply: &UpstreamReply) -> Option<Cow<'_, str>> {
    match kind {
        ResponseKind::Json => Some(sound(&reply.body)?.into()),
        ResponseKind::Text => {
            let text = std::str::from_utf8(&reply.body).ok()?;
            Some(Value::from(text).to_string().into())
        }
        ResponseKind::Bytes => {
            let kind = reply.content_type.as_ref();
            let kind = kind.and_then(|kind| kind.to_str().ok());
            let data = BASE64_STANDARD.encode(&reply.body);
            let data = json!({"content_type": kind, "data": data});
            Some(data.to_string().into())
        }
    }
}
