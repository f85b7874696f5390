//! The methods: what a well-formed message asks for, and the answer to it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::header::HeaderMap;
use http::{Response, StatusCode};
use rmcp::model::{
    DiscoverResult, ErrorCode, Implementation, InitializeResult, ProtocolVersion,
    ServerCapabilities, SubscriptionFilter,
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::envelope::{self, BadEnvelope, Envelope};
use super::era::{self, Era, EraError};
use super::listen::{self, Full};
use super::refusal::LISTENERS;
use super::{Mcp, meters, reply, trace};
use crate::domain::call::Arguments;
use crate::domain::origin::Origin;
use crate::domain::span::Attribute;
use crate::gateway::{NotCalled, Visit};

/// How long a client may keep a list or a discovery without asking again.
const TTL: Duration = Duration::from_secs(60);

/// In bytes.
const MAX_SUBSCRIPTION_ID: usize = 256;

const INVALID_PARAMS: (&str, ErrorCode) = ("invalid_params", ErrorCode::INVALID_PARAMS);

const INSTRUCTIONS: &str = "Tools of one organization at its providers. Every answer concerns \
    that organization only. Confirm with the user before calling a tool that changes data.";

/// One message, already known to be this visit's.
struct Message<'a> {
    id: &'a RawValue,
    params: Option<&'a RawValue>,
    era: Era,
    origin: &'a Origin,
}

pub(super) async fn answer(
    mcp: &Arc<Mcp>,
    visit: Visit,
    headers: &HeaderMap,
    body: &[u8],
    origin: &Origin,
) -> Response<Body> {
    let request_id = origin.id().as_str();
    let envelope = match envelope::parse(body) {
        Ok(envelope) => envelope,
        Err(bad) => return bad_envelope(mcp, &bad, body, request_id),
    };
    let era = match era::of(headers, &envelope) {
        Ok(era) => era,
        Err(error) => return bad_era(mcp, &error, envelope.id, request_id),
    };
    let Envelope { id, method, params } = envelope;
    let known = meters::known_method(&method);
    mcp.meters.requests.count(known);
    let Some(id) = id else { return accepted() };
    let tracer = mcp.tracer.as_deref();
    let traced = tracer.and_then(|tracer| trace::begin(tracer, &visit, known, params, origin));
    let origin = traced.as_ref().unwrap_or(origin);
    let _span = origin.span();
    let message = Message {
        id,
        params,
        era,
        origin,
    };
    match (&*method, era) {
        ("initialize", Era::Legacy) => initialize(&message),
        ("ping", Era::Legacy) => reply::result(id, era, &[]),
        ("server/discover", Era::Modern) => discover(&message),
        ("tools/list", _) => list(mcp, &visit, &message),
        ("tools/call", _) => call(mcp, &visit, &message).await,
        ("subscriptions/listen", Era::Modern) => subscribe(mcp, visit, &message),
        _ => unknown_method(mcp, &message),
    }
}

/// Notifications are taken note of and not answered.
fn accepted() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}

fn initialize(message: &Message<'_>) -> Response<Body> {
    #[derive(Default, Deserialize)]
    struct Params {
        #[serde(rename = "protocolVersion")]
        version: Option<ProtocolVersion>,
    }
    let params: Params = parse(message.params).unwrap_or_default();
    let asked = params.version.filter(|version| {
        version.has_initialize() && era::supported().any(|known| known == version)
    });
    let version = asked.unwrap_or(ProtocolVersion::LATEST_WITH_INITIALIZE);
    let result = InitializeResult::new(capabilities())
        .with_protocol_version(version)
        .with_server_info(server())
        .with_instructions(INSTRUCTIONS);
    object(message, &result)
}

fn discover(message: &Message<'_>) -> Response<Body> {
    let mut result = DiscoverResult::new(era::supported().cloned().collect(), capabilities())
        .with_server_info(server())
        .with_ttl_ms(ttl());
    result.instructions = Some(INSTRUCTIONS.to_owned());
    object(message, &result)
}

