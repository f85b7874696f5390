//! The directory: organizations, keys and credentials as a call needs them, read at one revision.
//!
//! An immutable snapshot. A change in the store makes a new one; nothing here is ever locked.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::admit::{Admission, Gate};
use super::census::Issued;
use super::health::{Health, HealthBook};
use super::meters::GatewayMeters;
use crate::catalog::Catalog;
use crate::domain::bearer_secret::SecretHash;
use crate::domain::credential::{CredentialRef, CredentialVersionId, ProfileKey};
use crate::domain::limits::LimitSettings;
use crate::domain::organization::{Organization, OrganizationId, OrganizationSlug};
use crate::domain::principal::Principal;
use crate::domain::provider::ProviderName;
use crate::domain::tenant::{Environment, Tenant};
use crate::store::{GatewayKeyRow, Store, StoreError, StoredCredential};
use crate::token::{Account, LoginSite};
use crate::upstream::RequestMeters;

/// How a tenant's calls reach a provider.
pub struct Route {
    pub account: Arc<Account>,
    pub requests: Arc<RequestMeters>,
    pub(super) health: Arc<Health>,
}

/// What a tenant with an active credential has: a way to each provider, and the gate before them.
#[derive(Default)]
pub(super) struct Routes {
    pub by_provider: BTreeMap<ProviderName, Route>,
    pub gate: Arc<Gate>,
}

pub(super) struct KeyEntry {
    pub hash: SecretHash,
    pub principal: Arc<Principal>,
}

/// Everything that decides about a request, in memory.
#[derive(Default)]
pub struct Directory {
    revision: i64,
    by_slug: HashMap<OrganizationSlug, Arc<Organization>>,
    by_id: HashMap<OrganizationId, Arc<Organization>>,
    keys: HashMap<Box<str>, KeyEntry>,
    tenants: HashMap<OrganizationId, BTreeMap<Environment, Arc<Routes>>>,
    versions: BTreeSet<CredentialVersionId>,
    issued: Issued,
    no_routes: Arc<Routes>,
}

impl Directory {
    /// Reads the store. The revision is read first: a change that happens meanwhile is noticed.
    pub(super) async fn load(
        store: &Store,
        catalog: &Catalog,
        admission: &Admission,
        meters: &GatewayMeters,
        health: &HealthBook,
    ) -> Result<Self, StoreError> {
        let mut directory = Self {
            revision: store.revision().await?,
            ..Self::default()
        };
        for organization in store.organizations().await? {
            directory.add_organization(organization);
        }
        let mut tenants: HashMap<Tenant, BTreeMap<ProviderName, Route>> = HashMap::new();
        for stored in store.active_credentials().await? {
            let issued_at = stored.issued_at;
            if let Some((tenant, provider, route)) =
                directory.route(catalog, (meters, health), stored)
            {
                directory.add_issued(&provider, &tenant.environment, issued_at);
                directory.versions.insert(route.account.credential.id);
                tenants.entry(tenant).or_default().insert(provider, route);
            }
        }
        let limits = limits(store).await?;
        for (tenant, by_provider) in tenants {
            let id = (tenant.organization, tenant.environment.clone());
            let limits = limits.get(&id).copied().unwrap_or_default();
            let gate = admission.gate(&tenant, limits);
            directory.add_routes(tenant, Routes { by_provider, gate });
        }
        for key in store.gateway_keys().await? {
            directory.add_key(key);
        }
        Ok(directory)
    }

    fn add_organization(&mut self, organization: Organization) {
        let organization = Arc::new(organization);
        self.by_slug
            .insert(organization.slug.clone(), organization.clone());
        self.by_id.insert(organization.id, organization);
    }

    fn add_routes(&mut self, tenant: Tenant, routes: Routes) {
        let environments = self.tenants.entry(tenant.organization).or_default();
        environments.insert(tenant.environment, Arc::new(routes));
    }

    fn add_key(&mut self, row: GatewayKeyRow) {
        if row.revoked_at.is_some() {
            return;
        }
        let principal = Arc::new(Principal {
            id: row.id.as_str().into(),
            name: row.name.into(),
            grants: row.grants.into(),
            expires_at: row.expires_at,
        });
        self.keys.insert(
            row.id.into(),
            KeyEntry {
                hash: row.hash,
                principal,
            },
        );
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

    fn route(
        &self,
        catalog: &Catalog,
        (meters, health): (&GatewayMeters, &HealthBook),
        stored: StoredCredential,
    ) -> Option<(Tenant, ProviderName, Route)> {
        let organization = self.by_id.get(&stored.organization)?;
        let tenant = Tenant {
            organization: organization.id,
            slug: organization.slug.clone(),
            environment: stored.environment,
        };
        let provider = catalog.provider(stored.provider.as_str());
        let upstream = provider.and_then(|p| p.environments.get(&tenant.environment));
        let site_meters = meters.site(stored.provider.as_str(), &tenant.environment);
        let (Some(provider), Some(upstream), Some(meters)) = (provider, upstream, site_meters)
        else {
            tracing::warn!(
                %tenant, provider = %stored.provider,
                "no profile describes this provider and environment; the credential is kept unused"
            );
            return None;
        };
        let key = ProfileKey {
            tenant: tenant.clone(),
            provider: stored.provider.clone(),
        };
        let health = health.of(&key, stored.id);
        let credential = CredentialRef {
            id: stored.id,
            key,
            flow: stored.flow,
        };
        let site = LoginSite {
            provider: provider.clone(),
            base_url: upstream.base_url.clone(),
        };
        let route = Route {
            account: Arc::new(Account {
                credential,
                site,
                meters: meters.logins.clone(),
                watch: health.logins.clone(),
            }),
            requests: meters.requests.clone(),
            health,
        };
        Some((tenant, stored.provider, route))
    }

    pub fn revision(&self) -> i64 {
        self.revision
    }

    pub(super) fn organizations(&self) -> impl Iterator<Item = &Arc<Organization>> {
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

    pub(super) fn organization(&self, slug: &str) -> Option<&Arc<Organization>> {
        self.by_slug.get(slug)
    }

    pub(super) fn organization_by_id(&self, id: OrganizationId) -> Option<&Arc<Organization>> {
        self.by_id.get(&id)
    }

    /// The environments in which an organization has an active credential.
    pub(super) fn environments(&self, id: OrganizationId) -> impl Iterator<Item = &Environment> {
        self.tenants.get(&id).into_iter().flat_map(BTreeMap::keys)
    }

    pub(super) fn routes(&self, tenant: &Tenant) -> Arc<Routes> {
        self.tenants
            .get(&tenant.organization)
            .and_then(|environments| environments.get(&tenant.environment))
            .unwrap_or(&self.no_routes)
            .clone()
    }
}

async fn limits(
    store: &Store,
) -> Result<HashMap<(OrganizationId, Environment), LimitSettings>, StoreError> {
    let limits = store.limits().await?.into_iter();
    Ok(limits
        .map(|stored| ((stored.organization, stored.environment), stored.settings))
        .collect())
}
