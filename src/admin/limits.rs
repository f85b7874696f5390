//! Limits of tenants: set and shown.

use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::document::suggestion;
use crate::domain::limits::{LimitSetting, LimitSettings};
use crate::domain::organization::{Organization, OrganizationSlug};
use crate::domain::tenant::Environment;
use crate::store::{StoredLimits, Write};

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
    pub fn is_empty(&self) -> bool {
        self.per_minute.is_none() && self.per_day.is_none() && self.concurrency.is_none()
    }

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

    /// Changes limits of an organization in an environment, as part of a change.
    pub(super) async fn change_limits(
        &self,
        write: &mut Write,
        organization: &Organization,
        environment: &Environment,
        change: LimitChange,
    ) -> Result<(), AdminError> {
        self.check_environment(environment)?;
        let former = self.store.limits_of(organization.id).await?;
        let former = former
            .into_iter()
            .find(|stored| stored.environment == *environment)
            .map_or_else(LimitSettings::default, |stored| stored.settings);
        let limits = StoredLimits {
            organization: organization.id,
            environment: environment.clone(),
            settings: change.on(former),
        };
        Ok(write.set_limits(&limits).await?)
    }

    pub(super) fn check_environment(&self, environment: &Environment) -> Result<(), AdminError> {
        let catalog = self.catalog();
        let providers = catalog.providers();
        let known: Vec<&str> = providers
            .flat_map(|provider| provider.environments.keys())
            .map(Environment::as_str)
            .collect();
        if known.contains(&environment.as_str()) {
            return Ok(());
        }
        let hint = suggestion(environment.as_str(), &known);
        let message = format!("no provider has an environment `{environment}`{hint}");
        Err(AdminError::unfit("environment", message))
    }
}
