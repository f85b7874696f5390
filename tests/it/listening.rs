//! Listening: clients are told when their tool list changed, of both generations, and nobody else is.

use std::time::Duration;

use locum::domain::organization::OrganizationState;
use reqwest::Response;
use rmcp::model::{ServerNotification, SubscriptionFilter};
use rmcp::service::SubscriptionEnd;
use serde_json::{Value, json};

use crate::rmcp_client::connected;
use crate::support::TestApp;
use crate::support::app::{org, reqwest_client};
use crate::support::client::{McpClient, Reply};

const SOON: Duration = Duration::from_secs(10);
/// Long enough for a change to be noticed: commands promise a second.
const QUIET: Duration = Duration::from_millis(1_500);

/// A stream of events, read as they come.
struct Events {
    response: Response,
    text: String,
}

impl Events {
    /// The next message; signs of life are passed over. `None`: the stream has ended.
    async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.text = rest;
                if let Some(data) = event.lines().find_map(|line| line.strip_prefix("data: ")) {
                    return Some(serde_json::from_str(data).unwrap());
                }
            }
            let chunk = self.response.chunk().await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }

    async fn soon(&mut self) -> Option<Value> {
        let next = tokio::time::timeout(SOON, self.next());
        next.await.expect("an event within ten seconds")
    }

    async fn is_quiet(&mut self) -> bool {
        tokio::time::timeout(QUIET, self.next()).await.is_err()
    }
}

