//! Tests that drive the router, without a socket except in `wire`.

mod appointments;
mod faults;
mod isolation;
mod lab;
mod login;
mod patients;
mod practice;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Sandbox, Settings};
use crate::domain::clock::ManualClock;

/// A simulator on Monday, 5 January 2026, 11:30 Indian time.
struct Upstream {
    sandbox: Sandbox,
    clock: Arc<ManualClock>,
}

/// A status with the JSON body, or null where the body is none.
type Answer = (u16, Value);

impl Upstream {
    fn new() -> Self {
        Self::with(Settings::default())
    }

    fn with(settings: Settings) -> Self {
        let start = "2026-01-05T06:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock::new(start));
        Self {
            sandbox: Sandbox::new(settings, clock.clone()),
            clock,
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.sandbox.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let bytes = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// A request with the given headers and body.
    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        self.send(request.body(body).unwrap()).await
    }

    async fn login(&self, client_id: &str) -> Value {
        let body = json!({"client_id": client_id, "client_secret": "secret"});
        let (status, answer) = self
            .ask("POST", "/connect-auth/v1/account/login", &[], Some(&body))
            .await;
        assert_eq!(status, StatusCode::OK.as_u16(), "{answer}");
        answer
    }

    async fn caller(&self, client_id: &str) -> Caller<'_> {
        let token = self.login(client_id).await["access_token"]
            .as_str()
            .unwrap()
            .to_owned();
        Caller {
            upstream: self,
            client_id: client_id.to_owned(),
            token,
        }
    }
}

/// A client that is logged in and sends every header that any endpoint demands.
struct Caller<'a> {
    upstream: &'a Upstream,
    client_id: String,
    token: String,
}

impl Caller<'_> {
    async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [
            ("authorization", &*bearer),
            ("client-id", &*self.client_id),
            ("auth", &*self.token),
        ];
        self.upstream.ask(method, path, &headers, body).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, None).await
    }
}
