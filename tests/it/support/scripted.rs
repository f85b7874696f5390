//! An upstream that answers what a test has written down, for shapes that the sandbox does not have.
//! It logs in whoever comes, and remembers what it was asked besides.

use std::sync::{Arc, Mutex};

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// `"GET /path"`, without the query; the status; the answer.
pub type Line = (&'static str, u16, Value);

/// What it answers, and what it was asked.
#[derive(Default)]
struct Script {
    lines: Vec<Line>,
    asked: Vec<String>,
}

pub struct Scripted {
    pub url: String,
    script: Arc<Mutex<Script>>,
}

impl Scripted {
    pub async fn start() -> Self {
        let script = Arc::new(Mutex::new(Script::default()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let of_server = script.clone();
        let routes = axum::Router::new().fallback(move |request| answer(of_server, request));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self { url, script }
    }

    /// Answers this from now on, and 404 to the rest; forgets what was asked.
    pub fn answers(&self, lines: Vec<Line>) {
        let asked = Vec::new();
        *self.script.lock().unwrap() = Script { lines, asked };
    }

    /// What was asked, sorted, because the requests of a round come in any order.
    pub fn asked(&self) -> Vec<String> {
        let mut asked = self.script.lock().unwrap().asked.clone();
        asked.sort_unstable();
        asked
    }
}

async fn answer(script: Arc<Mutex<Script>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    if path.starts_with("/connect-auth/") {
        let tokens = json!({"access_token": "t", "expires_in": 1800, "refresh_token": "r"});
        return json_answer(200, &tokens);
    }
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let line = format!("{} {} {body}", parts.method, parts.uri);
    let asked = format!("{} {path}", parts.method);
    let mut script = script.lock().unwrap();
    script.asked.push(line.trim_end().to_owned());
    match script.lines.iter().find(|(what, ..)| *what == asked) {
        Some((_, status, answer)) => json_answer(*status, answer),
        None => json_answer(404, &json!({})),
    }
}

fn json_answer(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    let headers = [(CONTENT_TYPE, "application/json")];
    (status, headers, body.to_string()).into_response()
}