async fn get(app: &TestApp, key: &str, path: &str, headers: &[(&str, &str)]) -> Response {
    let mut request = reqwest_client().get(format!("{}{path}", app.url()));
    request = request.header("authorization", format!("Bearer {key}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.send().await.unwrap()
}

async fn listen(app: &TestApp, key: &str, path: &str) -> Events {
    let response = get(app, key, path, &[("accept", "text/event-stream")]).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    Events {
        response,
        text: String::new(),
    }
}

/// Changes the tools of an organization in `dev`.
async fn deny(app: &TestApp, slug: &str, tools: Value) {
    let owner = app.api(locum::domain::actor::Role::Owner, None).await;
    let body = json!({"settings": {"dev": {"deny_tools": tools}}});
    owner.patch(&format!("/orgs/{slug}"), body).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_listens_is_told_of_the_own_list_and_of_no_other() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let key = app.key(&["north", "south"], &[], &[], false).await;
    let narrow = app.key(&["north"], &[], &["list_patients"], false).await;
    let mut north = listen(&app, &key, "/t/north/dev/mcp").await;
    let mut south = listen(&app, &key, "/t/south/dev/mcp").await;
    let mut narrow = listen(&app, &narrow, "/mcp").await;
    let changed = json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"});

    deny(&app, "north", json!(["search_patients"])).await;
    assert_eq!(north.soon().await.unwrap(), changed);
    assert!(south.is_quiet().await && narrow.is_quiet().await);
    // What changes nothing of the list is no news.
    deny(&app, "north", json!(["search_patients"])).await;
    assert!(north.is_quiet().await);

    // A profile that was changed concerns all that have its tools.
    let folder = app
        .running
        .app()
        .loaded
        .file()
        .unwrap()
        .with_file_name("profiles");
    std::fs::create_dir_all(&folder).unwrap();
    let built_in = include_str!("../../profiles/eka-care.toml");
    let text = built_in.replace("title = \"List patients\"", "title = \"All patients\"");
    std::fs::write(folder.join("eka-care.toml"), text).unwrap();
    app.running.reload().await;
    for events in [&mut north, &mut south, &mut narrow] {
        assert_eq!(events.soon().await.unwrap(), changed);
    }

    // The stop ends the streams; it does not wait for them.
    let stopping = std::time::Duration::from_secs(20);
    tokio::time::timeout(stopping, app.running.stop())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(north.soon().await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_with_its_key_and_with_its_access() {
    let app = TestApp::builder()
        .org("north", &["dev"])
        .org("south", &["dev"])
        .start()
        .await;
    let key = app.key(&["north"], &[], &[], false).await;
    let mut revoked = listen(&app, &key, "/mcp").await;
    let id = key.split('_').nth(1).unwrap();
    app.admin().revoke_key(id).await.unwrap();
    assert_eq!(revoked.soon().await, None);
    assert_eq!(
        get(&app, &key, "/mcp", &[("accept", "text/event-stream")])
            .await
            .status(),
        401
    );

    let key = app.key(&["south"], &[], &[], false).await;
    let mut suspended = listen(&app, &key, "/mcp").await;
    app.set_state("south", OrganizationState::Suspended).await;
    assert_eq!(suspended.soon().await, None);
    app.running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_of_the_modern_revision_is_acknowledged_told_and_ended() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let key = app.key(&["north"], &["dev"], &[], false).await;
    let client = connected(format!("{}/mcp", app.url()), &key, &[]).await;
    let mut wanted = SubscriptionFilter::default();
    wanted.tools_list_changed = Some(true);
    wanted.prompts_list_changed = Some(true);
    let mut subscription = client.listen(wanted).await.unwrap();
    // There are no prompts that could change.
    let mut accepted = SubscriptionFilter::default();
    accepted.tools_list_changed = Some(true);
    assert_eq!(*subscription.acknowledged(), accepted);
    deny(&app, "north", json!(["search_patients"])).await;
    let told = tokio::time::timeout(SOON, subscription.next())
        .await
        .unwrap();
    let told = told.unwrap().expect("a notification");
    assert!(
        matches!(told, ServerNotification::ToolListChangedNotification(_)),
        "{told:?}"
    );
    assert_eq!(client.list_all_tools().await.unwrap().len(), 30);

    // Nothing that was not asked for.
    let quiet = client.listen(SubscriptionFilter::default()).await;
    let mut quiet = quiet.unwrap();
    deny(&app, "north", json!([])).await;
    assert!(tokio::time::timeout(QUIET, quiet.next()).await.is_err());
    app.running.stop().await.unwrap();
    let ended = tokio::time::timeout(SOON, async {
        while subscription.next().await.unwrap().is_some() {}
    });
    ended.await.expect("the stop ends the subscription");
    let end = subscription.end().unwrap();
    assert!(matches!(end, SubscriptionEnd::Graceful(_)), "{end:?}");
}

/// A request of the modern revision with an id of its own.
async fn listen_as(client: &McpClient, mut request: Value) -> Reply {
    request["params"] = json!({"notifications": {}, "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }});
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "subscriptions/listen"),
    ];
    client.post("/mcp", &headers, &request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_for_those_who_ask_for_them_and_bounded() {
    let app = TestApp::builder().org("north", &["dev"]).start().await;
    let key = app.key(&["north"], &[], &[], false).await;
    let status =
        async |headers: &[(&str, &str)]| get(&app, &key, "/mcp", headers).await.status().as_u16();
    assert_eq!(status(&[]).await, 405);
    assert_eq!(status(&[("accept", "application/json")]).await, 405);
    let modern = [
        ("accept", "text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
    ];
    assert_eq!(status(&modern).await, 405);
    let both = [
        ("accept", "application/json, text/event-stream;q=0.5"),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    assert_eq!(status(&both).await, 200);
    let client = app.client(&["north"], &[]).await;
    let reply = client.modern("subscriptions/listen", json!({})).await;
    assert_eq!(reply.body["error"]["code"], -32602, "{}", reply.body);
    let long = json!({"jsonrpc": "2.0", "id": "x".repeat(300), "method": "subscriptions/listen"});
    assert_eq!(listen_as(&client, long).await.body["error"]["code"], -32602);
    let reply = client
        .legacy("subscriptions/listen", json!({"notifications": {}}))
        .await;
    assert_eq!(reply.body["error"]["code"], -32601, "{}", reply.body);

    // One key has a thousand of them at most, or a twentieth of the connections; another one is not
    // the worse for it.
    let key = app.key(&["north"], &[], &[], false).await;
    let mut streams = Vec::new();
    let full = loop {
        let stream = get(&app, &key, "/mcp", &[("accept", "text/event-stream")]).await;
        match stream.status() == 200 {
            true => streams.push(stream),
            false => break stream,
        }
        assert!(streams.len() <= 1_000);
    };
    assert!(streams.len() > 5, "{}", streams.len());
    assert_eq!(full.status(), 503);
    let body: Value = full.json().await.unwrap();
    assert_eq!(body["error"]["data"]["code"], "too_many_listeners");
    let other = app.key(&["north"], &[], &[], false).await;
    drop(listen(&app, &other, "/mcp").await);
    drop(streams);
    let gone = async || {
        get(&app, &key, "/mcp", &[("accept", "text/event-stream")])
            .await
            .status()
            == 200
    };
    crate::support::process::soon("the seats of streams that ended are free", gone).await;
    assert!(app.admin().organization(&org("north")).await.is_ok());
    app.running.stop().await.unwrap();
}
