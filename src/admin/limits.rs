//! Limits of tenants: set and shown.

use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::document::suggestion;
use crate::domain::limits::{LimitSetting, LimitSettings};
use crate::domain::organization::OrganizationSlug;
use crate::domain::tenant::Environment;
use crate::store::StoredLimits;

/// What was set for an organization in one environment.
#[derive(Debug, Clone, Serialize)]
pub struct LimitSummary {
    pub environment: Environment,
    #[serde(flatten)]
    pub settings: LimitSettings,
}

/// The limits to change; the others stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct LimitChange {
    pub per_minute: Option<LimitSetting>,
    pub per_day: Option<LimitSetting>,
    pub concurrency: Option<LimitSetting>,
}

impl LimitChange {
    fn on(self, former: LimitSettings) -> LimitSettings {
        LimitSettings {
            per_minute: self.per_minute.unwrap_or(former.per_minute),
            per_day: self.per_day.unwrap_or(former.per_day),
            concurrency: self.concurrency.unwrap_or(former.concurrency),
        }
    }
}

impl Admin {
    /// The limits that an organization has of its own, by environment.
    pub async fn limits(&self, slug: &OrganizationSlug) -> Result<Vec<LimitSummary>, AdminError> {
        let organization = self.organization(slug).await?;
        let stored = self.store.limits_of(organization.id).await?.into_iter();
        let summary = |stored: StoredLimits| LimitSummary {
            environment: stored.environment,
            settings: stored.settings,
        };
        Ok(stored.map(summary).collect())
    }

    /// Changes limits of an organization in an environment; calls from now on go by them.
    pub async fn set_limits(
        &self,
        slug: &OrganizationSlug,
        environment: &Environment,
        change: LimitChange,
    ) -> Result<LimitSummary, AdminError> {
        self.check_environment(environment)?;
        let organization = self.organization_to_change(slug).await?;
        let mut write = self.store.write().await?;
        let former = self.store.limits_of(organization.id).await?;
        let former = former
            .into_iter()
            .find(|stored| stored.environment == *environment)
            .map_or_else(LimitSettings::default, |stored| stored.settings);
        let settings = change.on(former);
        let limits = StoredLimits {
            organization: organization.id,
            environment: environment.clone(),
            settings,
        };
        write.set_limits(&limits).await?;
        let mut event = self.event("org.limits").of_organization(&organization);
        event.environment = Some(environment.clone());
        self.commit(write, [event]).await?;
        Ok(LimitSummary {
            environment: environment.clone(),
            settings,
        })
    }

    fn check_environment(&self, environment: &Environment) -> Result<(), AdminError> {
        let providers = self.catalog.providers();
        let known: Vec<&str> = providers
            .flat_map(|provider| provider.environments.keys())
            .map(Environment::as_str)
            .collect();
        if known.contains(&environment.as_str()) {
            return Ok(());
        }
        let hint = suggestion(environment.as_str(), &known);
        let message = format!("no provider has an environment `{environment}`{hint}");
        Err(AdminError::field("env", message))
    }
}
