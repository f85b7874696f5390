//! Listening: a stream on which a client is told that its tool list changed.
//!
//! ```text
//! 2025-11-25  GET                        → list_changed …
//! 2026-07-28  POST subscriptions/listen  → acknowledged → list_changed … → result
//! ```
//!
//! A stream is its key's: it ends when the key does, or its access to the tenant, and when the
//! server stops. What it says depends on the tenant's own list alone.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap};
use http::{HeaderName, HeaderValue, Response};
use rmcp::model::SubscriptionFilter;
use serde_json::json;
use serde_json::value::RawValue;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Mcp;
use super::headers::PROTOCOL_VERSION;
use crate::domain::meter::{Gauge, Held, Meters};
use crate::domain::seats::{Seat, Seats};
use crate::gateway::Visit;

/// Between two signs of life: less than proxies keep a silent connection for.
const SIGN_OF_LIFE: Duration = Duration::from_secs(25);
/// All streams, and those of one key, where there are connections enough.
const MAX_STREAMS: usize = 10_000;
const MAX_STREAMS_OF_KEY: usize = 1_000;

const CHANGED: &str = "notifications/tools/list_changed";
const SUBSCRIPTION: &str = "io.modelcontextprotocol/subscriptionId";

/// Who listens.
pub(super) struct Listeners {
    stop: watch::Receiver<bool>,
    seats: Arc<Seats>,
    open: Gauge,
}

/// What is said on a stream, and in which words.
enum Words {
    Legacy,
    Modern { id: Box<RawValue>, changes: bool },
}

struct Stream {
    mcp: Arc<Mcp>,
    _seat: (Seat, Held),
    visit: Visit,
    /// The list that the client could have read last.
    list: Arc<str>,
    words: Words,
    changes: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    /// When a sign of life is due.
    silent_until: Instant,
    state: State,
}

enum State {
    Begun,
    Open,
    Over,
}

#[derive(PartialEq, Eq)]
enum Woken {
    Change,
    Time,
    End,
}

/// There are as many streams as there may be.
pub(super) struct Full;

impl Listeners {
    /// Streams hold connections, of which others need some, too.
    pub(super) fn new(
        stop: watch::Receiver<bool>,
        max_connections: usize,
        meters: &Meters,
    ) -> Self {
        let help = "Streams on which clients wait for changes of their tool lists";
        let all = MAX_STREAMS.min(max_connections / 2);
        let of_key = MAX_STREAMS_OF_KEY.min(max_connections / 20);
        Self {
            stop,
            seats: Seats::new(all, of_key.max(1)),
            open: meters.gauge("locum_mcp_listeners", help, &[]),
        }
    }
}

