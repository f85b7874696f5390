//! The only constructor of HTTP clients, and the only reader of foreign answers.
//!
//! No redirects, no system proxies, bounded times and bounded sizes. Errors carry no URL, because
//! a URL has a query and a query has patients in it.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::{HeaderMap, RETRY_AFTER};

/// How outgoing connections behave.
#[derive(Debug, Clone, Copy)]
pub struct NetSettings {
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte received.
    pub request_timeout: Duration,
}

impl Default for NetSettings {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Why there was no whole answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetFailure {
    #[error("no connection could be made")]
    Connect,
    #[error("no complete answer came in time")]
    Timeout,
    #[error("the connection broke before the answer was complete")]
    Interrupted,
    #[error("the answer is larger than {0} bytes")]
    TooLarge(usize),
    #[error("the request could not be formed")]
    Request,
}

/// An answer, read to its end. No `Debug`: it may hold secrets or patient data.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An HTTP client.
#[derive(Debug, Clone)]
pub struct Net {
    client: reqwest::Client,
}

impl Net {
    /// Makes a client; the process installs rustls' crypto provider before.
    pub fn new(settings: NetSettings) -> Result<Self, reqwest::Error> {
        #[expect(
            clippy::disallowed_methods,
            reason = "net is the only constructor of clients"
        )]
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(settings.connect_timeout)
            .timeout(settings.request_timeout)
            .pool_idle_timeout(Duration::from_secs(60))
            .tcp_nodelay(true)
            .user_agent(concat!("locum/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { client })
    }

    /// Sends a request and reads at most `limit` bytes of answer, counted after decompression.
    pub async fn send(
        &self,
        request: reqwest::Request,
        limit: usize,
    ) -> Result<Answer, NetFailure> {
        let mut response = self
            .client
            .execute(request)
            .await
            .map_err(|error| failure(&error))?;
        let announced = response.content_length().unwrap_or(0);
        if announced > limit as u64 {
            return Err(NetFailure::TooLarge(limit));
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = read(response, limit).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

async fn read(mut response: reqwest::Response, limit: usize) -> Result<Bytes, NetFailure> {
    let next = |error: reqwest::Error| failure(&error);
    let Some(first) = response.chunk().await.map_err(next)? else {
        return Ok(Bytes::new());
    };
    let Some(second) = response.chunk().await.map_err(next)? else {
        return if first.len() <= limit {
            Ok(first)
        } else {
            Err(NetFailure::TooLarge(limit))
        };
    };
    let mut body = BytesMut::from(first.as_ref());
    let mut chunk = Some(second);
    while let Some(bytes) = chunk {
        if body.len() + bytes.len() > limit {
            return Err(NetFailure::TooLarge(limit));
        }
        body.extend_from_slice(&bytes);
        chunk = response.chunk().await.map_err(next)?;
    }
    Ok(body.freeze())
}

fn failure(error: &reqwest::Error) -> NetFailure {
    if error.is_timeout() {
        NetFailure::Timeout
    } else if error.is_connect() {
        NetFailure::Connect
    } else if error.is_builder() {
        NetFailure::Request
    } else {
        NetFailure::Interrupted
    }
}

/// The seconds of a `Retry-After` header (RFC 9110, section 10.2.3); dates are not understood.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}
