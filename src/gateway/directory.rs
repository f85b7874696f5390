//! The directory: organizations, keys and credentials as a call needs them, read at one revision.
//!
//! An immutable snapshot. A change in the store makes a new one; nothing here is ever locked.

use std::collections::{HashMap, HashSet};
use std::hint::black_box;
use std::sync::Arc;

use jiff::Timestamp;
use smallvec::{SmallVec, smallvec};
use smol_str::SmolStr;

use super::admit::{Admission, Gate};
use super::census::Issued;
use super::edition::Edition;
use super::health::{Health, HealthBook, Traffic};
use super::turn_back::WayBack;
use crate::domain::bearer_secret::SecretHash;
use crate::domain::credential::{CredentialRef, CredentialState, CredentialVersionId, ProfileKey};
use crate::domain::limits::LimitSettings;
use crate::domain::organization::{
    Organization, OrganizationId, OrganizationSlug, OrganizationState,
};
use crate::domain::principal::{Principal, PrincipalKind};
use crate::domain::provider::ProviderName;
use crate::domain::tenant::{Environment, Tenant};
use crate::domain::tenant_settings::TenantSettings;
use crate::store::{GatewayKeyRow, Store, StoreError, StoredCredential};
use crate::token::{Account, LoginSite};
use crate::upstream::RequestMeters;

/// How a tenant's calls reach a provider.
pub struct Route {
    provider: ProviderName,
    pub account: Arc<Account>,
    pub requests: Arc<RequestMeters>,
    /// The version before this one, while it retires.
    pub(super) way_back: Option<Box<WayBack>>,
    pub(super) health: Arc<Health>,
    /// The health's own.
    pub(super) traffic: Arc<Traffic>,
}

/// A tenant as calls find it: a way to each provider that it has an active credential for, and the
/// gate before them.
pub(super) struct Place {
    /// Of the directory that it is in.
    pub revision: i64,
    pub tenant: Tenant,
    /// Where it has some.
    pub settings: Option<Arc<TenantSettings>>,
    /// Most have one.
    pub routes: SmallVec<[Route; 1]>,
    /// None without a credential: nobody would pass it.
    pub gate: Option<Arc<Gate>>,
}

/// An organization, and its places by environment: those with an active credential.
pub(super) struct Home {
    pub id: OrganizationId,
    pub slug: OrganizationSlug,
    pub state: OrganizationState,
    /// By environment, whether there is a credential or not.
    settings: Vec<(Environment, Arc<TenantSettings>)>,
    /// Likewise.
    places: SmallVec<[Arc<Place>; 1]>,
}

pub(super) struct KeyEntry {
    pub hash: SecretHash,
    pub principal: Arc<Principal>,
}

/// Everything that decides about a request, in memory.
pub struct Directory {
    revision: i64,
    edition: Arc<Edition>,
    by_slug: HashMap<OrganizationSlug, Arc<Home>>,
    by_id: HashMap<OrganizationId, Arc<Home>>,
    keys: HashMap<SmolStr, KeyEntry>,
    versions: HashSet<CredentialVersionId>,
    issued: Issued,
}

impl Directory {
    /// Reads the store. The revision is read first: a change that happens meanwhile is noticed.
    pub(super) async fn load(
        store: &Store,
        edition: Arc<Edition>,
        admission: &Admission,
        health: &HealthBook,
    ) -> Result<Self, StoreError> {
        let mut directory = Self {
            revision: store.revision().await?,
            edition,
            by_slug: HashMap::new(),
            by_id: HashMap::new(),
            keys: HashMap::new(),
            versions: HashSet::new(),
            issued: Issued::default(),
        };
        let organizations = store.organizations().await?.into_iter();
        let mut homes: HashMap<_, _> = organizations
            .map(|organization| (organization.id, Home::of(organization)))
            .collect();
        for stored in store.tenant_settings().await? {
            if let Some(home) = homes.get_mut(&stored.organization) {
                let settings = (stored.environment, Arc::new(stored.settings));
                home.settings.push(settings);
            }
        }
        let limits = limits(store).await?;
        let gate = |tenant: &Tenant| {
            let id = (tenant.organization, tenant.environment.clone());
            admission.gate(tenant, limits.get(&id).copied().unwrap_or_default())
        };
        // One by one: what is made of them is a small part of them.
        let credentials = store.each_usable_credential(|stored| {
            if let Some(home) = homes.get_mut(&stored.organization) {
                directory.add_credential(home, stored, health, gate);
            }
        });
        credentials.await?;
        for (id, home) in homes {
            let home = Arc::new(home);
            directory.by_slug.insert(home.slug.clone(), home.clone());
            directory.by_id.insert(id, home);
        }
        store.each_gateway_key(|key| directory.add_key(key)).await?;
        Ok(directory)
    }

