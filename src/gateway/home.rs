//! An organization as calls find it: its home, and in it a place for each environment with an
//! active credential.
//!
//! ```text
//! Home ─ Place (tenant, settings) ─ Route (account) ─ to a provider
//!          └ gate                     └ traffic
//! ```
//!
//! A home is one piece of memory, with its place and the place's route: of an organization among thousands
//! each piece that a call reads is in none of the processor's caches any more. What outlives the
//! directory is beside it: the gate, the traffic, the token. All of it is asked for ahead.

use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;
use smallvec::{SmallVec, smallvec};

use super::admit::Gate;
use super::health::{Health, Traffic};
use super::turn_back::WayBack;
use crate::domain::ahead::Spot;
use crate::domain::organization::{
    Organization, OrganizationId, OrganizationSlug, OrganizationState,
};
use crate::domain::provider::ProviderName;
use crate::domain::tenant::{Environment, Tenant};
use crate::domain::tenant_settings::TenantSettings;
use crate::token::Account;
use crate::upstream::RequestMeters;

/// Pieces beside a home that its calls need: gate, traffic, token, texts.
pub(super) const SPOTS: usize = 4;

/// An organization, and its places by environment: those with an active credential.
pub(super) struct Home {
    pub id: OrganizationId,
    pub slug: OrganizationSlug,
    pub state: OrganizationState,
    /// By environment, whether there is a credential or not.
    settings: Vec<(Environment, Arc<TenantSettings>)>,
    /// Most have one.
    places: SmallVec<[Place; 1]>,
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
    routes: SmallVec<[Route; 1]>,
    /// None without a credential: nobody would pass it.
    pub gate: Option<Arc<Gate>>,
}

/// How a tenant's calls reach a provider.
pub(super) struct Route {
    pub provider: ProviderName,
    pub account: Account,
    pub requests: Arc<RequestMeters>,
    /// The version before this one, while it retires.
    pub way_back: Option<Box<WayBack>>,
    pub health: Arc<Health>,
    /// The health's own.
    pub traffic: Arc<Traffic>,
}

/// A place, for as long as somebody is there. Cheap to clone.
#[derive(Clone)]
pub(super) struct Here {
    home: Arc<Home>,
    place: usize,
}

impl Home {
    pub(super) fn of(organization: Organization) -> Self {
        Self {
            id: organization.id,
            slug: organization.slug,
            state: organization.state,
            settings: Vec::new(),
            places: SmallVec::new(),
        }
    }

    /// The organization in one of its environments.
    pub(super) fn tenant(&self, environment: &Environment) -> Tenant {
        Tenant {
            organization: self.id,
            slug: self.slug.clone(),
            environment: environment.clone(),
        }
    }

    /// Adds the settings of an environment, before its place.
    pub(super) fn set(&mut self, environment: Environment, settings: TenantSettings) {
        self.settings.push((environment, Arc::new(settings)));
    }

    /// Adds a way to the place that it starts from.
    pub(super) fn add(&mut self, revision: i64, route: Route, gate: impl Fn(&Tenant) -> Arc<Gate>) {
        let tenant = route.tenant();
        let mut places = self.places.iter_mut();
        if let Some(place) = places.find(|place| place.tenant == *tenant) {
            return place.routes.push(route);
        }
        let place = Place {
            revision,
            tenant: tenant.clone(),
            settings: self.settings(&tenant.environment),
            gate: Some(gate(tenant)),
            routes: smallvec![route],
        };
        self.places.push(place);
    }

    /// Adds the way back from the active version of the same profile; without one there is none.
    pub(super) fn add_way_back(&mut self, former: Account, grace_ends: Timestamp) {
        let mut routes = self.places.iter_mut().flat_map(|place| &mut place.routes);
        let key = &former.credential.key;
        if let Some(active) = routes.find(|route| route.account.credential.key == *key) {
            active.way_back = Some(Box::new(WayBack::new(former, grace_ends)));
        }
    }

    /// By environment.
    pub(super) fn all_settings(&self) -> impl Iterator<Item = (&Environment, &TenantSettings)> {
        let settings = self.settings.iter();
        settings.map(|(environment, settings)| (environment, &**settings))
    }

    fn settings(&self, environment: &Environment) -> Option<Arc<TenantSettings>> {
        let mut settings = self.settings.iter();
        let found = settings.find(|(name, _)| name == environment)?;
        Some(found.1.clone())
    }

    /// The environments in which the organization has an active credential.
    pub(super) fn environments(&self) -> impl Iterator<Item = &Environment> {
        self.places.iter().map(|place| &place.tenant.environment)
    }

    /// The place of an environment without a credential, by what holds at a revision.
    pub(super) fn bare_place(&self, environment: &Environment, revision: i64) -> Here {
        let place = Place {
            revision,
            tenant: self.tenant(environment),
            settings: self.settings(environment),
            routes: SmallVec::new(),
            gate: None,
        };
        let home = Self {
            id: self.id,
            slug: self.slug.clone(),
            state: self.state,
            settings: Vec::new(),
            places: smallvec![place],
        };
        Here {
            home: Arc::new(home),
            place: 0,
        }
    }
}

impl Here {
    /// The place of a home for an environment, if there is one.
    pub(super) fn at(home: &Arc<Home>, environment: &Environment) -> Option<Self> {
        let mut places = home.places.iter();
        let place = places.position(|place| place.tenant.environment == *environment)?;
        Some(Self {
            home: home.clone(),
            place,
        })
    }
}

impl Deref for Here {
    type Target = Place;

    fn deref(&self) -> &Place {
        &self.home.places[self.place]
    }
}

impl Place {
    /// Asks for what its calls need, ahead of them: while a request is read and understood. Returns where it is, of the
    /// first route.
    pub(super) fn ahead(&self, now: Timestamp) -> [Spot; SPOTS] {
        let mut spots = self.routes.iter().map(|route| route.spots(now));
        let [traffic, token, texts] = spots.next().unwrap_or_default();
        let gate = self.gate.as_ref().map(|gate| gate.spot());
        let first = [gate.unwrap_or_default(), traffic, token, texts];
        first.into_iter().for_each(Spot::ahead);
        spots.flatten().for_each(Spot::ahead);
        if let Some(gate) = &self.gate {
            gate.ahead();
        }
        first
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
    fn spots(&self, now: Timestamp) -> [Spot; SPOTS - 1] {
        let [token, texts] = self.account.spots();
        [self.traffic.spot(now), token, texts]
    }

    fn tenant(&self) -> &Tenant {
        &self.account.credential.key.tenant
    }
}
