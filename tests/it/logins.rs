//! The ways in that profiles can describe besides a login in JSON: a form, HTTP Basic, a key; each
//! tried on the sandbox's laboratory, which demands what the RFCs say.

mod keys;
mod secrets;

use serde_json::json;

use crate::support::TestApp;
use crate::support::app::org;
use crate::support::client::{McpClient, Reply};
use crate::support::lab::{LAB, PROFILE, dev, set, set_client};

/// What form-encoding and base64 each make something else of.
const SECRET: &str = "s+y n%th:etic/=";

/// North at the laboratory as this profile describes it.
async fn north(profile: &str) -> TestApp {
    let builder = TestApp::builder().org("north", &[]);
    builder.lab(profile).start().await
}

async fn client(app: &TestApp) -> McpClient {
    app.client(&["north"], &["dev"]).await
}

async fn tests(client: &McpClient) -> Reply {
    client.call("lab_list_tests", json!({})).await
}

/// The profile with another text in one place.
fn changed(from: &str, to: &str) -> String {
    assert_eq!(PROFILE.matches(from).count(), 1, "{from}");
    PROFILE.replace(from, to)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_by_form_and_basic() {
    let app = north(PROFILE).await;
    app.sandbox
        .pin_secrets("north-dev", vec![SECRET.to_owned()]);
    set_client(&app, "north", SECRET).await;
    let client = client(&app).await;
    assert!(tests(&client).await.is_ok());
    let login = app.sandbox.requests().remove(0);
    assert_eq!(
        (login.method.as_str(), login.path.as_str()),
        ("POST", "/lab/oauth/token")
    );
    assert_eq!(
        login.body,
        Some(json!({"grant_type": "client_credentials"}))
    );
    let sent: Vec<&str> = login.headers.iter().map(String::as_str).collect();
    assert!(
        sent.contains(&"authorization") && sent.contains(&"content-type"),
        "{sent:?}"
    );
    assert_eq!(app.sandbox.stats().logins, 1);
    assert!(tests(&client).await.is_ok());
    assert_eq!(app.sandbox.stats().logins, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_logs_in_with_its_secret_in_the_form() {
    let profile = changed(
        "basic = { user = \"{client_id}\", password = \"{client_secret}\", form_encoded = true }\n\
         form = { grant_type = \"client_credentials\" }",
        "form = { grant_type = \"client_credentials\", client_id = \"{client_id}\", \
         client_secret = \"{client_secret}\", scope = \"{api_key}\" }",
    );
    let app = north(&profile).await;
    app.sandbox
        .pin_secrets("north-dev", vec![SECRET.to_owned()]);
    set_client(&app, "north", SECRET).await;
    assert!(tests(&client(&app).await).await.is_ok());
    let login = app.sandbox.requests().remove(0);
    // What has no value is left out.
    let form = json!({
        "client_id": "north-dev", "client_secret": "[redacted]", "grant_type": "client_credentials",
    });
    assert_eq!(login.body, Some(form));
    assert!(!login.headers.contains(&"authorization".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_name_that_basic_cannot_carry_is_not_sent() {
    let app = north(&changed(", form_encoded = true", "")).await;
    let fields = [("client_id", "north:dev"), ("client_secret", "synthetic")];
    set(&app, "north", "client", &fields).await.unwrap();
    let client = client(&app).await;
    let reply = tests(&client).await;
    assert_eq!(reply.failure()["error_code"], "credential_incomplete");
    assert!(app.sandbox.requests().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_client_is_refused_as_ever() {
    let app = north(PROFILE).await;
    set_client(&app, "north", "wrong-one").await;
    let reply = tests(&client(&app).await).await;
    assert_eq!(reply.failure()["error_code"], "credential_refused");
    assert_eq!(app.sandbox.stats().refused_logins, 1);
    let (admin, north) = (app.admin(), org("north"));
    let report = admin.test_credential(&north, &dev(), LAB).await.unwrap();
    assert!(!report.ok && report.tried);
    assert_eq!(
        report.message,
        "the login endpoint refused the credential: HTTP 401 (The client id or the secret is invalid)"
    );
}