    fn add_key(&mut self, row: GatewayKeyRow) {
        if row.revoked_at.is_some() {
            return;
        }
        let principal = Arc::new(Principal {
            kind: PrincipalKind::Key,
            id: row.id.into(),
            name: row.name.into(),
            grants: row.grants.into(),
            expires_at: row.expires_at,
        });
        let (id, hash) = (principal.id.clone(), row.hash);
        self.keys.insert(id, KeyEntry { hash, principal });
    }

    fn add_issued(
        &mut self,
        provider: &ProviderName,
        environment: &Environment,
        issued_at: Timestamp,
    ) {
        let environments = self.issued.entry(provider.clone()).or_default();
        let dates = environments.entry(environment.clone()).or_default();
        dates.push(issued_at);
    }

    /// Adds the way that a credential opens; of each profile the active one comes first.
    fn add_credential(
        &mut self,
        home: &mut Home,
        stored: StoredCredential,
        health: &HealthBook,
        gate: impl Fn(&Tenant) -> Arc<Gate>,
    ) {
        let (issued_at, grace_ends) = (stored.issued_at, stored.grace_ends_at);
        let Some(route) = route(home, &self.edition, health, stored) else {
            return;
        };
        self.versions.insert(route.account.credential.id);
        let key = &route.account.credential.key;
        match grace_ends {
            None => {
                self.add_issued(&key.provider, &key.tenant.environment, issued_at);
                home.add(self.revision, route, gate);
            }
            // A retiring one without a successor is no way.
            Some(end) => {
                let mut routes = home.new_places().flat_map(|place| &mut place.routes);
                if let Some(active) = routes.find(|other| other.account.credential.key == *key) {
                    active.way_back = Some(Box::new(WayBack::new(route.account, end)));
                }
            }
        }
    }

    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Tools that a profile renamed are others: lists that named them mean something else by now.
    pub(super) fn warn_of_unknown_tools(&self) {
        let catalog = &self.edition.catalog;
        for home in self.homes() {
            for (environment, settings) in &home.settings {
                let allowed = settings.allow_tools.iter().flatten();
                let named = allowed.chain(&settings.deny_tools);
                for tool in named.filter(|name| catalog.tool(name.as_str()).is_none()) {
                    tracing::warn!(
                        tenant = %format_args!("{}/{environment}", home.slug),
                        %tool,
                        "the tenant's settings name a tool that no profile has; look whether it \
                         was renamed"
                    );
                }
            }
        }
    }

    pub(super) fn edition(&self) -> &Arc<Edition> {
        &self.edition
    }

    pub(super) fn homes(&self) -> impl Iterator<Item = &Arc<Home>> {
        self.by_id.values()
    }

    pub(super) fn usable_keys(&self, now: Timestamp) -> impl Iterator<Item = &KeyEntry> {
        let keys = self.keys.values();
        keys.filter(move |key| !key.principal.is_expired(now))
    }

    /// When the credentials in use were issued.
    pub(super) fn issued(&self) -> &Issued {
        &self.issued
    }

    pub(super) fn uses(&self, version: CredentialVersionId) -> bool {
        self.versions.contains(&version)
    }

    pub(super) fn key(&self, id: &str) -> Option<&KeyEntry> {
        self.keys.get(id)
    }

    pub(super) fn home(&self, slug: &OrganizationSlug) -> Option<&Arc<Home>> {
        self.by_slug.get(slug)
    }

    pub(super) fn home_by_id(&self, id: OrganizationId) -> Option<&Arc<Home>> {
        self.by_id.get(&id)
    }

    pub(super) fn place(&self, tenant: &Tenant) -> Option<&Arc<Place>> {
        self.home_by_id(tenant.organization)?
            .place(&tenant.environment)
    }
}

impl Home {
    fn of(organization: Organization) -> Self {
        Self {
            id: organization.id,
            slug: organization.slug,
            state: organization.state,
            settings: Vec::new(),
            places: SmallVec::new(),
        }
    }