fn list(mcp: &Mcp, visit: &Visit, message: &Message<'_>) -> Response<Body> {
    #[derive(Default, Deserialize)]
    struct Params {
        cursor: Option<String>,
    }
    let params: Params = parse(message.params).unwrap_or_default();
    if params.cursor.is_some() {
        return in_band(
            mcp,
            message,
            INVALID_PARAMS,
            "the list has one page: no cursor",
        );
    }
    let tools = mcp.lists.tools(visit);
    let tools = format!("\"tools\":{tools}");
    match message.era {
        Era::Legacy => reply::result(message.id, message.era, &[&tools]),
        Era::Modern => {
            let hints = format!("\"ttlMs\":{},\"cacheScope\":\"private\"", ttl());
            reply::result(message.id, message.era, &[&tools, &hints])
        }
    }
}

/// A stream; of what can be asked for there, tool lists are what changes here.
fn subscribe(mcp: &Arc<Mcp>, visit: Visit, message: &Message<'_>) -> Response<Body> {
    #[derive(Deserialize)]
    struct Params {
        notifications: SubscriptionFilter,
    }
    let Some(params) = parse::<Params>(message.params) else {
        let text = "`params` needs `notifications`, an object of what to listen for";
        return in_band(mcp, message, INVALID_PARAMS, text);
    };
    if message.id.get().len() > MAX_SUBSCRIPTION_ID {
        let text = "the id of a subscription, which is kept as long as that, is too long";
        return in_band(mcp, message, INVALID_PARAMS, text);
    }
    let stream = listen::modern(mcp, visit, message.id, &params.notifications);
    stream.unwrap_or_else(|Full| {
        let kind = ("too_many_listeners", ErrorCode::INTERNAL_ERROR);
        in_band(mcp, message, kind, LISTENERS)
    })
}

async fn call(mcp: &Mcp, visit: &Visit, message: &Message<'_>) -> Response<Body> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
        #[serde(default)]
        arguments: Option<Arguments>,
    }
    let Some(params) = parse::<Params<'_>>(message.params) else {
        let text = "`params` needs `name`, a string, and may have `arguments`, an object";
        return in_band(mcp, message, INVALID_PARAMS, text);
    };
    let arguments = params.arguments.unwrap_or_default();
    let call = mcp
        .gateway
        .call(visit, &params.name, arguments, message.origin);
    let patience = mcp.limits.peek().call_timeout;
    match tokio::time::timeout(patience, call).await {
        Ok(Ok(outcome)) => reply::call(message.id, message.era, &outcome),
        Ok(Err(NotCalled::Unrecorded)) => unrecorded(mcp, message),
        Ok(Err(NotCalled::UnknownTool)) => {
            let name: String = params.name.chars().take(128).collect();
            let kind = ("unknown_tool", ErrorCode::INVALID_PARAMS);
            in_band(mcp, message, kind, &format!("Unknown tool: {name}"))
        }
        Err(_) => timed_out(mcp, visit, &params.name, message),
        Ok(Err(NotCalled::Abandoned)) => {
            let kind = ("call_timeout", ErrorCode::INTERNAL_ERROR);
            in_band(
                mcp,
                message,
                kind,
                "the call was not made, or did not end in time",
            )
        }
    }
}

/// A write that is kept goes on, and the model should know before it does the same in other words.
fn timed_out(mcp: &Mcp, visit: &Visit, tool: &str, message: &Message<'_>) -> Response<Body> {
    let goes_on = mcp.gateway.goes_on(visit, tool);
    tracing::warn!(
        request_id = %message.origin.id(),
        goes_on,
        "the client of a call was answered by limits.call_timeout"
    );
    let text = match goes_on {
        false => "the call did not end in time",
        true => {
            "the call did not end in time; it goes on, and the same call again gets its answer. \
             Do not make another one instead"
        }
    };
    let kind = ("call_timeout", ErrorCode::INTERNAL_ERROR);
    in_band(mcp, message, kind, text)
}

