//! `TestApp`: the real root on port 0 with a temporary SQLite file, and a sandbox upstream. Both
//! read one clock, which stands still until a test moves it; on request the upstream has its own.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use locum::admin::{
    Admin, AdminError, AuditEntry, AuditFilter, AuditOrder, CredentialInput, GrantRequest,
    KeyRequest, MAX_AUDIT_PAGE, NewCredential, OrganizationChange,
};
use locum::app::{self, App, Running, Surroundings};
use locum::config::Loaded;
use locum::domain::actor::Actor;
use locum::domain::bearer_secret::reveal;
use locum::domain::clock::{ManualClock, SharedClock};
use locum::domain::credential::SecretFields;
use locum::domain::organization::{OrganizationSlug, OrganizationState};
use locum::domain::principal::Scope;
use locum::domain::tenant::Environment;
use locum::net::Resolver;
use locum::sandbox::{self, Sandbox, Settings};
use locum::store::Store;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::client::McpClient;

/// How many requests without a valid key one address may make in a minute.
pub const FAILED_AUTH: &str = "LOCUM__LIMITS__FAILED_AUTH_PER_MINUTE";
pub const PROVIDER: &str = "eka-care";

/// A running gateway in front of a running sandbox.
pub struct TestApp {
    pub running: Running,
    pub sandbox: Sandbox,
    pub clock: Arc<ManualClock>,
    /// The same as `clock`, unless the builder was told otherwise.
    pub upstream_clock: Arc<ManualClock>,
    _folder: TempDir,
    _upstream: watch::Sender<bool>,
}

/// What is there before the gateway starts.
#[derive(Default)]
pub struct TestAppBuilder {
    organizations: Vec<(String, Vec<&'static str>)>,
    config: String,
    base_url: Option<String>,
    two_clocks: bool,
    variables: Vec<(String, String)>,
    resolver: Option<Arc<dyn Resolver>>,
    lab: Option<String>,
}

impl TestAppBuilder {
    /// The sandbox's laboratory beside the clinic's API, as this profile describes it.
    pub fn lab(mut self, profile: &str) -> Self {
        self.lab = Some(profile.to_owned());
        self
    }

    /// An organization with an active credential in each of `environments` (`dev`, `prod`). Its
    /// client id in the sandbox is `{slug}-{environment}`.
    pub fn org(mut self, slug: &str, environments: &[&'static str]) -> Self {
        self.organizations
            .push((slug.to_owned(), environments.to_vec()));
        self
    }

    /// More of `locum.toml`.
    pub fn config(mut self, text: &str) -> Self {
        self.config.push_str(text);
        self
    }

    /// An upstream of the test's own instead of the sandbox.
    pub fn upstream(mut self, base_url: &str) -> Self {
        self.base_url = Some(base_url.to_owned());
        self
    }

    /// The gateway's clock and the upstream's are two: one may be wrong.
    pub fn two_clocks(mut self) -> Self {
        self.two_clocks = true;
        self
    }

    /// A variable of the environment, for keys of sections that are there already.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the host names of upstreams mean.
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    pub async fn start(self) -> TestApp {
        app::install_crypto_provider();
        let start: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let shared: SharedClock = clock.clone();
        let upstream_clock = match self.two_clocks {
            true => Arc::new(ManualClock::new(start)),
            false => clock.clone(),
        };
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::new(Settings::default(), upstream_clock.clone());
        let (upstream, address) = serve_sandbox(sandbox.clone()).await;
        let base_url = self.base_url.unwrap_or_else(|| format!("http://{address}"));
        let installed = app::install(&folder.path().join("locum.toml"), [], &shared)
            .await
            .unwrap();
        let text = format!(
            "[server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [providers.{PROVIDER}.environments.dev]\nbase_url = \"{base_url}\"\n\
             [providers.{PROVIDER}.environments.prod]\nbase_url = \"{base_url}\"\n{}",
            self.config
        );
        let text = match &self.lab {
            Some(profile) => text + &super::lab::install(folder.path(), profile, &base_url),
            None => text,
        };
        std::fs::write(&installed.config, &text).unwrap();
        // Tests may fail to authenticate as often as they like, unless they say otherwise.
        let unlimited = (FAILED_AUTH.to_owned(), "0".to_owned());
        let variables = std::iter::once(unlimited).chain(self.variables);
        let variables: BTreeMap<_, _> = variables.collect();
        let loaded = Loaded::read(&installed.config, variables).unwrap();
        let mut surroundings = Surroundings::default();
        surroundings.resolver = self.resolver.unwrap_or(surroundings.resolver);
        let app = App::open(loaded, &surroundings, shared).await.unwrap();
        let admin = app.admin(local());
        for (slug, environments) in &self.organizations {
            add_organization(&admin, slug, environments).await;
        }
        let running = app.start().await.unwrap();
        TestApp {
            running,
            sandbox,
            clock,
            upstream_clock,
            _folder: folder,
            _upstream: upstream,
        }
    }
}

impl TestApp {
    pub fn builder() -> TestAppBuilder {
        TestAppBuilder::default()
    }

    pub fn admin(&self) -> Admin {
        self.running.app().admin(local())
    }

    /// `http://ADDRESS` of the MCP listener.
    pub fn url(&self) -> String {
        format!("http://{}", self.running.mcp)
    }

