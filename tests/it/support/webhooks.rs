//! A receiver of webhooks: keeps what it gets, checks its signature, and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::net::TcpListener;

pub const SECRET: &str = "synthetic-webhook-secret-of-a-test";

/// What came in one request whose signature was right.
#[derive(Clone, Debug)]
pub struct Received {
    pub event: Value,
    pub event_id: String,
    /// Of the signature.
    pub seconds: i64,
}

#[derive(Default)]
struct Kept {
    received: Vec<Received>,
    /// Status and `Retry-After` of the next answers; then 204.
    answers: VecDeque<(u16, Option<&'static str>)>,
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    kept: Arc<Mutex<Kept>>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let receiver = Self {
            url: format!("http://{}/hook", listener.local_addr().unwrap()),
            kept: Arc::default(),
        };
        let routes = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        receiver
    }

    /// Lines of `locum.toml`; the secret is in `webhook.secret`.
    pub fn section(&self) -> String {
        format!(
            "[[reminders.webhook]]\nname = \"ops\"\nurl = \"{}\"\nsecret_file = \"webhook.secret\"\n",
            self.url
        )
    }

    pub fn answer(&self, times: usize, status: u16, retry_after: Option<&'static str>) {
        let answers = std::iter::repeat_n((status, retry_after), times);
        self.kept.lock().unwrap().answers.extend(answers);
    }

    /// From now on it takes what comes.
    pub fn recover(&self) {
        self.kept.lock().unwrap().answers.clear();
    }

    pub fn received(&self) -> Vec<Received> {
        self.kept.lock().unwrap().received.clone()
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let text = |name: &str| headers[name].to_str().unwrap().to_owned();
    let signature = text("locum-signature");
    let (time, mac) = signature.split_once(",v1=").unwrap();
    let time = time.strip_prefix("t=").unwrap();
    let signed = [time.as_bytes(), b".", &body].concat();
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    if hmac::verify(&key, &signed, &unhex(mac)).is_err() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let received = Received {
        event: serde_json::from_slice(&body).unwrap(),
        event_id: text("locum-event-id"),
        seconds: time.parse().unwrap(),
    };
    let mut kept = receiver.kept.lock().unwrap();
    kept.received.push(received);
    let (status, retry_after) = kept.answers.pop_front().unwrap_or((204, None));
    let status = StatusCode::from_u16(status).unwrap();
    // What it was told, wherever an answer has room for it.
    let repeated = [
        ("location", signature.clone()),
        ("x-secret", SECRET.to_owned()),
    ];
    match retry_after {
        Some(wait) => (status, [("retry-after", wait)]).into_response(),
        None if status.is_success() => status.into_response(),
        None => (status, repeated, format!("{SECRET} {signature}")).into_response(),
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2);
    let pairs = pairs.map(|pair| std::str::from_utf8(pair).unwrap());
    pairs
        .map(|pair| u8::from_str_radix(pair, 16).unwrap())
        .collect()
}
