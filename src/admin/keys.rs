//! Gateway keys: create, list, revoke.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::bearer_secret::{IssuedSecret, PresentedKey, SecretKind};
use crate::domain::document::suggestion;
use crate::domain::organization::{OrganizationId, OrganizationSlug};
use crate::domain::principal::{Grant, Scope};
use crate::domain::tenant::Environment;
use crate::domain::tool::ToolName;
use crate::store::{GatewayKeyRow, NewGatewayKey, NewGrant};
use crate::vault::random_bytes;

/// What a new key is to open.
pub struct KeyRequest {
    pub name: String,
    pub organizations: BTreeSet<OrganizationSlug>,
    pub environments: Scope<Environment>,
    pub tools: Scope<ToolName>,
    pub read_only: bool,
    pub expires: Option<Timestamp>,
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
    pub expires: Option<Timestamp>,
    pub grants: Vec<KeyGrant>,
}

/// One organization that a key opens; `null` stands for all environments or tools.
#[derive(Debug, Serialize)]
pub struct KeyGrant {
    pub organization: String,
    pub environments: Option<BTreeSet<Environment>>,
    pub tools: Option<BTreeSet<ToolName>>,
    pub read_only: bool,
}

impl Admin {
    pub async fn create_key(&self, request: &KeyRequest) -> Result<IssuedKey, AdminError> {
        self.check_key_request(request)?;
        let mut organizations = Vec::new();
        for slug in &request.organizations {
            organizations.push(self.organization(slug).await?);
        }
        let (secret, id) = (random_bytes()?, random_bytes()?);
        let issued = IssuedSecret::from_random(SecretKind::GatewayKey, &secret, &id);
        let row = NewGatewayKey {
            id: &issued.id,
            name: &request.name,
            hash: issued.hash,
            created_at: self.now(),
            expires_at: request.expires,
        };
        let mut write = self.store.write().await?;
        write.insert_gateway_key(&row).await?;
        for organization in &organizations {
            let grant = NewGrant {
                organization: organization.id,
                environments: &request.environments,
                tools: &request.tools,
                read_only: request.read_only,
            };
            write.insert_grant(&issued.id, &grant).await?;
        }
        write.commit().await?;
        let grants = request.organizations.iter().map(|slug| KeyGrant {
            organization: slug.to_string(),
            environments: named(&request.environments),
            tools: named(&request.tools),
            read_only: request.read_only,
        });
        let summary = KeySummary {
            grants: grants.collect(),
            id: issued.id.clone(),
            name: request.name.clone(),
            state: "active",
            created_at: row.created_at,
            expires: request.expires,
        };
        Ok(IssuedKey {
            key: issued.secret,
            summary,
        })
    }

    /// All keys, oldest first, revoked ones too.
    pub async fn keys(&self) -> Result<Vec<KeySummary>, AdminError> {
        let organizations = self.store.organizations().await?;
        let slugs: HashMap<_, _> = organizations.into_iter().map(|o| (o.id, o.slug)).collect();
        let keys = self.store.gateway_keys().await?;
        Ok(keys
            .into_iter()
            .map(|row| self.summary(row, &slugs))
            .collect())
    }

    pub async fn revoke_key(&self, id: &str) -> Result<(), AdminError> {
        if let Some(key) = PresentedKey::parse(SecretKind::GatewayKey, id) {
            let message = format!("this is a whole key; its id alone is `{}`", key.id());
            return Err(AdminError::field("id", message));
        }
        let mut write = self.store.write().await?;
        if !write.revoke_gateway_key(id, self.now()).await? {
            return Err(AdminError::NoKey(id.to_owned()));
        }
        Ok(write.commit().await?)
    }

    fn check_key_request(&self, request: &KeyRequest) -> Result<(), AdminError> {
        if request.name.trim().is_empty() || request.name.chars().any(char::is_control) {
            return Err(AdminError::field("name", "say who will use the key"));
        }
        if request.organizations.is_empty() {
            return Err(AdminError::field(
                "org",
                "a key opens at least one organization",
            ));
        }
        if request.expires.is_some_and(|end| end <= self.now()) {
            return Err(AdminError::field("expires", "is in the past"));
        }
        self.check_environments(&request.environments)?;
        self.check_tools(&request.tools)
    }

    fn check_environments(&self, scope: &Scope<Environment>) -> Result<(), AdminError> {
        let Scope::Only(names) = scope else {
            return Ok(());
        };
        let providers = self.catalog.providers();
        let known: BTreeSet<_> = providers.flat_map(|p| p.environments.keys()).collect();
        match names.iter().find(|name| !known.contains(name)) {
            None => Ok(()),
            Some(name) => {
                let known: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
                let hint = suggestion(name.as_str(), &known);
                Err(AdminError::field(
                    "env",
                    format!("no provider defines `{name}`{hint}"),
                ))
            }
        }
    }

    fn check_tools(&self, scope: &Scope<ToolName>) -> Result<(), AdminError> {
        let Scope::Only(names) = scope else {
            return Ok(());
        };
        match names
            .iter()
            .find(|name| self.catalog.tool(name.as_str()).is_none())
        {
            None => Ok(()),
            Some(name) => {
                let known: Vec<&str> = self.catalog.tools().map(|e| e.tool.name.as_str()).collect();
                let hint = suggestion(name.as_str(), &known);
                Err(AdminError::NoTool {
                    name: name.to_string(),
                    hint,
                })
            }
        }
    }

    fn summary(
        &self,
        row: GatewayKeyRow,
        slugs: &HashMap<OrganizationId, OrganizationSlug>,
    ) -> KeySummary {
        let expired = row.expires_at.is_some_and(|end| end <= self.now());
        let mut grants: Vec<KeyGrant> = row.grants.iter().map(|g| shown(g, slugs)).collect();
        grants.sort_by(|one, other| one.organization.cmp(&other.organization));
        KeySummary {
            state: match (row.revoked_at, expired) {
                (Some(_), _) => "revoked",
                (None, true) => "expired",
                (None, false) => "active",
            },
            grants,
            id: row.id,
            name: row.name,
            created_at: row.created_at,
            expires: row.expires_at,
        }
    }
}

fn shown(grant: &Grant, slugs: &HashMap<OrganizationId, OrganizationSlug>) -> KeyGrant {
    KeyGrant {
        organization: slugs
            .get(&grant.organization)
            .map(ToString::to_string)
            .unwrap_or_default(),
        environments: named(&grant.environments),
        tools: named(&grant.filter.tools),
        read_only: grant.filter.read_only,
    }
}

fn named<T: Ord + Clone>(scope: &Scope<T>) -> Option<BTreeSet<T>> {
    match scope {
        Scope::All => None,
        Scope::Only(items) => Some(items.clone()),
    }
}