/// Whether a GET asks for a stream: of the revisions that have one.
pub(super) fn is_asked(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(ACCEPT).iter().any(|value| {
        let text = value.to_str().unwrap_or_default();
        text.split(',')
            .filter_map(|kind| kind.split(';').next())
            .any(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
    });
    let version = headers.get(&PROTOCOL_VERSION);
    let modern = rmcp::model::ProtocolVersion::V_2026_07_28;
    accepts && version.is_none_or(|version| version.as_bytes() < modern.as_str().as_bytes())
}

/// The stream of a client that asked with GET.
pub(super) fn legacy(mcp: &Arc<Mcp>, visit: Visit) -> Result<Response<Body>, Full> {
    open(mcp, visit, Words::Legacy)
}

/// The stream of a client that sent `subscriptions/listen`.
pub(super) fn modern(
    mcp: &Arc<Mcp>,
    visit: Visit,
    id: &RawValue,
    asked: &SubscriptionFilter,
) -> Result<Response<Body>, Full> {
    let words = Words::Modern {
        id: id.to_owned(),
        changes: asked.tools_list_changed == Some(true),
    };
    open(mcp, visit, words)
}

fn open(mcp: &Arc<Mcp>, visit: Visit, words: Words) -> Result<Response<Body>, Full> {
    let listeners = &mcp.listeners;
    let seat = listeners.seats.take(&visit.principal().id).ok_or(Full)?;
    // What changed since the visit began is looked at, too.
    let mut changes = mcp.gateway.changes();
    changes.mark_changed();
    let stream = Stream {
        mcp: mcp.clone(),
        _seat: (seat, listeners.open.hold()),
        list: mcp.lists.tools(&visit),
        visit,
        words,
        changes,
        stop: listeners.stop.clone(),
        silent_until: Instant::now() + SIGN_OF_LIFE,
        state: State::Begun,
    };
    let events = futures_util::stream::unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((Ok::<_, std::convert::Infallible>(event), stream))
    });
    let mut response = Response::new(Body::from_stream(events));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would keep events until it has a buffer full of them.
    let unbuffered = HeaderName::from_static("x-accel-buffering");
    headers.insert(unbuffered, HeaderValue::from_static("no"));
    Ok(response)
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        let event = self.next_event().await;
        self.silent_until = Instant::now() + SIGN_OF_LIFE;
        event
    }

    async fn next_event(&mut self) -> Option<Bytes> {
        match self.state {
            State::Over => return None,
            State::Begun => {
                self.state = State::Open;
                return Some(self.words.beginning());
            }
            State::Open => {}
        }
        loop {
            let woken = tokio::select! {
                _ = self.stop.wait_for(|stop| *stop) => Woken::End,
                changed = self.changes.changed() => match changed {
                    Ok(()) => Woken::Change,
                    Err(_) => Woken::End,
                },
                () = tokio::time::sleep_until(self.silent_until) => Woken::Time,
            };
            if woken == Woken::End {
                return self.end();
            }
            let mcp = &self.mcp;
            let Ok(visit) = mcp.gateway.revisit(&self.visit) else {
                return self.end();
            };
            let list = mcp.lists.tools(&visit);
            self.visit = visit;
            if std::mem::replace(&mut self.list, list.clone()) != list
                && let Some(event) = self.words.change()
            {
                return Some(event);
            }
            if woken == Woken::Time {
                return Some(Bytes::from_static(b":\n\n"));
            }
        }
    }

    fn end(&mut self) -> Option<Bytes> {
        self.state = State::Over;
        self.words.end()
    }
}

impl Words {
    /// What says that the stream is open.
    fn beginning(&self) -> Bytes {
        match self {
            Self::Legacy => Bytes::from_static(b":\n\n"),
            Self::Modern { id, changes } => {
                let mut accepted = SubscriptionFilter::default();
                accepted.tools_list_changed = changes.then_some(true);
                let accepted = json!(accepted);
                let acknowledged = "notifications/subscriptions/acknowledged";
                let rest = format!(r#","notifications":{accepted}"#);
                notification(acknowledged, id, &rest)
            }
        }
    }

    fn change(&self) -> Option<Bytes> {
        match self {
            Self::Legacy => Some(event(&format!(r#""method":"{CHANGED}""#))),
            Self::Modern { changes: false, .. } => None,
            Self::Modern { id, .. } => Some(notification(CHANGED, id, "")),
        }
    }

    fn end(&self) -> Option<Bytes> {
        match self {
            Self::Legacy => None,
            Self::Modern { id, .. } => {
                let meta = meta(id);
                let result = format!(r#""result":{{"resultType":"complete",{meta}}}"#);
                Some(event(&format!(r#""id":{id},{result}"#)))
            }
        }
    }
}

/// The client's id as it came: a number may be longer than any of ours.
fn meta(id: &RawValue) -> String {
    format!(r#""_meta":{{"{SUBSCRIPTION}":{id}}}"#)
}

fn notification(method: &str, id: &RawValue, rest: &str) -> Bytes {
    let meta = meta(id);
    event(&format!(r#""method":"{method}","params":{{{meta}{rest}}}"#))
}

/// One event (HTML, server-sent events): a JSON-RPC message with these members.
fn event(members: &str) -> Bytes {
    format!("event: message\ndata: {{\"jsonrpc\":\"2.0\",{members}}}\n\n").into()
}
