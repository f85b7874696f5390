//! The requests of a connection: each is counted until its answer has been handed over.
//!
//! The flow control of HTTP/2 is not seen at the socket. So large answers are handed over in
//! pieces, and the last byte of one is a piece of its own: hyper keeps it until the client has made
//! room for it. A client that takes nothing is noticed, and holds one piece instead of all.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, HttpBody};
use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, Version};
use http_body::{Frame, SizeHint};
use tokio::sync::watch;
use tower::Service;

use super::activity::Activity;
use super::{Mode, Peer};
use crate::http::router::Routes;

const PIECE: usize = 64 * 1024;
/// Smaller answers fit into any sensible window, and into a few buffers that nobody empties.
const LARGE: usize = 4 * 1024;

/// The routes for one connection.
#[derive(Clone)]
pub(super) struct Requests {
    pub(super) routes: Routes,
    pub(super) peer: Peer,
    pub(super) activity: Arc<Activity>,
    pub(super) mode: watch::Receiver<Mode>,
}

impl<B> Service<Request<B>> for Requests
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<axum::BoxError>,
{
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let http2 = request.version() == Version::HTTP_2;
        let ticket = Ticket::new(&self.activity, http2);
        request.extensions_mut().insert(self.peer);
        let answer = self.routes.answer(request.map(Body::new));
        let mode = self.mode.clone();
        Box::pin(answer.map(move |mut answer| {
            if !http2 && mode.borrow().stopped.is_some() {
                let close = HeaderValue::from_static("close");
                answer.headers_mut().insert(CONNECTION, close);
            }
            Ok(answer.map(|body| Answer::new(body, ticket)))
        }))
    }
}

/// A request that is not over yet.
struct Ticket {
    activity: Arc<Activity>,
    number: u64,
    http2: bool,
    finished: bool,
}

impl Ticket {
    fn new(activity: &Arc<Activity>, http2: bool) -> Self {
        Self {
            activity: activity.clone(),
            number: activity.request(http2),
            http2,
            finished: false,
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.activity.over(self.number, self.finished);
    }
}

/// The body of an answer, in pieces.
pub(super) struct Answer {
    body: Body,
    rest: Bytes,
    ticket: Ticket,
}

impl Answer {
    fn new(body: Body, mut ticket: Ticket) -> Self {
        ticket.finished = body.is_end_stream();
        ticket.activity.answered(ticket.number, true);
        Self {
            body,
            rest: Bytes::new(),
            ticket,
        }
    }

    fn piece(&mut self, mut bytes: Bytes) -> Frame<Bytes> {
        let end = match bytes.len() {
            length @ LARGE..=PIECE if self.ticket.http2 => length - 1,
            length => length.min(PIECE),
        };
        self.rest = bytes.split_off(end);
        self.ticket.finished = self.is_end_stream();
        Frame::data(bytes)
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let result = if self.rest.is_empty() {
            Pin::new(&mut self.body).poll_frame(cx)
        } else {
            Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))))
        };
        let (activity, number) = (&self.ticket.activity, self.ticket.number);
        activity.answered(number, result.is_ready());
        result.map(|frame| match frame {
            Some(Ok(frame)) => Some(Ok(match frame.into_data() {
                Ok(bytes) => self.piece(bytes),
                Err(trailers) => trailers,
            })),
            other => {
                self.ticket.finished = true;
                other
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.len() as u64;
        let mut hint = self.body.size_hint();
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper + rest);
        }
        hint.set_lower(hint.lower() + rest);
        hint
    }
}
