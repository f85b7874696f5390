//! The sandbox's laboratory as a second provider, and credentials for it.

use std::path::Path;

use locum::admin::{AdminError, CredentialInput, NewCredential};
use locum::domain::credential::SecretFields;
use locum::domain::tenant::Environment;
use secrecy::SecretString;

use super::TestApp;
use super::app::org;

pub const LAB: &str = "lab";

/// The profile that `docs/describe-your-api.md` builds.
pub const PROFILE: &str = include_str!("../../../profiles/examples/lab.toml");

/// Puts a profile of it into the profiles folder; the part of `locum.toml` that leads to the upstream.
pub fn install(folder: &Path, profile: &str, upstream: &str) -> String {
    let profiles = folder.join("profiles");
    std::fs::create_dir(&profiles).unwrap();
    std::fs::write(profiles.join("lab.toml"), profile).unwrap();
    let section = |environment: &str| {
        format!("\n[providers.{LAB}.environments.{environment}]\nbase_url = \"{upstream}/lab\"\n")
    };
    section("dev") + &section("prod")
}

pub fn dev() -> Environment {
    Environment::parse("dev").unwrap()
}

/// What is needed to enter a credential for the laboratory in dev.
pub fn entry(
    slug: &str,
    flow: &str,
    verify: bool,
    fields: &[(&str, &str)],
) -> (CredentialInput, SecretFields) {
    let input = CredentialInput {
        organization: org(slug),
        environment: dev(),
        provider: LAB.to_owned(),
        flow: Some(flow.to_owned()),
        issued: None,
        verify,
    };
    let fields = fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)));
    (input, fields.collect())
}

/// Enters one, after it was tried where it takes another's place.
pub async fn set(
    app: &TestApp,
    slug: &str,
    flow: &str,
    fields: &[(&str, &str)],
) -> Result<NewCredential, AdminError> {
    let (input, fields) = entry(slug, flow, true, fields);
    app.admin().set_credential(input, fields).await
}

/// The id and the secret of an organization's client in dev.
pub async fn set_client(app: &TestApp, slug: &str, secret: &str) {
    let id = format!("{slug}-dev");
    let fields = [("client_id", id.as_str()), ("client_secret", secret)];
    set(app, slug, "client", &fields).await.unwrap();
}

/// The same as a key.
pub async fn set_key(app: &TestApp, slug: &str, secret: &str) -> Result<NewCredential, AdminError> {
    let key = format!("{slug}-dev.{secret}");
    set(app, slug, "key", &[("api_key", &key)]).await
}