fn parse<'a, T: Deserialize<'a>>(params: Option<&'a RawValue>) -> Option<T> {
    serde_json::from_str(params?.get()).ok()
}

/// A result that `rmcp` has a type for; its own `resultType` gives way to the era's.
fn object(message: &Message<'_>, result: &impl Serialize) -> Response<Body> {
    let mut value = serde_json::to_value(result).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.remove("resultType");
    }
    let text = value.to_string();
    let members = text
        .strip_prefix('{')
        .and_then(|text| text.strip_suffix('}'));
    reply::result(message.id, message.era, &[members.unwrap_or_default()])
}

fn capabilities() -> ServerCapabilities {
    ServerCapabilities::builder()
        .enable_tools()
        .enable_tool_list_changed()
        .build()
}

fn server() -> Implementation {
    Implementation::new("locum", env!("CARGO_PKG_VERSION")).with_title("Locum")
}

fn ttl() -> u64 {
    u64::try_from(TTL.as_millis()).unwrap_or(0)
}

/// An error of the request's own: status 200, but for what 2026-07-28 gives a status.
fn in_band(
    mcp: &Mcp,
    message: &Message<'_>,
    (kind, code): (&'static str, ErrorCode),
    text: &str,
) -> Response<Body> {
    mcp.meters.errors.count(kind);
    message.origin.note(Attribute::Outcome(kind));
    let data = json!({"request_id": message.origin.id().as_str()});
    reply::error(StatusCode::OK, Some(message.id), code, text, Some(&data))
}

/// The call was not made: what cannot be recorded does not happen (`audit.strict`).
fn unrecorded(mcp: &Mcp, message: &Message<'_>) -> Response<Body> {
    const CODE: &str = "audit_unavailable";
    mcp.meters.errors.count(CODE);
    message.origin.note(Attribute::Outcome(CODE));
    let data = json!({"code": CODE, "request_id": message.origin.id().as_str()});
    reply::error(
        StatusCode::SERVICE_UNAVAILABLE,
        Some(message.id),
        ErrorCode::INTERNAL_ERROR,
        "the call was not made, because it cannot be recorded at present; try again later",
        Some(&data),
    )
}

fn unknown_method(mcp: &Mcp, message: &Message<'_>) -> Response<Body> {
    mcp.meters.errors.count("unknown_method");
    message.origin.note(Attribute::Outcome("unknown_method"));
    let status = match message.era {
        Era::Legacy => StatusCode::OK,
        Era::Modern => StatusCode::NOT_FOUND,
    };
    let text = "Method not found";
    reply::error(
        status,
        Some(message.id),
        ErrorCode::METHOD_NOT_FOUND,
        text,
        None,
    )
}

fn bad_envelope(mcp: &Mcp, bad: &BadEnvelope, body: &[u8], request_id: &str) -> Response<Body> {
    let (kind, code, text) = match bad {
        BadEnvelope::Syntax => ("parse_error", ErrorCode::PARSE_ERROR, "the body is no JSON"),
        BadEnvelope::Invalid(text) => ("invalid_request", ErrorCode::INVALID_REQUEST, *text),
    };
    mcp.meters.errors.count(kind);
    let data = json!({"request_id": request_id});
    reply::error(
        StatusCode::BAD_REQUEST,
        envelope::peek_id(body),
        code,
        text,
        Some(&data),
    )
}

fn bad_era(mcp: &Mcp, error: &EraError, id: Option<&RawValue>, request_id: &str) -> Response<Body> {
    mcp.meters.errors.count(error.kind());
    let data = match &error.unsupported {
        Some(requested) => json!({
            "supported": era::supported().collect::<Vec<_>>(),
            "requested": requested,
        }),
        None => json!({"request_id": request_id}),
    };
    reply::error(
        StatusCode::BAD_REQUEST,
        id,
        error.code,
        &error.message,
        Some(&data),
    )
}
