//! Gateway keys: create, list, show.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::audit::AuditEvent;
use crate::domain::bearer_secret::{IssuedSecret, PresentedKey, SecretKind};
use crate::domain::document::suggestion;
use crate::domain::organization::{Organization, OrganizationId, OrganizationSlug};
use crate::domain::page::AfterId;
use crate::domain::principal::{Grant, Scope};
use crate::domain::tenant::Environment;
use crate::domain::tool::ToolName;
use crate::store::{GatewayKeyRow, NewGatewayKey, NewGrant, Write};
use crate::vault::random_bytes;

const MAX_NAME: usize = 200;

/// What a new key is to open.
pub struct KeyRequest {
    pub name: String,
    pub grants: Vec<GrantRequest>,
    pub expires: Option<Timestamp>,
}

/// One organization that a new key is to open.
#[derive(Debug, Clone)]
pub struct GrantRequest {
    pub organization: OrganizationSlug,
    pub environments: Scope<Environment>,
    pub tools: Scope<ToolName>,
    pub read_only: bool,
}

/// A key at the moment it is issued: its text is shown once. No `Debug`: it holds a secret.
pub struct IssuedKey {
    pub key: SecretString,
    pub summary: KeySummary,
}

/// What may be shown of a key.
#[derive(Debug, Serialize)]
pub struct KeySummary {
    pub id: String,
    pub name: String,
    pub state: &'static str,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires: Option<Timestamp>,
    /// The key whose place it takes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<String>,
    pub grants: Vec<KeyGrant>,
    /// Raised by every change of it.
    #[serde(skip)]
    pub revision: i64,
}

/// One organization that a key opens; `null` stands for all environments or tools.
#[derive(Debug, Serialize)]
pub struct KeyGrant {
    pub organization: String,
    pub environments: Option<BTreeSet<Environment>>,
    pub tools: Option<BTreeSet<ToolName>>,
    pub read_only: bool,
    /// When it is over, where the key goes on in others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ends: Option<Timestamp>,
    /// Whether it is over already, where the key goes on in others.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub revoked: bool,
}

impl KeySummary {
    /// Says that it is this key, as it is at its present revision.
    pub fn tag(&self) -> String {
        tag(&self.id, self.revision)
    }
}

impl GrantRequest {
    /// Every tool in every environment.
    pub fn everything(organization: OrganizationSlug) -> Self {
        Self {
            organization,
            environments: Scope::All,
            tools: Scope::All,
            read_only: false,
        }
    }
}

impl Admin {
    pub async fn create_key(&self, request: &KeyRequest) -> Result<IssuedKey, AdminError> {
        self.check_key_request(request)?;
        let mut organizations = Vec::new();
        for grant in &request.grants {
            organizations.push(self.organization_to_change(&grant.organization).await?);
        }
        let (secret, id) = (random_bytes()?, random_bytes()?);
        let issued = IssuedSecret::from_random(SecretKind::GatewayKey, &secret, &id);
        let row = NewGatewayKey {
            id: &issued.id,
            name: &request.name,
            hash: issued.hash,
            created_at: self.now(),
            created_by: self.actor.name(),
            expires_at: request.expires,
            replaces: None,
        };
        let mut write = self.store.write().await?;
        write.insert_gateway_key(&row).await?;
        for (grant, organization) in request.grants.iter().zip(&organizations) {
            let grant = NewGrant {
                organization: organization.id,
                environments: &grant.environments,
                tools: &grant.tools,
                read_only: grant.read_only,
            };
            write.insert_grant(&issued.id, &grant).await?;
        }
        let grants = request.grants.iter().map(|grant| KeyGrant {
            organization: grant.organization.to_string(),
            environments: named(&grant.environments),
            tools: named(&grant.tools),
            read_only: grant.read_only,
            ends: None,
            revoked: false,
        });
        let summary = KeySummary {
            grants: grants.collect(),
            id: issued.id.clone(),
            name: request.name.clone(),
            state: "active",
            created_at: row.created_at,
            created_by: row.created_by.to_owned(),
            expires: request.expires,
            replaces: None,
            revision: 1,
        };
        let event = self.event("key.create").on(issued.id.as_str());
        let events = for_each(event, &organizations);
        self.commit_creation(write, events, &summary).await?;
        Ok(IssuedKey {
            key: issued.secret,
            summary,
        })
    }

    /// The keys that open an organization which the actor knows of, oldest first, revoked ones too.
    pub async fn keys(&self) -> Result<Vec<KeySummary>, AdminError> {
        self.keys_after(None, None, usize::MAX).await
    }

    /// Up to `limit` of them that come after one; `slug` asks for those that open one organization.
    pub async fn keys_after(
        &self,
        slug: Option<&OrganizationSlug>,
        after: Option<&AfterId>,
        limit: usize,
    ) -> Result<Vec<KeySummary>, AdminError> {
        let opened = self.scope_of(slug).await?;
        let keys = self.store.gateway_keys_after(after, opened, limit).await?;
        let organizations = self.opened_by(&keys).await?;
        let known = by_id(&organizations);
        let keys = keys.into_iter();
        Ok(keys.map(|row| self.summary(row, &known)).collect())
    }

    /// A key that opens an organization which the actor knows of, a revoked one too.
    pub async fn key(&self, id: &str) -> Result<KeySummary, AdminError> {
        let (key, opened) = self.known_key(id).await?;
        Ok(self.summary(key, &by_id(&opened)))
    }

    /// Those of the organizations that keys open which the actor knows of.
    async fn opened_by(&self, keys: &[GatewayKeyRow]) -> Result<Vec<Organization>, AdminError> {
        let grants = keys.iter().flat_map(|key| &key.grants);
        let named = grants.map(|grant| grant.organization);
        let mut opened = self.store.organizations_with(named).await?;
        opened.retain(|organization| self.sees(organization));
        Ok(opened)
    }

