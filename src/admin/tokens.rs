//! Admin tokens: create, list, show, revoke, and whose a presented one is.

use std::collections::HashMap;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::actor::{Actor, Right, Role};
use crate::domain::bearer_secret::{IssuedSecret, PresentedKey, SecretKind};
use crate::domain::organization::{OrganizationId, OrganizationSlug};
use crate::domain::page::AfterId;
use crate::store::{AdminTokenRow, NewAdminToken};
use crate::vault::random_bytes;

const MAX_NAME: usize = 200;

/// What a new token is to be for.
pub struct TokenRequest {
    pub name: String,
    pub role: Role,
    /// The one organization that it is for; `None` stands for all.
    pub organization: Option<OrganizationSlug>,
    pub expires: Option<Timestamp>,
}

/// A token at the moment it is issued: its text is shown once. No `Debug`: it holds a secret.
pub struct IssuedToken {
    pub token: SecretString,
    pub summary: TokenSummary,
}

/// What may be shown of a token.
#[derive(Debug, Serialize)]
pub struct TokenSummary {
    pub id: String,
    pub name: String,
    pub role: Role,
    /// `null` stands for all; the UUID, for one that was deleted.
    pub organization: Option<String>,
    pub state: &'static str,
    pub created_at: Timestamp,
    pub created_by: String,
    pub expires: Option<Timestamp>,
    /// Raised by every change of it.
    #[serde(skip)]
    pub revision: i64,
}

impl TokenSummary {
    /// Says that it is this token, as it is at its present revision.
    pub fn tag(&self) -> String {
        tag(&self.id, self.revision)
    }
}

impl Admin {
    pub async fn create_token(&self, request: &TokenRequest) -> Result<IssuedToken, AdminError> {
        self.require(Right::Own)?;
        self.check_token_request(request)?;
        let organization = match &request.organization {
            Some(slug) => Some(self.organization(slug).await?),
            None => None,
        };
        let (secret, id) = (random_bytes()?, random_bytes()?);
        let issued = IssuedSecret::from_random(SecretKind::AdminToken, &secret, &id);
        let row = NewAdminToken {
            id: &issued.id,
            name: &request.name,
            role: request.role,
            organization: organization.as_ref().map(|found| found.id),
            hash: issued.hash,
            created_at: self.now(),
            created_by: self.actor.name(),
            expires_at: request.expires,
        };
        let summary = TokenSummary {
            id: issued.id.clone(),
            name: request.name.clone(),
            role: request.role,
            organization: organization.as_ref().map(|found| found.slug.to_string()),
            state: "active",
            created_at: row.created_at,
            created_by: row.created_by.to_owned(),
            expires: request.expires,
            revision: 1,
        };
        let mut write = self.store.write().await?;
        write.insert_admin_token(&row).await?;
        let mut event = self.event("admin_token.create").on(issued.id.as_str());
        if let Some(organization) = &organization {
            event = event.of_organization(organization);
        }
        self.commit_creation(write, [event], &summary).await?;
        Ok(IssuedToken {
            token: issued.secret,
            summary,
        })
    }

    /// All tokens, oldest first, revoked ones too.
    pub async fn tokens(&self) -> Result<Vec<TokenSummary>, AdminError> {
        self.tokens_after(None, usize::MAX).await
    }

    /// Up to `limit` of them that come after one.
    pub async fn tokens_after(
        &self,
        after: Option<&AfterId>,
        limit: usize,
    ) -> Result<Vec<TokenSummary>, AdminError> {
        self.require(Right::Own)?;
        let tokens = self.store.admin_tokens_after(after, limit).await?;
        self.token_summaries(tokens).await
    }

    /// A token, a revoked one too.
    pub async fn token(&self, id: &str) -> Result<TokenSummary, AdminError> {
        self.require(Right::Own)?;
        check_token_id(id)?;
        let found = self.store.admin_token(id).await?;
        let mut found = self.token_summaries(found.into_iter().collect()).await?;
        found
            .pop()
            .ok_or_else(|| AdminError::NoToken(id.to_owned()))
    }

