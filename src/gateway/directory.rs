//! The directory: organizations, keys and credentials as a call needs them, read at one revision.
//!
//! An immutable snapshot. A change in the store makes a new one; nothing here is ever locked.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use jiff::Timestamp;

use super::admit::{Admission, Gate};
use super::authenticate::Holder;
use super::census::Issued;
use super::edition::Edition;
use super::health::HealthBook;
use super::holders::Holders;
use super::home::{Here, Home, Route};
use crate::domain::credential::{CredentialRef, CredentialState, CredentialVersionId, ProfileKey};
use crate::domain::limits::LimitSettings;
use crate::domain::organization::{OrganizationId, OrganizationSlug};
use crate::domain::principal::{Principal, PrincipalKind};
use crate::domain::provider::ProviderName;
use crate::domain::tenant::{Environment, Tenant};
use crate::store::{GatewayKeyRow, Store, StoreError, StoredCredential};
use crate::token::{Account, LoginSite};

/// In a table without its name, which it has itself: a table of thousands is dense.
struct BySlug(Arc<Home>);

/// Everything that decides about a request, in memory.
pub struct Directory {
    revision: i64,
    edition: Arc<Edition>,
    by_slug: HashSet<BySlug>,
    by_id: HashMap<OrganizationId, Arc<Home>>,
    keys: Holders,
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
            by_slug: HashSet::new(),
            by_id: HashMap::new(),
            keys: Holders::default(),
            versions: HashSet::new(),
            issued: Issued::default(),
        };
        let organizations = store.organizations().await?.into_iter();
        let mut homes: HashMap<_, _> = organizations
            .map(|organization| (organization.id, Home::of(organization)))
            .collect();
        for stored in store.tenant_settings().await? {
            if let Some(home) = homes.get_mut(&stored.organization) {
                home.set(stored.environment, stored.settings);
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
            directory.by_slug.insert(BySlug(home.clone()));
            directory.by_id.insert(id, home);
        }
        store.each_gateway_key(|key| directory.add_key(key)).await?;
        Ok(directory)
    }

    fn add_key(&mut self, row: GatewayKeyRow) {
        if row.revoked_at.is_some() {
            return;
        }
        let principal = Principal {
            kind: PrincipalKind::Key,
            id: row.id.into(),
            name: row.name.into(),
            grants: row.grants.into(),
            expires_at: row.expires_at,
        };
        let home = match &*principal.grants {
            [only] => self.home_by_id(only.organization).cloned(),
            _ => None,
        };
        self.keys.add(Holder::of_key(principal, row.hash, home));
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
            Some(end) => home.add_way_back(route.account, end),
        }
    }

    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// Tools that a profile renamed are others: lists that named them mean something else by now.
    pub(super) fn warn_of_unknown_tools(&self) {
        let catalog = &self.edition.catalog;
        for home in self.homes() {
            for (environment, settings) in home.all_settings() {
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

    pub(super) fn homes(&self) -> impl Iterator<Item = &Home> {
        self.by_id.values().map(|home| &**home)
    }

    pub(super) fn usable_keys(&self, now: Timestamp) -> impl Iterator<Item = &Principal> {
        let principals = self.keys.all();
        principals.filter(move |principal| !principal.is_expired(now))
    }

    /// When the credentials in use were issued.
    pub(super) fn issued(&self) -> &Issued {
        &self.issued
    }

    pub(super) fn uses(&self, version: CredentialVersionId) -> bool {
        self.versions.contains(&version)
    }

    /// Who has which key.
    pub(super) fn holders(&self) -> &Holders {
        &self.keys
    }

    pub(super) fn home(&self, slug: &OrganizationSlug) -> Option<&Arc<Home>> {
        self.by_slug.get(slug).map(|BySlug(home)| home)
    }

    pub(super) fn home_by_id(&self, id: OrganizationId) -> Option<&Arc<Home>> {
        self.by_id.get(&id)
    }

    pub(super) fn place(&self, tenant: &Tenant) -> Option<Here> {
        Here::at(self.home_by_id(tenant.organization)?, &tenant.environment)
    }
}

impl Borrow<OrganizationSlug> for BySlug {
    fn borrow(&self) -> &OrganizationSlug {
        &self.0.slug
    }
}

impl Hash for BySlug {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.slug.hash(state);
    }
}

impl PartialEq for BySlug {
    fn eq(&self, other: &Self) -> bool {
        self.0.slug == other.0.slug
    }
}

impl Eq for BySlug {}

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
    let key = Arc::new(ProfileKey {
        tenant: home.tenant(environment),
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
        account: Account::new(credential, site, logins, watch),
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
