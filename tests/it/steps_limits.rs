//! What steps may cost, and what becomes of a call whose steps fail: on an upstream of the test's
//! own, with a profile of its own.

mod failures;
mod memory;
mod profile;
mod requests;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

use crate::support::TestApp;
use crate::support::client::{McpClient, Reply};

/// What the upstream answers to a path.
type Answers = fn(&str) -> Answer;

enum Answer {
    Json(Value),
    /// A status, and a header if there is one to send.
    Status(u16, Option<(&'static str, &'static str)>),
    Text(String),
    /// None, for as long as the gateway waits.
    Nothing,
}

/// An upstream that says what it saw.
struct Upstream {
    url: String,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Upstream {
    async fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let router = Router::new().fallback(serve);
        let router = router.with_state((answers, seen.clone()));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// Requests so far, logins aside.
    fn seen(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let calls = seen.iter().filter(|line| !line.ends_with("/login"));
        calls.cloned().collect()
    }

    fn logins(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|line| line.ends_with("/login")).count()
    }
}

type Seen = Arc<Mutex<Vec<String>>>;

async fn serve(State((answers, seen)): State<(Answers, Seen)>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let logins = {
        let mut seen = seen.lock().unwrap();
        seen.push(format!("{} {path}", request.method()));
        let logins = seen.iter().filter(|line| line.ends_with("/login"));
        logins.count()
    };
    if path == "/login" {
        let token = json!({"access_token": format!("t{logins}")});
        return token.to_string().into_response();
    }
    // One whose first token is refused.
    let first = request.headers()["authorization"] == "Bearer t1";
    if path.starts_with("/renewed/") && first {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match answers(&path) {
        Answer::Json(json) => json.to_string().into_response(),
        Answer::Text(text) => text.into_response(),
        Answer::Status(status, header) => {
            let status = StatusCode::from_u16(status).unwrap();
            match header {
                Some(header) => (status, [header]).into_response(),
                None => status.into_response(),
            }
        }
        Answer::Nothing => std::future::pending().await,
    }
}

/// A gateway in front of that upstream, with tools of the test's own.
struct Place {
    app: TestApp,
    client: McpClient,
    upstream: Upstream,
    _profiles: TempDir,
}

impl Place {
    async fn with(config: &str, tools: &str, answers: Answers) -> Self {
        let upstream = Upstream::start(answers).await;
        let profiles = tempfile::tempdir().unwrap();
        let file = profiles.path().join("eka-care.toml");
        std::fs::write(file, profile::with(tools)).unwrap();
        let folder = profiles.path().to_str().unwrap();
        let app = TestApp::builder()
            .config(&format!("[profiles]\ndir = \"{folder}\"\n{config}"))
            .upstream(&upstream.url)
            .org("north", &["dev"])
            .start()
            .await;
        let client = app.client(&["north"], &["dev"]).await;
        Self {
            app,
            client,
            upstream,
            _profiles: profiles,
        }
    }

    async fn call(&self, tool: &str, arguments: Value) -> Reply {
        let call = self.client.call(tool, arguments);
        let reply = timeout(Duration::from_secs(20), call).await;
        reply.expect("an answer before the upstream's own")
    }
}

fn code(reply: &Reply) -> &str {
    reply.failure()["error_code"].as_str().unwrap_or_default()
}

fn message(reply: &Reply) -> &str {
    reply.failure()["message"].as_str().unwrap_or_default()
}
