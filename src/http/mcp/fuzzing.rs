//! What the front door makes of foreign bytes, for `fuzz/`: exists with `--cfg fuzzing` only.

use std::borrow::Cow;

use http::HeaderMap;
use http::request::Parts;

use super::envelope::BadEnvelope;
use super::era::Era;
use super::{McpSettings, envelope, era, headers, trace};
use crate::domain::bearer_secret::{PresentedKey, SecretKind};
use crate::gateway::Selection;
use crate::http::bearer;

/// A message that passed as JSON-RPC.
pub struct Message<'a> {
    pub id: Option<&'a str>,
    pub method: Cow<'a, str>,
    pub params: Option<&'a str>,
    /// Whether it is of a stateless revision; otherwise what the refusal repeats of the request.
    pub is_modern: Result<bool, String>,
    pub traceparent: Option<String>,
}

/// `Err` says whether the body was not even JSON.
pub fn message<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Message<'a>, bool> {
    let envelope = envelope::parse(body).map_err(|bad| bad == BadEnvelope::Syntax)?;
    let era = era::of(headers, &envelope);
    let parent = trace::parent(envelope.params).unwrap_or_default();
    Ok(Message {
        id: envelope.id.map(|id| id.get()),
        params: envelope.params.map(|params| params.get()),
        method: envelope.method,
        is_modern: match era {
            Ok(era) => Ok(era == Era::Modern),
            Err(refused) => Err(refused.unsupported.unwrap_or_default()),
        },
        traceparent: parent.traceparent.map(Cow::into_owned),
    })
}

/// The id that a refusal repeats.
pub fn peek_id(body: &[u8]) -> Option<&str> {
    envelope::peek_id(body).map(|id| id.get())
}

/// `None` is a request that is refused.
pub fn selection(parts: &Parts, settings: &McpSettings) -> Option<Selection> {
    headers::selection(parts, settings).ok()
}

pub fn presented_key(headers: &HeaderMap) -> Option<PresentedKey<'_>> {
    bearer::presented(headers, SecretKind::GatewayKey)
}

pub fn has_duplicates(headers: &HeaderMap) -> bool {
    headers::refuse_duplicates(headers).is_err()
}
