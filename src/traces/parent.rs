//! What a client says about the trace that its request belongs to (W3C Trace Context, level 1):
//! strictly as the standard has it, or nothing.

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

use crate::domain::span::ParentContext;

/// Longer ones are dropped (section 3.3.1.5 asks for at least 512 characters).
const MAX_TRACESTATE: usize = 512;

/// A context with the client's span in it; `None` where there is none or it is malformed.
pub(super) fn context(parent: &ParentContext<'_>) -> Option<Context> {
    let (trace, span, flags) = traceparent(parent.traceparent.as_deref()?)?;
    let state = parent.tracestate.as_deref().and_then(tracestate);
    let remote = SpanContext::new(trace, span, flags, true, state.unwrap_or_default());
    remote
        .is_valid()
        .then(|| Context::new().with_remote_span_context(remote))
}

/// Section 3.2: `version-traceid-parentid-flags` in lower case hexadecimal. Later versions may have
/// more after that.
fn traceparent(text: &str) -> Option<(TraceId, SpanId, TraceFlags)> {
    let (head, more) = text.split_at_checked(55)?;
    let parts: Vec<&str> = head.split('-').collect();
    let [version, trace, span, flags] = parts.as_slice() else {
        return None;
    };
    let well_formed = hexadecimal(version, 2)
        && hexadecimal(trace, 32)
        && hexadecimal(span, 16)
        && hexadecimal(flags, 2);
    let fits = match *version {
        "00" => more.is_empty(),
        "ff" => false,
        _ => more.is_empty() || more.starts_with('-'),
    };
    if !well_formed || !fits {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?);
    Some((
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(span).ok()?,
        flags & TraceFlags::SAMPLED,
    ))
}

fn hexadecimal(text: &str, digits: usize) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == digits && text.bytes().all(digit)
}

fn tracestate(text: &str) -> Option<TraceState> {
    let visible = |byte: u8| (b' '..=b'~').contains(&byte) || byte == b'\t';
    let fits = text.len() <= MAX_TRACESTATE && text.bytes().all(visible);
    let state: TraceState = fits.then(|| text.parse().ok())??;
    // Around a member there may be a tab, but none in it (section 3.3.1.3).
    (!state.header().contains('\t')).then_some(state)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WELL_FORMED: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

    fn of(traceparent: &str, tracestate: Option<&str>) -> Option<SpanContext> {
        let parent = ParentContext {
            traceparent: Some(traceparent.into()),
            tracestate: tracestate.map(Into::into),
        };
        Some(context(&parent)?.span().span_context().clone())
    }

    #[test]
    fn a_well_formed_parent_is_taken_over() {
        let parent = of(WELL_FORMED, Some("vendor=value,\tother=1")).unwrap();
        assert_eq!(
            parent.trace_id().to_string(),
            "0af7651916cd43dd8448eb211c80319c"
        );
        assert_eq!(parent.span_id().to_string(), "00f067aa0ba902b7");
        assert!(parent.is_sampled() && parent.is_remote());
        assert_eq!(parent.trace_state().header(), "vendor=value,other=1");
        // Unknown flags mean nothing; a later version may say more.
        for (text, sampled) in [
            (WELL_FORMED.replace("-01", "-00"), false),
            (WELL_FORMED.replace("-01", "-fe"), false),
            (WELL_FORMED.replace("-01", "-ff"), true),
            (WELL_FORMED.replacen("00-", "cc-", 1), true),
            (WELL_FORMED.replacen("00-", "cc-", 1) + "-more", true),
        ] {
            assert_eq!(of(&text, None).unwrap().is_sampled(), sampled, "{text}");
        }
    }

    #[test]
    fn a_malformed_parent_is_none() {
        for text in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01-more",
            "cc-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01more",
            "ff-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "00-0AF7651916CD43DD8448EB211C80319C-00F067AA0BA902B7-01",
            "+0-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-+1",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c00-f067aa0ba902b7-01",
            " 00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
        ] {
            assert_eq!(of(text, None), None, "{text}");
        }
    }

    #[test]
    fn a_malformed_state_is_dropped_and_the_parent_stays() {
        let long = format!("a={}", "x".repeat(MAX_TRACESTATE));
        for state in ["no pair", "A=1", "a=ü", "a=1\n", "a=1\t2", &long] {
            let parent = of(WELL_FORMED, Some(state)).unwrap();
            assert_eq!(parent.trace_state().header(), "", "{state}");
        }
    }

    proptest! {
        #[test]
        fn foreign_texts_never_panic(text in "\\PC{0,80}", state in "\\PC{0,80}") {
            let _ = of(&text, Some(&state));
        }
    }
}