    /// Adds a way to the place that it starts from.
    fn add(&mut self, revision: i64, route: Route, gate: impl Fn(&Tenant) -> Arc<Gate>) {
        let tenant = route.tenant();
        if let Some(place) = self.new_places().find(|place| place.tenant == *tenant) {
            return place.routes.push(route);
        }
        let place = Place {
            revision,
            tenant: tenant.clone(),
            settings: self.settings(&tenant.environment),
            gate: Some(gate(tenant)),
            routes: smallvec![route],
        };
        self.places.push(Arc::new(place));
    }

    /// Its places, as long as nobody else has them.
    fn new_places(&mut self) -> impl Iterator<Item = &mut Place> {
        self.places.iter_mut().filter_map(Arc::get_mut)
    }

    pub(super) fn settings(&self, environment: &Environment) -> Option<Arc<TenantSettings>> {
        let mut settings = self.settings.iter();
        let found = settings.find(|(name, _)| name == environment)?;
        Some(found.1.clone())
    }

    /// The environments in which the organization has an active credential.
    pub(super) fn environments(&self) -> impl Iterator<Item = &Environment> {
        self.places.iter().map(|place| &place.tenant.environment)
    }

    pub(super) fn place(&self, environment: &Environment) -> Option<&Arc<Place>> {
        let mut places = self.places.iter();
        places.find(|place| place.tenant.environment == *environment)
    }
}

impl Place {
    /// Where a tenant has no credential.
    pub(super) fn bare(
        revision: i64,
        tenant: Tenant,
        settings: Option<Arc<TenantSettings>>,
    ) -> Self {
        Self {
            revision,
            tenant,
            settings,
            routes: SmallVec::new(),
            gate: None,
        }
    }

    /// Looks at what a call on this route is going to need. Of a tenant among thousands it is in no cache of
    /// the processor's any more: asked for together, it comes side by side; asked for as the
    /// call goes on, one piece after the other.
    pub(super) fn fetch(&self, route: Option<&Route>, now: Timestamp) {
        let gate = self.gate.as_ref().map(|gate| gate.peek());
        let traffic = route.map(|route| route.traffic.peek(now));
        black_box((gate, traffic));
        if let Some(route) = route {
            route.account.fetch(now);
        }
    }

    pub(super) fn providers(&self) -> impl Iterator<Item = &ProviderName> {
        self.routes.iter().map(|route| &route.provider)
    }

    pub(super) fn route(&self, provider: &ProviderName) -> Option<&Route> {
        let mut routes = self.routes.iter();
        routes.find(|route| route.provider == *provider)
    }
}

impl Route {
    fn tenant(&self) -> &Tenant {
        &self.account.credential.key.tenant
    }
}

/// The way that a credential opens. Long names are the profile's own, which all tenants share.
fn route(
    home: &Home,
    edition: &Edition,
    health: &HealthBook,
    stored: StoredCredential,
) -> Option<Route> {
    let provider = edition.catalog.provider(stored.provider.as_str());
    let upstream = provider.and_then(|p| p.environments.get_key_value(&stored.environment));
    let site_meters = edition
        .meters
        .site(stored.provider.as_str(), &stored.environment);
    let (Some(provider), Some((environment, upstream)), Some(meters)) =
        (provider, upstream, site_meters)
    else {
        tracing::warn!(
            tenant = %format_args!("{}/{}", home.slug, stored.environment),
            provider = %stored.provider,
            "no profile describes this provider and environment; the credential is kept unused"
        );
        return None;
    };
    let tenant = Tenant {
        organization: home.id,
        slug: home.slug.clone(),
        environment: environment.clone(),
    };
    let key = Arc::new(ProfileKey {
        tenant,
        provider: provider.name.clone(),
    });
    let health = match stored.state {
        CredentialState::Retiring => health.beside(&key, stored.id),
        _ => health.of(&key, stored.id),
    };
    let credential = CredentialRef {
        id: stored.id,
        key,
        flow: stored.flow,
    };
    let (logins, watch) = (meters.logins.clone(), health.logins.clone());
    let site = LoginSite {
        provider: provider.clone(),
        base_url: upstream.base_url.clone(),
    };
    Some(Route {
        provider: provider.name.clone(),
        account: Arc::new(Account::new(credential, site, logins, watch)),
        requests: meters.requests.clone(),
        way_back: None,
        traffic: health.traffic().clone(),
        health,
    })
}

async fn limits(
    store: &Store,
) -> Result<HashMap<(OrganizationId, Environment), LimitSettings>, StoreError> {
    let limits = store.limits().await?.into_iter();
    Ok(limits
        .map(|stored| ((stored.organization, stored.environment), stored.settings))
        .collect())
}
