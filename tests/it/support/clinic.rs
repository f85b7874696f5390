//! `Clinic`: an installation that is opened and closed as days go by, without a running server.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use locum::admin::{Admin, CredentialInput, GrantRequest, KeyRequest};
use locum::app::{self, App, Surroundings};
use locum::config::Loaded;
use locum::domain::actor::Actor;
use locum::domain::clock::{Clock, ManualClock, SharedClock};
use locum::domain::credential::SecretFields;
use locum::domain::tenant::Environment;
use secrecy::SecretString;
use tempfile::TempDir;

use super::app::{PROVIDER, org};
use super::program::write_secret;

pub const DAY: Duration = Duration::from_secs(86_400);

pub struct Clinic {
    pub folder: TempDir,
    pub clock: Arc<ManualClock>,
}

impl Clinic {
    /// With this in `locum.toml`.
    pub async fn new(config: &str) -> Self {
        let start = "2026-01-01T06:00:00Z".parse().unwrap();
        Self::installed_at(start, config).await
    }

    /// The same, from another time on.
    pub async fn installed_at(start: Timestamp, config: &str) -> Self {
        app::install_crypto_provider();
        let clinic = Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(ManualClock::new(start)),
        };
        let path = clinic.folder.path().join("locum.toml");
        let clock: SharedClock = clinic.clock.clone();
        app::install(&path, [], &clock).await.unwrap();
        clinic.configure(config);
        clinic
    }

    pub fn configure(&self, config: &str) {
        std::fs::write(self.folder.path().join("locum.toml"), config).unwrap();
    }

    /// Writes a file that its owner alone can read.
    pub fn write(&self, name: &str, text: &str) {
        write_secret(&self.folder.path().join(name), text);
    }

    pub async fn open(&self) -> App {
        let loaded = Loaded::read(&self.folder.path().join("locum.toml"), []).unwrap();
        let clock: SharedClock = self.clock.clone();
        let surroundings = Surroundings::default();
        App::open(loaded, &surroundings, clock).await.unwrap()
    }

    pub fn days_from_now(&self, days: i64) -> Timestamp {
        self.clock.now() + SignedDuration::from_hours(24 * days)
    }
}

/// Someone at the command line.
pub fn by(app: &App, user: &str) -> Admin {
    let user = user.to_owned();
    app.admin(Actor::Local { user })
}

pub async fn organization(admin: &Admin, slug: &str) {
    let name = format!("Clinic {slug}");
    admin.create_organization(org(slug), &name).await.unwrap();
}

/// A new active version.
pub async fn credential(admin: &Admin, slug: &str, environment: &str, issued: Timestamp) -> String {
    let input = CredentialInput {
        organization: org(slug),
        environment: Environment::parse(environment).unwrap(),
        provider: PROVIDER.to_owned(),
        flow: None,
        issued: Some(issued),
        verify: false,
    };
    let fields = [("client_id", "synthetic"), ("client_secret", "synthetic")];
    let fields = fields.map(|(name, value)| (name.to_owned(), SecretString::from(value)));
    let stored = admin.set_credential(input, SecretFields::from(fields));
    stored.await.unwrap().id.to_string()
}

/// A key for these organizations.
pub async fn key(admin: &Admin, slugs: &[&str], expires: Option<Timestamp>) -> String {
    let request = KeyRequest {
        name: "front desk".to_owned(),
        grants: slugs
            .iter()
            .map(|slug| GrantRequest::everything(org(slug)))
            .collect(),
        expires,
    };
    admin.create_key(&request).await.unwrap().summary.id
}
