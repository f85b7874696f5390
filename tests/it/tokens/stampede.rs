//! Fifty thousand calls that find their tokens expired at the same instant. Over HTTP neither sockets
//! nor the gateway's own limits (`limits.upstream_concurrency`) would let so many come so far at once:
//! they ask the cache itself, whose logins go to a running sandbox.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use locum::catalog::Entry;
use locum::domain::bearer::Bearer;
use locum::domain::call::{Arguments, AuthorizedCall};
use locum::domain::clock::SharedClock;
use locum::domain::credential::{
    CredentialRef, CredentialSource, CredentialVersionId, OpenedCredential, Opening, ProfileKey,
    SecretFields,
};
use locum::domain::health::TokenState;
use locum::domain::meter::Meters;
use locum::domain::organization::OrganizationId;
use locum::domain::origin::{Origin, RequestId};
use locum::domain::principal::{Grant, Principal, PrincipalKind, Scope, ToolFilter};
use locum::domain::tenant::{Environment, Tenant};
use locum::net::{Net, NetSettings, SystemResolver};
use locum::token::{Account, Login, LoginError, LoginMeters, LoginSite, LoginWatch, Tokens};
use secrecy::SecretString;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use uuid::Uuid;

use super::{IN_MARGIN, LIFE, attempts, stats};
use crate::support::TestApp;
use crate::support::app::{PROVIDER, org};
use crate::support::load::{eventually, spread};

const ORGANIZATIONS: usize = 50;
const CALLS: usize = 50_000;
/// So long the cache is not asked again.
const LATELY: Duration = Duration::from_secs(500);

/// Opens credentials while it may: nobody logs in before.
struct Source(watch::Receiver<bool>);

impl CredentialSource for Source {
    fn open<'a>(&'a self, credential: &'a CredentialRef) -> Opening<'a> {
        Box::pin(async move {
            let mut may = self.0.clone();
            assert!(may.wait_for(|may| *may).await.is_ok());
            let client_id = client_id(&credential.key.tenant);
            let fields = [
                ("client_id", client_id.as_str()),
                ("client_secret", "synthetic"),
            ];
            let fields = fields.map(|(name, value)| (name.to_owned(), SecretString::from(value)));
            Ok(OpenedCredential {
                id: credential.id,
                key: credential.key.clone(),
                flow: None,
                fields: SecretFields::from(fields),
            })
        })
    }
}

/// The same, and notes which threads do.
struct Noting {
    source: Source,
    threads: Arc<Mutex<BTreeSet<Option<String>>>>,
}

impl CredentialSource for Noting {
    fn open<'a>(&'a self, credential: &'a CredentialRef) -> Opening<'a> {
        let thread = thread::current().name().map(str::to_owned);
        self.threads.lock().unwrap().insert(thread);
        self.source.open(credential)
    }
}

fn client_id(tenant: &Tenant) -> String {
    format!("{}-dev", tenant.slug)
}

/// Who may call for every organization, and where their tokens are.
struct Callers {
    tokens: Tokens,
    principal: Principal,
    entry: Arc<Entry>,
    places: Vec<(Tenant, Account)>,
}

impl Callers {
    fn new(app: &TestApp, source: Source, meters: &Meters) -> Self {
        Self::on(Handle::current(), app, source, meters)
    }

    /// Callers whose logins are made on those threads.
    fn on(
        threads: Handle,
        app: &TestApp,
        source: impl CredentialSource + 'static,
        meters: &Meters,
    ) -> Self {
        let opened = app.running.app();
        let settings = NetSettings {
            connect_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            destinations: opened.loaded.destinations(),
            proxy: None,
            extra_roots: Vec::new(),
        };
        let net = Net::new(settings, Arc::new(SystemResolver)).unwrap();
        let clock: SharedClock = app.clock.clone();
        let login = Login::new(net, clock.clone());
        let catalog = opened.catalog.now();
        let provider = catalog.provider(PROVIDER).unwrap();
        let dev = Environment::parse("dev").unwrap();
        let site = LoginSite {
            provider: provider.clone(),
            base_url: provider.environments[&dev].base_url.clone(),
        };
        let meters = Arc::new(LoginMeters::new(meters, &[]));
        let caller = |number: usize| {
            let id = Uuid::from_u128(1 + number as u128);
            let tenant = Tenant {
                organization: OrganizationId(id),
                slug: org(&format!("clinic-{number:02}")),
                environment: dev.clone(),
            };
            let key = ProfileKey {
                tenant: tenant.clone(),
                provider: provider.name.clone(),
            };
            let credential = CredentialRef {
                id: CredentialVersionId(id),
                key: Arc::new(key),
                flow: None,
            };
            let watch = Arc::new(LoginWatch::default());
            let account = Account::new(credential, site.clone(), meters.clone(), watch);
            (tenant, account)
        };
        let places: Vec<_> = (0..ORGANIZATIONS).map(caller).collect();
        let filter = Arc::new(ToolFilter {
            tools: Scope::All,
            read_only: false,
        });
        let grant = |(tenant, _): &(Tenant, Account)| Grant {
            organization: tenant.organization,
            environments: Arc::new(Scope::All),
            filter: filter.clone(),
            ends_at: None,
            revoked: false,
        };
        Self {
            tokens: Tokens::new(login, Arc::new(source), clock, threads),
            principal: Principal {
                kind: PrincipalKind::Key,
                id: "everybody".into(),
                name: "everybody".into(),
                grants: places.iter().map(grant).collect(),
                expires_at: None,
            },
            entry: catalog.tool("get_clinic_details_basic").unwrap().clone(),
            places,
        }
    }

