//! Credentials: set, list, test by a real login.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::{Admin, AdminError, ImportNotice};
use crate::credentials::NewVersion;
use crate::domain::credential::{
    CredentialMetadata, CredentialRef, CredentialState, CredentialVersionId, FieldMetadata,
    ProfileKey, SecretFields,
};
use crate::domain::document::suggestion;
use crate::domain::organization::{Organization, OrganizationSlug};
use crate::domain::provider::{Provider, Upstream};
use crate::domain::tenant::{Environment, Tenant};
use crate::store::StoredCredential;
use crate::token::LoginSite;

const MAX_FIELD: usize = 8_192;

/// A credential as it is entered. No `Debug`: it holds secrets.
pub struct CredentialInput {
    pub organization: OrganizationSlug,
    pub environment: Environment,
    pub provider: String,
    pub flow: Option<String>,
    pub issued: Option<Timestamp>,
}

/// A version that was stored, as it may be shown.
#[derive(Debug, Serialize)]
pub struct NewCredential {
    pub id: CredentialVersionId,
    pub organization: String,
    pub environment: Environment,
    pub provider: String,
    pub version: i64,
    pub state: CredentialState,
    pub fields: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<ImportNotice>,
}

/// A credential profile, as it may be shown.
#[derive(Debug, Serialize)]
pub struct CredentialProfile {
    /// The version in use; without one, the newest.
    #[serde(flatten)]
    pub current: CredentialMetadata,
    /// Newest first.
    pub versions: Vec<CredentialMetadata>,
}

/// What a login with a credential came to.
#[derive(Debug, Serialize)]
pub struct TestReport {
    pub organization: String,
    pub environment: Environment,
    pub provider: String,
    pub id: CredentialVersionId,
    pub ok: bool,
    pub message: String,
}

impl Admin {
    /// Stores a new version, which is active at once; the former one is revoked.
    pub async fn set_credential(
        &self,
        input: CredentialInput,
        fields: SecretFields,
    ) -> Result<NewCredential, AdminError> {
        let organization = self.organization_to_change(&input.organization).await?;
        let (provider, _) = self.upstream(&input.provider, &input.environment)?;
        check_flow(provider, input.flow.as_deref())?;
        check_fields(provider, input.flow.as_deref(), &fields)?;
        let now = self.now();
        let issued_at = input.issued.unwrap_or(now);
        if issued_at > now {
            return Err(AdminError::unfit("issued", "is in the future"));
        }
        let names = fields.keys().cloned().collect();
        let version = NewVersion {
            profile: ProfileKey {
                tenant: tenant(&organization, &input.environment),
                provider: provider.name.clone(),
            },
            flow: input.flow,
            fields,
            issued_at,
            entered_by: self.actor.name().to_owned(),
        };
        let mut write = self.begin(&organization).await?;
        let (id, number) = self.credentials.activate(&mut write, &version, now).await?;
        let event = self
            .event("credential.set")
            .of_tenant(&version.profile.tenant);
        let event = event.of_provider(&provider.name).of_version(id);
        self.commit(write, [event]).await?;
        Ok(NewCredential {
            id,
            organization: organization.slug.to_string(),
            environment: input.environment,
            provider: input.provider,
            version: number,
            state: CredentialState::Active,
            fields: names,
            notices: Vec::new(),
        })
    }

    /// The versions of one organization, or of all, newest first within each profile.
    pub async fn credentials(
        &self,
        organization: Option<&OrganizationSlug>,
    ) -> Result<Vec<CredentialMetadata>, AdminError> {
        let organizations = match organization {
            Some(slug) => vec![self.organization(slug).await?],
            None => self.organizations().await?,
        };
        let mut all = Vec::new();
        for organization in organizations {
            for stored in self.store.credentials_of(organization.id).await? {
                all.push(self.metadata(&organization, stored).await?);
            }
        }
        Ok(all)
    }