    /// A key, and the organizations that it opens as far as the actor knows of them: of one at least.
    pub(super) async fn known_key(
        &self,
        id: &str,
    ) -> Result<(GatewayKeyRow, Vec<Organization>), AdminError> {
        if let Some(key) = PresentedKey::parse(SecretKind::GatewayKey, id) {
            let message = format!("this is a whole key; its id alone is `{}`", key.id());
            return Err(AdminError::field("id", message));
        }
        let unknown = || AdminError::NoKey(id.to_owned());
        let key = self.store.gateway_key(id).await?.ok_or_else(unknown)?;
        let opened = self.opened_by(std::slice::from_ref(&key)).await?;
        match opened.is_empty() {
            true => Err(unknown()),
            false => Ok((key, opened)),
        }
    }

    /// Starts a change of a key, which has to be as the actor expects it.
    pub(super) async fn begin_with_key(&self, id: &str) -> Result<Write, AdminError> {
        let mut write = self.store.write().await?;
        let revision = write.gateway_key_revision(id).await?;
        self.require_unchanged(revision.map(|revision| tag(id, revision)))?;
        Ok(write)
    }

    fn check_key_request(&self, request: &KeyRequest) -> Result<(), AdminError> {
        let name = &request.name;
        let long = name.chars().count() > MAX_NAME;
        if name.trim().is_empty() || long || name.chars().any(char::is_control) {
            let message = format!("say who will use the key, in at most {MAX_NAME} characters");
            return Err(AdminError::field("name", message));
        }
        if request.grants.is_empty() {
            let message = "a key opens at least one organization";
            return Err(AdminError::field("grants", message));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = request
            .grants
            .iter()
            .find(|grant| !seen.insert(&grant.organization))
        {
            let message = format!("`{}` is named twice", twice.organization);
            return Err(AdminError::unfit("grants", message));
        }
        if request.expires.is_some_and(|end| end <= self.now()) {
            return Err(AdminError::unfit("expires", "is in the past"));
        }
        for grant in &request.grants {
            self.check_environments(&grant.environments)?;
            self.check_tools(&grant.tools)?;
        }
        Ok(())
    }

    fn check_environments(&self, scope: &Scope<Environment>) -> Result<(), AdminError> {
        let Scope::Only(names) = scope else {
            return Ok(());
        };
        if names.is_empty() {
            let message = "name at least one, or open all";
            return Err(AdminError::field("environments", message));
        }
        let catalog = self.catalog();
        let providers = catalog.providers();
        let known: BTreeSet<_> = providers.flat_map(|p| p.environments.keys()).collect();
        match names.iter().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
                let hint = suggestion(name.as_str(), &known);
                let message = format!("no provider defines `{name}`{hint}");
                Err(AdminError::unfit("environments", message))
            }
        }
    }

    fn check_tools(&self, scope: &Scope<ToolName>) -> Result<(), AdminError> {
        let Scope::Only(names) = scope else {
            return Ok(());
        };
        if names.is_empty() {
            let message = "name at least one, or open all";
            return Err(AdminError::field("tools", message));
        }
        self.check_tool_names(names)
    }

    pub(super) fn summary(
        &self,
        mut row: GatewayKeyRow,
        known: &HashMap<OrganizationId, &Organization>,
    ) -> KeySummary {
        let opens_any = !row.grants.is_empty();
        // Who knows of some organizations sees a key that opens no others.
        row.grants
            .retain(|grant| known.contains_key(&grant.organization));
        let all_revoked = opens_any && row.grants.iter().all(|grant| grant.revoked);
        let revoked = row.revoked_at.is_some() || all_revoked;
        let expires = row.end();
        let grants = row.grants.iter().filter_map(|grant| {
            let sooner = |end: &Timestamp| expires.is_none_or(|expires| *end < expires);
            Some(KeyGrant {
                ends: grant.ends_at.filter(sooner),
                revoked: grant.revoked && !revoked,
                ..of(grant, known.get(&grant.organization)?)
            })
        });
        let mut grants: Vec<KeyGrant> = grants.collect();
        grants.sort_by(|one, other| one.organization.cmp(&other.organization));
        KeySummary {
            state: match (revoked, expires.is_some_and(|end| end <= self.now())) {
                (true, _) => "revoked",
                (false, true) => "expired",
                (false, false) => "active",
            },
            grants,
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            created_by: row.created_by,
            expires,
            replaces: row.replaces,
            revision: row.revision,
        }
    }
}

fn tag(id: &str, revision: i64) -> String {
    format!("key-{id}-{revision}")
}

pub(super) fn by_id(organizations: &[Organization]) -> HashMap<OrganizationId, &Organization> {
    organizations
        .iter()
        .map(|found| (found.id, found))
        .collect()
}

fn of(grant: &Grant, organization: &Organization) -> KeyGrant {
    KeyGrant {
        organization: organization.slug.to_string(),
        environments: named(&grant.environments),
        tools: named(&grant.filter.tools),
        read_only: grant.filter.read_only,
        ends: None,
        revoked: false,
    }
}

/// One record for each organization that an event is about.
pub(super) fn for_each(event: AuditEvent, organizations: &[Organization]) -> Vec<AuditEvent> {
    let of = |organization| event.clone().of_organization(organization);
    organizations.iter().map(of).collect()
}

fn named<T: Ord + Clone>(scope: &Scope<T>) -> Option<BTreeSet<T>> {
    match scope {
        Scope::All => None,
        Scope::Only(items) => Some(items.clone()),
    }
}