    fn place(&self, number: usize) -> &(Tenant, Account) {
        &self.places[number % ORGANIZATIONS]
    }

    async fn bearer(&self, number: usize) -> Result<Bearer, LoginError> {
        let (tenant, account) = self.place(number);
        let (tool, origin) = (&self.entry.tool, Origin::new(RequestId::default()));
        let place = (tenant, None);
        let call =
            AuthorizedCall::authorize(&self.principal, place, tool, Arguments::new(), &origin);
        self.tokens.bearer(&call.unwrap(), account).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_of_a_version_that_is_no_longer_in_use_is_gone_at_once() {
    let app = TestApp::builder().start().await;
    let (_door, may) = watch::channel(true);
    let callers = Callers::new(&app, Source(may), &Meters::default());
    for number in [0, 1] {
        callers.bearer(number).await.unwrap();
    }
    let tokens = || [0, 1].map(|number| callers.place(number).1.watch.seen().token);
    assert_eq!(tokens(), [TokenState::Cached, TokenState::Cached]);
    let kept = callers.place(1).1.credential.id;
    callers.tokens.retain(|id| id == kept).await;
    assert_eq!(tokens(), [TokenState::None, TokenState::Cached]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_gone_stays_gone_whoever_still_knows_the_way_to_it() {
    let app = TestApp::builder().start().await;
    let (door, may) = watch::channel(false);
    let meters = Meters::default();
    let callers = Arc::new(Callers::new(&app, Source(may), &meters));
    let token = || callers.place(0).1.watch.seen().token;

    let call = tokio::spawn({
        let callers = callers.clone();
        async move { callers.bearer(0).await }
    });
    let waiting = meters.counter("locum_token_lookups_total", "", &[("result", "miss")]);
    eventually("a call without a token", || waiting.value() == 1).await;
    callers.tokens.retain(|_| false).await;
    door.send_replace(true);
    let bearer = call.await.unwrap();
    assert!(bearer.is_ok(), "its login went on");
    assert_eq!(
        token(),
        TokenState::None,
        "and the call alone has its token"
    );

    // The same account again: the token that it knew is gone, and there is another slot.
    let bearer = callers.bearer(0).await.unwrap();
    callers.bearer(0).await.unwrap();
    let (tenant, _) = callers.place(0);
    assert_eq!(attempts(&app.sandbox, &client_id(tenant)), 2);
    assert_eq!(token(), TokenState::Cached);
    assert!(callers.tokens.reject(&bearer).await);
    assert_eq!(token(), TokenState::None);
}

#[tokio::test(flavor = "multi_thread")]
async fn logins_and_renewals_are_made_on_the_threads_that_they_were_given() {
    let app = TestApp::builder().start().await;
    let (_door, may) = watch::channel(true);
    let threads = Arc::new(Mutex::default());
    let source = Noting {
        source: Source(may),
        threads: threads.clone(),
    };
    let mut logins = Builder::new_multi_thread();
    let logins = logins.worker_threads(1).thread_name("logins").enable_all();
    let logins = logins.build().unwrap();
    let meters = Meters::default();
    let callers = Callers::on(logins.handle().clone(), &app, source, &meters);
    callers.bearer(0).await.unwrap();
    let renewals = meters.counter("locum_token_renewals_total", "", &[]);
    // The cache was asked lately: it is the token itself that says it is due.
    app.clock.advance(IN_MARGIN - LATELY);
    callers.bearer(0).await.unwrap();
    assert_eq!(renewals.value(), 0);
    app.clock.advance(LATELY);
    callers.bearer(0).await.unwrap();
    let (tenant, _) = callers.place(0);
    eventually("its renewal", || {
        attempts(&app.sandbox, &client_id(tenant)) == 2
    })
    .await;
    assert_eq!(renewals.value(), 1);
    let only = BTreeSet::from([Some("logins".to_owned())]);
    assert_eq!(*threads.lock().unwrap(), only);
    logins.shutdown_background();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_calls_of_each_of_fifty_organizations_at_once_share_one_refresh_each() {
    let app = TestApp::builder().start().await;
    let (door, may) = watch::channel(true);
    let meters = Meters::default();
    let callers = Arc::new(Callers::new(&app, Source(may), &meters));
    for number in 0..ORGANIZATIONS {
        callers.bearer(number).await.unwrap();
    }
    app.clock.advance(LIFE);
    door.send_replace(false);
    let calls = tokio::spawn(spread(CALLS, CALLS, {
        let callers = callers.clone();
        move |number| {
            let callers = callers.clone();
            async move { callers.bearer(number).await }
        }
    }));
    let labels = [("result", "miss")];
    let waiting = meters.counter("locum_token_lookups_total", "", &labels);
    let all = (ORGANIZATIONS + CALLS) as u64;
    eventually("all of them without a token", || waiting.value() == all).await;
    assert!(!calls.is_finished());
    door.send_replace(true);

    let mut generations = BTreeSet::new();
    for (number, bearer) in calls.await.unwrap().into_iter().enumerate() {
        let bearer = bearer.unwrap();
        let (tenant, account) = callers.place(number);
        assert_eq!(bearer.tenant(), tenant);
        assert_eq!(bearer.version(), account.credential.id);
        generations.insert(bearer.generation());
    }
    assert_eq!(generations.len(), ORGANIZATIONS);
    for (tenant, _) in &callers.places {
        let client_id = client_id(tenant);
        let seen = stats(&app.sandbox, &client_id);
        assert_eq!((seen.logins, seen.refreshes), (1, 1), "{client_id}");
        assert_eq!(attempts(&app.sandbox, &client_id), 2, "{client_id}");
    }
}
