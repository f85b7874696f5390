//! Who comes, and for which tenant.

use std::collections::BTreeSet;
use std::sync::Arc;

use smallvec::smallvec;

use super::authenticate::{self, Holder};
use super::directory::Directory;
use super::edition::Edition;
use super::error::Refusal;
use super::holders::SeatNumber;
use super::home::Here;
use super::resolve::Selection;
use super::{Gateway, resolve};
use crate::catalog::Entry;
use crate::domain::bearer_secret::PresentedKey;
use crate::domain::organization::OrganizationSlug;
use crate::domain::principal::{Grant, Principal, PrincipalKind, Scope, ToolFilter};
use crate::domain::provider::{Provider, ProviderName};
use crate::domain::tenant::Tenant;
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::tool::Tool;

/// An authenticated principal, and the directory that knew it.
pub struct Arrival {
    directory: Arc<Directory>,
    principal: Arc<Holder>,
    /// Of whoever has a key.
    seat: Option<SeatNumber>,
}

/// An authenticated principal at one tenant. Cheap to clone.
#[derive(Clone)]
pub struct Visit {
    pub(super) principal: Arc<Holder>,
    pub(super) filter: Arc<ToolFilter>,
    pub(super) place: Here,
    pub(super) edition: Arc<Edition>,
}

/// What decides which tools a visit sees: equal ones see equal lists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ListKey {
    edition: u64,
    providers: BTreeSet<ProviderName>,
    filter: Arc<ToolFilter>,
    /// Without values, which lists do not show.
    settings: Option<TenantSettings>,
}

impl Gateway {
    /// Asks for where it is written whose key has that public id.
    pub fn announce(&self, key: &str) {
        self.directory.load().holders().seat_ahead(key);
    }

    /// Asks for who has the key that was announced: ahead of the question, as all that can be done meanwhile is.
    pub fn expect(&self, key: &str) {
        self.directory.load().holders().ahead(key);
    }

    /// Whose key this is.
    pub fn authenticate(&self, presented: Option<&PresentedKey<'_>>) -> Result<Arrival, Refusal> {
        let directory = self.directory.load_full();
        let (seat, principal) = authenticate::holder(&directory, presented, self.clock.now())?;
        Ok(Arrival {
            directory,
            principal,
            seat: Some(seat),
        })
    }

    /// The same visit by what holds now, if its key still opens the tenant.
    pub fn revisit(&self, visit: &Visit) -> Result<Visit, Refusal> {
        let directory = self.directory.load_full();
        let holder = directory.holders().get(&visit.principal.id);
        let holder = holder.filter(|(_, holder)| !holder.is_expired(self.clock.now()));
        let (seat, principal) = holder.ok_or(Refusal::Unauthenticated)?;
        let (seat, principal) = (Some(seat), principal.clone());
        let tenant = visit.tenant();
        let selection = Selection {
            organization: Some(tenant.slug.clone()),
            environment: Some(tenant.environment.clone()),
        };
        let arrival = Arrival {
            directory,
            principal,
            seat,
        };
        let again = self.visit(arrival, &selection)?;
        // Another organization may have the name by now.
        match again.tenant() == tenant {
            true => Ok(again),
            false => Err(Refusal::TenantForbidden),
        }
    }

    /// Somebody at the command line, for one organization.
    pub fn arrive_locally(&self, user: &str, slug: &OrganizationSlug) -> Result<Arrival, Refusal> {
        let directory = self.directory.load_full();
        let home = directory.home(slug).cloned();
        let home = home.ok_or(Refusal::TenantForbidden)?;
        let grant = Grant {
            organization: home.id,
            environments: Arc::new(Scope::All),
            filter: Arc::new(ToolFilter {
                tools: Scope::All,
                read_only: false,
            }),
            ends_at: None,
            revoked: false,
        };
        let principal = Principal {
            kind: PrincipalKind::Local,
            id: user.into(),
            name: user.into(),
            grants: smallvec![grant],
            expires_at: None,
        };
        Ok(Arrival {
            directory,
            principal: Arc::new(Holder::without_key(principal, home)),
            seat: None,
        })
    }

    /// The tenant that an authenticated principal comes for.
    pub fn visit(&self, arrival: Arrival, selection: &Selection) -> Result<Visit, Refusal> {
        let Arrival {
            directory,
            principal,
            seat,
        } = arrival;
        let now = self.clock.now();
        let place = resolve::place(&directory, &principal, selection, now)?;
        let grant = principal
            .grant_for(&place.tenant)
            .ok_or(Refusal::TenantForbidden)?;
        let spots = place.ahead(now);
        // Of a key with several homes the next call may be for another one.
        if let (Some(seat), Some(_)) = (seat, principal.home()) {
            directory.holders().came_to(seat, spots);
        }
        let filter = grant.filter.clone();
        Ok(Visit {
            principal,
            filter,
            place,
            edition: directory.edition().clone(),
        })
    }
}

impl Visit {
    pub fn tenant(&self) -> &Tenant {
        &self.place.tenant
    }

    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The tools that may be called, by name.
    pub fn tools(&self) -> impl Iterator<Item = &Arc<Entry>> {
        let has_way = |entry: &&Arc<Entry>| self.place.route(&entry.tool.provider).is_some();
        let tools = self.edition.catalog.tools().filter(has_way);
        tools.filter(|entry| self.admits(&entry.tool))
    }

    /// Whether the key opens a tool and the tenant has it.
    pub(super) fn admits(&self, tool: &Tool) -> bool {
        let settings = self.place.settings.as_ref();
        self.filter.admits(tool) && settings.is_none_or(|settings| settings.admits(tool))
    }

    pub(super) fn provider_of(&self, tool: &Tool) -> Option<&Provider> {
        let provider = self.edition.catalog.provider(tool.provider.as_str());
        provider.map(AsRef::as_ref)
    }

    /// What the visit's tool list depends on.
    pub fn list_key(&self) -> ListKey {
        ListKey {
            edition: self.edition.number,
            providers: self.place.providers().cloned().collect(),
            filter: self.filter.clone(),
            settings: self
                .place
                .settings
                .as_ref()
                .and_then(|settings| settings.lists()),
        }
    }
}