    pub async fn revoke_token(&self, id: &str) -> Result<(), AdminError> {
        self.require(Right::Own)?;
        check_token_id(id)?;
        let mut write = self.store.write().await?;
        let revision = write.admin_token_revision(id).await?;
        self.require_unchanged(revision.map(|revision| tag(id, revision)))?;
        if !write.revoke_admin_token(id, self.now()).await? {
            return Err(AdminError::NoToken(id.to_owned()));
        }
        // At the command line another one can always be made; through the API only by an owner.
        let remote = matches!(self.actor, Actor::Token { .. });
        if remote && !write.has_owner_token(self.now()).await? {
            return Err(AdminError::LastOwner(id.to_owned()));
        }
        let event = self.event("admin_token.revoke").on(id);
        self.commit(write, [event]).await
    }

    /// Whose token this is: an actor, if it still works.
    pub async fn authenticate(
        &self,
        presented: &PresentedKey<'_>,
    ) -> Result<Option<Actor>, AdminError> {
        let row = self.store.admin_token(presented.id()).await?;
        let hash = presented.hash();
        let row = row.filter(|row| hash.matches(&row.hash) && self.state_of(row) == "active");
        Ok(row.map(|row| Actor::Token {
            id: row.id,
            name: row.name,
            role: row.role,
            organization: row.organization,
        }))
    }

    fn check_token_request(&self, request: &TokenRequest) -> Result<(), AdminError> {
        if request.name.chars().count() > MAX_NAME || request.name.chars().any(char::is_control) {
            let message = format!("at most {MAX_NAME} printable characters");
            return Err(AdminError::field("name", message));
        }
        if request.role == Role::Owner && request.organization.is_some() {
            let message = "an owner is for all organizations; leave it out, or take another role";
            return Err(AdminError::field("organization", message));
        }
        if request.expires.is_some_and(|end| end <= self.now()) {
            return Err(AdminError::unfit("expires", "is in the past"));
        }
        Ok(())
    }

    async fn token_summaries(
        &self,
        tokens: Vec<AdminTokenRow>,
    ) -> Result<Vec<TokenSummary>, AdminError> {
        let named = tokens.iter().filter_map(|row| row.organization);
        let organizations = self.store.organizations_with(named).await?.into_iter();
        let slugs: HashMap<_, _> = organizations.map(|found| (found.id, found.slug)).collect();
        let tokens = tokens.into_iter();
        Ok(tokens.map(|row| self.token_summary(row, &slugs)).collect())
    }

    fn token_summary(
        &self,
        row: AdminTokenRow,
        slugs: &HashMap<OrganizationId, OrganizationSlug>,
    ) -> TokenSummary {
        // One that was deleted has no id any more.
        let organization = row.organization.map(|id| match slugs.get(&id) {
            Some(slug) => slug.to_string(),
            None => id.0.to_string(),
        });
        TokenSummary {
            state: self.state_of(&row),
            organization,
            id: row.id,
            name: row.name,
            role: row.role,
            created_at: row.created_at,
            created_by: row.created_by,
            expires: row.expires_at,
            revision: row.revision,
        }
    }

    fn state_of(&self, row: &AdminTokenRow) -> &'static str {
        match (row.revoked_at, row.expires_at) {
            (Some(_), _) => "revoked",
            (None, Some(end)) if end <= self.now() => "expired",
            (None, _) => "active",
        }
    }
}

fn check_token_id(id: &str) -> Result<(), AdminError> {
    let Some(token) = PresentedKey::parse(SecretKind::AdminToken, id) else {
        return Ok(());
    };
    let message = format!("this is a whole token; its id alone is `{}`", token.id());
    Err(AdminError::field("id", message))
}

fn tag(id: &str, revision: i64) -> String {
    format!("token-{id}-{revision}")
}
