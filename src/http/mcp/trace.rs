//! The span of a message, where traces are on: what `params._meta` says about its parent (MCP
//! 2026-07-28, "OpenTelemetry trace context"), and whose message it is.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::origin::Origin;
use crate::domain::span::{Attribute, ParentContext, Tracer};
use crate::gateway::Visit;

#[derive(Deserialize)]
struct Params<'a> {
    #[serde(borrow, rename = "_meta")]
    meta: Meta<'a>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow)]
    traceparent: Option<&'a RawValue>,
    #[serde(borrow)]
    tracestate: Option<&'a RawValue>,
}

/// The message's origin with a span in it; `None` where it is not traced.
pub(super) fn begin(
    tracer: &dyn Tracer,
    visit: &Visit,
    method: &'static str,
    params: Option<&RawValue>,
    origin: &Origin,
) -> Option<Origin> {
    let span = tracer.request(method, &parent(params).unwrap_or_default())?;
    let traced = origin.traced(span);
    traced.note(Attribute::Organization(&visit.tenant().slug));
    traced.note(Attribute::Environment(&visit.tenant().environment));
    Some(traced)
}

/// Whatever is not as it should be is as if it were not there: a request is not refused for it.
pub(super) fn parent(params: Option<&RawValue>) -> Option<ParentContext<'_>> {
    let Params { meta } = serde_json::from_str(params?.get()).ok()?;
    Some(ParentContext {
        traceparent: meta.traceparent.and_then(text),
        tracestate: meta.tracestate.and_then(text),
    })
}

fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    serde_json::from_str(raw.get()).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traceparent(params: &str) -> Option<String> {
        let raw: Box<RawValue> = serde_json::from_str(params).unwrap();
        let found = parent(Some(&raw))?.traceparent?;
        Some(found.into_owned())
    }

    #[test]
    fn only_a_text_is_a_parent() {
        let parent =
            |value: &str| traceparent(&format!(r#"{{"_meta":{{"traceparent":{value}}}}}"#));
        assert_eq!(parent(r#""0\u0030-a""#).as_deref(), Some("00-a"));
        for other in ["null", "7", "[]", "{}", "true"] {
            assert_eq!(parent(other), None, "{other}");
        }
        for params in [
            "[]",
            "{}",
            "7",
            r#"{"_meta":null}"#,
            r#"{"_meta":[]}"#,
            r#"{"_meta":{}}"#,
            r#"{"_meta":{"traceparent":"a","traceparent":"b"}}"#,
            r#"{"traceparent":"a"}"#,
        ] {
            assert_eq!(traceparent(params), None, "{params}");
        }
    }
}
