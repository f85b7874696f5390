//! A proxy that adds headers to every request and changes nothing else: for programs that can send
//! none of their own.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use reqwest::header::{CONNECTION, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use tokio::net::TcpListener;

use super::app::reqwest_client;

struct Target {
    http: reqwest::Client,
    url: String,
    added: HeaderMap,
}

/// Serves on a free port what `url` serves, and returns its own URL.
pub async fn adding<const N: usize>(headers: [(&'static str, &str); N], url: &str) -> String {
    let added = headers.map(|(name, value)| {
        let value = HeaderValue::from_str(value).unwrap();
        (HeaderName::from_static(name), value)
    });
    let target = Target {
        http: reqwest_client(),
        url: url.to_owned(),
        added: HeaderMap::from_iter(added),
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let routes = Router::new().fallback(forward).with_state(Arc::new(target));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    format!("http://{address}")
}

/// `Host` and `Origin` stay what the sender made them.
async fn forward(State(target): State<Arc<Target>>, request: Request) -> Response {
    let (mut parts, body) = request.into_parts();
    parts.headers.remove(CONNECTION);
    parts.headers.remove(TRANSFER_ENCODING);
    parts.headers.extend(target.added.clone());
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let answer = target
        .http
        .request(parts.method, format!("{}{}", target.url, parts.uri))
        .headers(parts.headers)
        .body(body)
        .send()
        .await
        .unwrap();
    axum::http::Response::from(answer).map(Body::new)
}
