//! Playing a fault: from a rule to bytes on the wire, or to none.

use std::future::pending;
use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};
use http::StatusCode;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};

use super::bomb;
use super::rule::Fault;
use crate::sandbox::connection::Connection;
use crate::sandbox::endpoint::Endpoint;
use crate::sandbox::refusal::Refusal;

const JSON: &str = "application/json";
const CHUNK: u64 = 64 * 1024;
const PAGE: &str = "<!doctype html><title>Sandbox</title><p>This is not an API.";
const GARBAGE: &[u8] = b"{\"data\": \xff\xfe not json";

/// The faulty answer; `None` when the normal answer is to follow.
pub async fn play(
    fault: &Fault,
    endpoint: Endpoint,
    connection: Option<&Connection>,
) -> Option<Response> {
    match fault {
        Fault::Slow { delay_ms } => {
            tokio::time::sleep(Duration::from_millis(*delay_ms)).await;
            None
        }
        Fault::Hang {} => pending().await,
        Fault::Reset { after_bytes } => {
            if let Some(connection) = connection {
                connection.reset_on_close();
            }
            Some(broken_off(*after_bytes))
        }
        _ => Some(played(fault, endpoint)),
    }
}

/// The faults that are an answer of their own, complete or not.
fn played(fault: &Fault, endpoint: Endpoint) -> Response {
    match fault {
        Fault::Unauthorized {} => Refusal::Unauthorized("The token has expired").answer(endpoint),
        Fault::RateLimited { retry_after_s } => Refusal::RateLimited {
            retry_after_s: *retry_after_s,
        }
        .answer(endpoint),
        Fault::ServerError {
            status,
            retry_after_s,
        } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Refusal::Failed {
                status,
                retry_after_s: *retry_after_s,
            }
            .answer(endpoint)
        }
        Fault::WrongType {} => ([(CONTENT_TYPE, "text/html; charset=utf-8")], PAGE).into_response(),
        Fault::Truncated {} => broken_off(CHUNK),
        Fault::Redirect { location } => {
            (StatusCode::FOUND, [(LOCATION, location.as_str())]).into_response()
        }
        Fault::Huge { size_bytes } => json(Body::from_stream(huge(*size_bytes))),
        Fault::GzipBomb { size_bytes } => {
            let bomb = json(Body::from_stream(bomb::gzip(*size_bytes)));
            ([(CONTENT_ENCODING, "gzip")], bomb).into_response()
        }
        // The rest is garbage, and what `play` has dealt with.
        _ => json(Body::from(GARBAGE)),
    }
}

/// A body that claims to be JSON.
fn json(body: Body) -> Response {
    ([(CONTENT_TYPE, JSON)], body).into_response()
}

/// A body that ends with an error after `sent` bytes, well before the length that was declared.
/// With nothing sent, the error comes before the head has left, so no byte does.
fn broken_off(sent: u64) -> Response {
    let start = usize::try_from(sent.min(CHUNK)).unwrap_or_default();
    let bytes = Bytes::from(vec![b'['; start]);
    let sent_part = stream::iter((!bytes.is_empty()).then_some(Ok(bytes)));
    // The pause lets the server write out what it has before it meets the error.
    let pause = Duration::from_millis(if start == 0 { 0 } else { 20 });
    let error = stream::once(async move {
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let head = [
        (CONTENT_TYPE, JSON.to_owned()),
        (CONTENT_LENGTH, (2 * CHUNK).to_string()),
    ];
    (head, Body::from_stream(sent_part.chain(error))).into_response()
}

/// One JSON string of `size` bytes with its quotes; the same chunk is sent again and again.
fn huge(size: u64) -> impl Stream<Item = io::Result<Bytes>> {
    let chunk = Bytes::from(vec![b'x'; usize::try_from(CHUNK).unwrap_or_default()]);
    let inside = size.saturating_sub(2);
    let chunks = stream::unfold(inside, move |left| {
        let length = usize::try_from(left.min(CHUNK)).unwrap_or_default();
        let piece = chunk.slice(..length);
        async move { (left > 0).then(|| (piece, left.saturating_sub(CHUNK))) }
    });
    let quote = || stream::iter([Bytes::from_static(b"\"")]);
    quote().chain(chunks).chain(quote()).map(Ok)
}
