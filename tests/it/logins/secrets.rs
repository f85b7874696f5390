//! A provider that repeats all that it was told, in every form that it can think of: nobody is told
//! any of it.

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;
use tokio::net::TcpListener;

use super::{changed, client, tests};
use crate::support::TestApp;
use crate::support::app::org;
use crate::support::lab::{LAB, PROFILE, dev, set};

const ID: &str = "north-client";
const SECRET: &str = "syn+thetic secret";

/// Answers that status with what it was told.
async fn echo(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let routes = axum::Router::new().fallback(move |request| repeat(status, request));
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url
}

async fn repeat(status: u16, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let mut told = vec![String::from_utf8(body.to_vec()).unwrap()];
    for name in ["authorization", "x-api-key"] {
        let Some(value) = parts.headers.get(name) else {
            continue;
        };
        let value = value.to_str().unwrap();
        told.push(value.to_owned());
        if let Some(encoded) = value.strip_prefix("Basic ") {
            told.push(encoded.trim_end_matches('=').to_owned());
            let pair = String::from_utf8(STANDARD.decode(encoded).unwrap()).unwrap();
            told.push(pair);
        }
    }
    told.extend([ID, SECRET].map(|secret| STANDARD.encode(secret)));
    told.extend([ID, SECRET].map(str::to_owned));
    let body = json!({"detail": told.join(" | ")}).to_string();
    let status = StatusCode::from_u16(status).unwrap();
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}

/// Nothing but stars, bars and what is no secret.
fn check(text: &str) {
    assert!(text.contains("***"), "it did repeat: {text}");
    let encoded = [
        ID,
        SECRET,
        "north-client:syn+thetic secret",
        "north-client:syn%2Bthetic+secret",
    ];
    let encoded = encoded.map(|secret| STANDARD.encode(secret).trim_end_matches('=').to_owned());
    let plain = [ID, SECRET, "syn%2Bthetic+secret", "thetic"].map(str::to_owned);
    for secret in encoded.iter().chain(&plain) {
        assert!(!text.contains(secret.as_str()), "{secret} in {text}");
    }
}

async fn north(status: u16, profile: &str, flow: &str) -> TestApp {
    let builder = TestApp::builder().org("north", &[]);
    let app = builder
        .upstream(&echo(status).await)
        .lab(profile)
        .start()
        .await;
    let fields = [("client_id", ID), ("client_secret", SECRET)];
    set(&app, "north", flow, &fields).await.unwrap();
    app
}

async fn tested(app: &TestApp) -> String {
    let (admin, north) = (app.admin(), org("north"));
    let report = admin.test_credential(&north, &dev(), LAB).await.unwrap();
    assert!(!report.ok);
    report.message
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_a_login_is_told_again() {
    check(&tested(&north(401, PROFILE, "client").await).await);
    let in_form = changed(
        "form = { grant_type = \"client_credentials\" }",
        "form = { id = \"{client_id}\", secret = \"{client_secret}\" }",
    );
    check(&tested(&north(401, &in_form, "client").await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_form_of_a_key_is_told_again() {
    for encoded in ["", ", form_encoded = true"] {
        let header = "name = \"X-Api-Key\"\nvalue = \"{api_key}\"";
        let basic = format!(
            "name = \"Authorization\"\n\
             basic = {{ user = \"{{client_id}}\", password = \"{{client_secret}}\"{encoded} }}"
        );
        let profile = changed(header, &basic).replace("requires = [\"api_key\"]", "");
        check(&tested(&north(403, &profile, "key").await).await);
        let app = north(400, &profile, "key").await;
        let reply = tests(&client(&app).await).await;
        check(reply.failure()["message"].as_str().unwrap());
    }
}