    /// One credential profile: the version in use, or else the newest, and all versions.
    pub async fn credential(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<CredentialProfile, AdminError> {
        let mut versions = self.credentials(Some(organization)).await?;
        versions.retain(|version| {
            version.environment == *environment && version.provider.as_str() == provider
        });
        let active = versions
            .iter()
            .find(|version| version.state == CredentialState::Active);
        match active.or(versions.first()).cloned() {
            Some(current) => Ok(CredentialProfile { current, versions }),
            None => Err(AdminError::NoCredential {
                organization: organization.to_string(),
                environment: environment.to_string(),
                provider: provider.to_owned(),
            }),
        }
    }

    /// Logs in with an active credential and notes that it works.
    pub async fn test_credential(
        &self,
        organization: &OrganizationSlug,
        environment: &Environment,
        provider: &str,
    ) -> Result<TestReport, AdminError> {
        let organization = self.organization_to_change(organization).await?;
        let (provider, upstream) = self.upstream(provider, environment)?;
        let stored = self.store.credentials_of(organization.id).await?;
        let active = stored.into_iter().find(|stored| {
            stored.state == CredentialState::Active
                && stored.environment == *environment
                && stored.provider == provider.name
        });
        let active = active.ok_or_else(|| AdminError::NoCredential {
            organization: organization.slug.to_string(),
            environment: environment.to_string(),
            provider: provider.name.to_string(),
        })?;
        let site = LoginSite {
            provider: provider.clone(),
            base_url: upstream.base_url.clone(),
        };
        let result = self.log_in(&organization, &active, &site).await;
        let ok = result.is_ok();
        let message = match result {
            Ok(()) => "Authentication successful".to_owned(),
            Err(error) => error.to_string(),
        };
        Ok(TestReport {
            organization: organization.slug.to_string(),
            environment: environment.clone(),
            provider: provider.name.to_string(),
            id: active.id,
            ok,
            message,
        })
    }

    /// Opens an active credential without using it; `check` does so with all.
    pub async fn open_credential(&self, metadata: &CredentialMetadata) -> Result<(), AdminError> {
        let slug = OrganizationSlug::parse(&metadata.organization)
            .map_err(|_| AdminError::field("organization", "is malformed"))?;
        let organization = self.organization(&slug).await?;
        let key = ProfileKey {
            tenant: tenant(&organization, &metadata.environment),
            provider: metadata.provider.clone(),
        };
        let credential = CredentialRef {
            id: metadata.id,
            key,
            flow: metadata.flow.clone(),
        };
        self.credentials.open(&credential).await?;
        Ok(())
    }

    async fn log_in(
        &self,
        organization: &Organization,
        active: &StoredCredential,
        site: &LoginSite,
    ) -> Result<(), AdminError> {
        let key = ProfileKey {
            tenant: tenant(organization, &active.environment),
            provider: active.provider.clone(),
        };
        let credential = CredentialRef {
            id: active.id,
            key,
            flow: active.flow.clone(),
        };
        let opened = self.credentials.open(&credential).await?;
        self.login.log_in(site, &opened, None).await?;
        let mut write = self.store.write().await?;
        write.set_verified(active.id, self.now()).await?;
        let event = self.event("credential.test").of_tenant(&opened.key.tenant);
        let event = event
            .of_provider(&opened.key.provider)
            .of_version(opened.id);
        self.commit(write, [event]).await
    }

    async fn metadata(
        &self,
        organization: &Organization,
        stored: StoredCredential,
    ) -> Result<CredentialMetadata, AdminError> {
        let tenant = tenant(organization, &stored.environment);
        let fields = self.store.credential_fields(&tenant, stored.id).await?;
        Ok(CredentialMetadata {
            id: stored.id,
            organization: organization.slug.to_string(),
            environment: stored.environment,
            provider: stored.provider,
            version: stored.version,
            state: stored.state,
            state_since: stored.state_at,
            grace_ends: stored.grace_ends_at,
            flow: stored.flow,
            issued: stored.issued_at,
            entered_at: stored.entered_at,
            entered_by: stored.entered_by,
            verified_at: stored.verified_at,
            refused: stored.refused,
            fields: fields
                .into_iter()
                .map(|field| FieldMetadata {
                    name: field.name,
                    fingerprint: field.fingerprint,
                })
                .collect(),
        })
    }

    pub(super) fn upstream(
        &self,
        name: &str,
        environment: &Environment,
    ) -> Result<(&Arc<Provider>, &Upstream), AdminError> {
        let provider = self.catalog.provider(name).ok_or_else(|| {
            let known: Vec<&str> = self.catalog.providers().map(|p| p.name.as_str()).collect();
            AdminError::NoProvider {
                name: name.to_owned(),
                hint: suggestion(name, &known),
            }
        })?;
        let upstream = provider.environments.get(environment).ok_or_else(|| {
            let known: Vec<&str> = provider
                .environments
                .keys()
                .map(Environment::as_str)
                .collect();
            AdminError::NoEnvironment {
                provider: name.to_owned(),
                environment: environment.to_string(),
                hint: suggestion(environment.as_str(), &known),
            }
        })?;
        Ok((provider, upstream))
    }
}

fn tenant(organization: &Organization, environment: &Environment) -> Tenant {
    Tenant {
        organization: organization.id,
        slug: organization.slug.clone(),
        environment: environment.clone(),
    }
}

fn check_flow(provider: &Provider, flow: Option<&str>) -> Result<(), AdminError> {
    let Some(flow) = flow else { return Ok(()) };
    if provider.login.flows.contains_key(flow) {
        return Ok(());
    }
    let known: Vec<&str> = provider.login.flows.keys().map(String::as_str).collect();
    Err(AdminError::NoFlow {
        provider: provider.name.to_string(),
        flow: flow.to_owned(),
        hint: suggestion(flow, &known),
    })
}

fn check_fields(
    provider: &Provider,
    flow: Option<&str>,
    fields: &BTreeMap<String, SecretString>,
) -> Result<(), AdminError> {
    let shapes = &provider.credential.fields;
    for (name, value) in fields {
        if !shapes.contains_key(name) {
            let known: Vec<&str> = shapes.keys().map(String::as_str).collect();
            let hint = suggestion(name, &known);
            let message = format!("`{}` has no such field{hint}", provider.name);
            return Err(AdminError::unfit(name, message));
        }
        let text = value.expose_secret();
        if !(1..=MAX_FIELD).contains(&text.chars().count()) {
            let message = format!("1 to {MAX_FIELD} characters are needed");
            return Err(AdminError::field(name, message));
        }
        if text.trim() != text || text.chars().any(char::is_control) {
            let message = "has blanks around it or control characters in it; was it cut badly?";
            return Err(AdminError::field(name, message));
        }
    }
    let required = shapes
        .iter()
        .filter(|(_, shape)| shape.required)
        .map(|(name, _)| name);
    let flow_needs = provider
        .login
        .flow(flow)
        .into_iter()
        .flat_map(|flow| &flow.requires);
    match required
        .chain(flow_needs)
        .find(|name| !fields.contains_key(*name))
    {
        None => Ok(()),
        Some(name) => {
            let description = shapes.get(name).map(|shape| shape.description.as_str());
            let message = format!("is missing ({})", description.unwrap_or_default());
            Err(AdminError::unfit(name, message))
        }
    }
}