    /// A client with a new key for these organizations and environments (none: all).
    pub async fn client(&self, organizations: &[&str], environments: &[&str]) -> McpClient {
        McpClient::new(
            &self.url(),
            &self.key(organizations, environments, &[], false).await,
        )
    }

    /// A new key; waits until the gateway knows it. Empty lists stand for all.
    pub async fn key(
        &self,
        organizations: &[&str],
        environments: &[&str],
        tools: &[&str],
        read_only: bool,
    ) -> String {
        let key = self
            .issue_key(organizations, environments, tools, read_only)
            .await;
        self.settle().await;
        key
    }

    /// A new key that the gateway may not know yet: who issues many of them settles once.
    pub async fn issue_key(
        &self,
        organizations: &[&str],
        environments: &[&str],
        tools: &[&str],
        read_only: bool,
    ) -> String {
        let grant = |slug: &&str| GrantRequest {
            organization: org(slug),
            environments: scope(environments),
            tools: scope(tools),
            read_only,
        };
        let request = KeyRequest {
            name: "test".to_owned(),
            grants: organizations.iter().map(grant).collect(),
            expires: None,
        };
        let issued = self.admin().create_key(&request).await.unwrap();
        reveal(&issued.key).to_owned()
    }

    /// Suspends an organization, or resumes it.
    pub async fn set_state(&self, slug: &str, state: OrganizationState) {
        let change = OrganizationChange {
            state: Some(state),
            ..OrganizationChange::default()
        };
        let admin = self.admin();
        admin
            .change_organization(&org(slug), &change)
            .await
            .unwrap();
    }

    /// Waits until the gateway has noticed every change in the store.
    pub async fn settle(&self) {
        let wanted = self.revision_of_store().await;
        let url = format!("http://{}/readyz", self.running.admin);
        let client = reqwest_client();
        for _ in 0..100 {
            let body: serde_json::Value =
                client.get(&url).send().await.unwrap().json().await.unwrap();
            if body["revision"].as_i64() >= Some(wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the gateway did not notice a change within five seconds");
    }

    pub async fn revision_of_store(&self) -> i64 {
        let store = self.store().await;
        let revision = store.revision().await.unwrap();
        store.close().await;
        revision
    }

    /// The records of changes, oldest first; those of calls come when they come.
    pub async fn audit(&self) -> Vec<AuditEntry> {
        let (admin, all) = (self.admin(), AuditFilter::default());
        let (mut records, mut after) = (Vec::new(), Some(0));
        while let Some(seq) = after {
            let order = AuditOrder::OldestFirst(seq);
            let page = admin.audit_page(&all, order, MAX_AUDIT_PAGE).await.unwrap();
            records.extend(page.items);
            after = page.next;
        }
        records.retain(|record| !record.action.starts_with("call "));
        records
    }

    /// The database, beside the gateway's own connections.
    async fn store(&self) -> Store {
        let path = self.running.app().loaded.database().unwrap();
        Store::open(&path, false).await.unwrap()
    }
}

/// A plain HTTP client of the tests' own.
#[allow(clippy::disallowed_methods, reason = "a client outside of the gateway")]
pub fn reqwest_client() -> reqwest::Client {
    app::install_crypto_provider();
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// A parsed slug.
pub fn org(slug: &str) -> OrganizationSlug {
    OrganizationSlug::parse(slug).unwrap()
}

fn scope<T: Ord + std::str::FromStr>(names: &[&str]) -> Scope<T> {
    if names.is_empty() {
        return Scope::All;
    }
    Scope::Only(
        names
            .iter()
            .map(|name| name.parse().ok().unwrap())
            .collect(),
    )
}

/// Enters a credential for the sandbox, without a login; `secret` tells versions apart.
pub async fn set_credential(admin: &Admin, slug: &str, environment: &str, secret: &str) {
    let fields = [("client_secret", secret)];
    let entered = enter_credential(admin, slug, environment, None, &fields).await;
    entered.unwrap();
}

/// Enters a credential with a login flow and fields of the test's choice, without a login.
pub async fn enter_credential(
    admin: &Admin,
    slug: &str,
    environment: &str,
    flow: Option<&str>,
    fields: &[(&str, &str)],
) -> Result<NewCredential, AdminError> {
    let input = CredentialInput {
        organization: org(slug),
        environment: Environment::parse(environment).unwrap(),
        provider: PROVIDER.to_owned(),
        flow: flow.map(str::to_owned),
        issued: None,
        verify: false,
    };
    let client_id = format!("{slug}-{environment}");
    let fields: SecretFields = [("client_id", client_id.as_str())]
        .iter()
        .chain(fields)
        .map(|(name, value)| ((*name).to_owned(), SecretString::from(*value)))
        .collect();
    admin.set_credential(input, fields).await
}

async fn add_organization(admin: &Admin, slug: &str, environments: &[&str]) {
    admin
        .create_organization(org(slug), &format!("Clinic {slug}"))
        .await
        .unwrap();
    for environment in environments {
        set_credential(admin, slug, environment, "synthetic-secret").await;
    }
}

async fn serve_sandbox(sandbox: Sandbox) -> (watch::Sender<bool>, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, mut signal) = watch::channel(false);
    tokio::spawn(sandbox::serve(listener, sandbox, async move {
        let _ = signal.wait_for(|stop| *stop).await;
    }));
    (stop, address)
}

/// Whoever runs the tests.
fn local() -> Actor {
    Actor::Local {
        user: "test".to_owned(),
    }
}
