//! The only constructor of HTTP clients, and the only reader of foreign answers.
//!
//! No redirects, no system proxies, addresses by policy, bounded times and bounded sizes. Errors
//! carry no URL, because a URL has a query and a query has patients in it.
//!
//! ```text
//! send ─ the URL: scheme, literal address  ─ pooled connection, or
//!      ─ name → addresses → those allowed  ─ TCP, or CONNECT by the proxy ─ TLS ─ request, answer
//! ```

mod body;
mod failure;
mod proxy;
mod resolver;
mod retry_after;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use http::header::HeaderMap;

pub use failure::NetFailure;
pub use proxy::{ProxyCredentials, ProxyFileError, ProxySettings, read_proxy_credentials};
pub use resolver::{Lookup, Resolver, SystemResolver};
pub use retry_after::retry_after;
pub use tls::{CaFileError, ExtraRoots, read_ca_file, tls_config};

use crate::domain::destination::{Destinations, HostName};

/// Shorter than the minute after which common load balancers close a connection that nobody uses:
/// a request on a connection that is just being closed would be lost.
const IDLE: Duration = Duration::from_secs(50);

/// How outgoing connections behave.
#[derive(Clone)]
pub struct NetSettings {
    pub connect_timeout: Duration,
    /// From the first byte sent to the last byte received.
    pub request_timeout: Duration,
    pub destinations: Destinations,
    /// Goes with `destinations.proxy`.
    pub proxy: Option<ProxySettings>,
    /// Authorities besides the public ones.
    pub extra_roots: ExtraRoots,
}

/// An answer, read to its end. No `Debug`: it may hold secrets or patient data.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// An HTTP client.
#[derive(Clone)]
pub struct Net {
    client: reqwest::Client,
    plan: Arc<Plan>,
}

/// What clients are made by.
struct Plan {
    connect_timeout: Duration,
    request_timeout: Duration,
    destinations: Arc<Destinations>,
    proxy: Option<ProxySettings>,
    tls: rustls::ClientConfig,
    resolver: Arc<dyn Resolver>,
}

impl Net {
    /// Makes a client; the process installs rustls' crypto provider before.
    pub fn new(settings: NetSettings, resolver: Arc<dyn Resolver>) -> Result<Self, reqwest::Error> {
        Self::by(Arc::new(Plan {
            connect_timeout: settings.connect_timeout,
            request_timeout: settings.request_timeout,
            destinations: Arc::new(settings.destinations),
            proxy: settings.proxy,
            tls: tls::tls_config(&settings.extra_roots),
            resolver,
        }))
    }

    /// Another client like this one, with connections of its own. A connection is served by the threads that opened it,
    /// whoever uses it afterwards.
    pub fn apart(&self) -> Result<Self, reqwest::Error> {
        Self::by(self.plan.clone())
    }

    fn by(plan: Arc<Plan>) -> Result<Self, reqwest::Error> {
        let checked = resolver::Checked {
            resolver: plan.resolver.clone(),
            destinations: plan.destinations.clone(),
        };
        #[expect(
            clippy::disallowed_methods,
            reason = "net is the only constructor of clients"
        )]
        let mut client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            // Without HTTP/2 it never does, but keeps a copy of every request for it.
            .retry(reqwest::retry::never().max_retries_per_request(0))
            .no_proxy()
            .dns_resolver(Arc::new(checked))
            .tls_backend_preconfigured(plan.tls.clone())
            .connect_timeout(plan.connect_timeout)
            .timeout(plan.request_timeout)
            .pool_idle_timeout(IDLE)
            .tcp_nodelay(true)
            .user_agent(concat!("locum/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &plan.proxy {
            client = client.proxy(proxy::proxy(proxy.clone(), plan.destinations.clone()));
        }
        let client = client.build()?;
        Ok(Self { client, plan })
    }

    /// Sends a request and reads at most `limit` bytes of answer, counted after decompression.
    pub async fn send(
        &self,
        request: reqwest::Request,
        limit: usize,
    ) -> Result<Answer, NetFailure> {
        // Literal addresses reach the connector without being resolved.
        if let Err(refused) = self.plan.destinations.check(request.url()) {
            tracing::warn!(%refused, "no request was sent");
            return Err(NetFailure::Forbidden);
        }
        let response = self.client.execute(request).await;
        let mut response = response.map_err(|error| self.failed(&error))?;
        let announced = response.content_length().unwrap_or(0);
        if announced > limit as u64 {
            return Err(NetFailure::TooLarge(limit));
        }
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = body::read(response, limit).await?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// What lasts until somebody changes something is said in the log, with host and cause.
    fn failed(&self, error: &reqwest::Error) -> NetFailure {
        let host = error.url().and_then(HostName::of);
        let goes_by_proxy = |host: &HostName| self.plan.destinations.goes_by_proxy(host);
        let by_proxy = host.as_ref().is_some_and(goes_by_proxy);
        let failure = match NetFailure::of(error) {
            NetFailure::Connect if by_proxy => NetFailure::Proxy,
            failure => failure,
        };
        if failure.needs_an_operator() {
            let (host, cause) = (host.map(tracing::field::display), failure::cause(error));
            tracing::warn!(host, cause, "an upstream cannot be reached: {failure}");
        }
        failure
    }
}
