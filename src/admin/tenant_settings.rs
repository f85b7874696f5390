//! Settings of tenants: which tools they have, and the values that these work with.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::document::suggestion;
use crate::domain::organization::{Organization, OrganizationSlug};
use crate::domain::principal::Scope;
use crate::domain::tenant::Environment;
use crate::domain::tenant_settings::{
    MAX_VALUE, MAX_VALUE_NAME, MAX_VALUES, TenantSettings, is_value_name,
};
use crate::domain::tool::ToolName;
use crate::store::{StoredSettings, Write};

/// What was settled for an organization in one environment.
#[derive(Debug, Clone, Serialize)]
pub struct SettingsSummary {
    pub environment: Environment,
    #[serde(flatten)]
    pub settings: TenantSettings,
}

/// What is to change; the rest stays.
#[derive(Debug, Clone, Default)]
pub struct SettingsChange {
    pub allow_tools: Option<Scope<ToolName>>,
    pub deny_tools: Option<BTreeSet<ToolName>>,
    pub read_only: Option<bool>,
    /// By name; `None` takes one away.
    pub values: BTreeMap<String, Option<String>>,
}

impl SettingsChange {
    pub fn is_empty(&self) -> bool {
        let Self {
            allow_tools,
            deny_tools,
            read_only,
            values,
        } = self;
        allow_tools.is_none() && deny_tools.is_none() && read_only.is_none() && values.is_empty()
    }

    fn on(&self, mut settings: TenantSettings) -> TenantSettings {
        if let Some(allowed) = &self.allow_tools {
            settings.allow_tools = match allowed {
                Scope::All => None,
                Scope::Only(names) => Some(names.clone()),
            };
        }
        if let Some(denied) = &self.deny_tools {
            settings.deny_tools.clone_from(denied);
        }
        settings.read_only = self.read_only.unwrap_or(settings.read_only);
        for (name, value) in &self.values {
            match value {
                Some(value) => settings.values.insert(name.clone(), value.clone()),
                None => settings.values.remove(name),
            };
        }
        settings
    }
}

impl Admin {
    /// The settings that an organization has, by environment.
    pub async fn tenant_settings(
        &self,
        slug: &OrganizationSlug,
    ) -> Result<Vec<SettingsSummary>, AdminError> {
        let organization = self.organization(slug).await?;
        let stored = self.store.tenant_settings_of(organization.id).await?;
        let summary = |stored: StoredSettings| SettingsSummary {
            environment: stored.environment,
            settings: stored.settings,
        };
        Ok(stored.into_iter().map(summary).collect())
    }

    /// Changes settings of an organization in an environment, as part of a change.
    pub(super) async fn change_settings(
        &self,
        write: &mut Write,
        organization: &Organization,
        environment: &Environment,
        change: &SettingsChange,
    ) -> Result<(), AdminError> {
        self.check_environment(environment)?;
        self.check_lists(change)?;
        let former = self.store.tenant_settings_of(organization.id).await?;
        let former = former
            .into_iter()
            .find(|stored| stored.environment == *environment)
            .map_or_else(TenantSettings::default, |stored| stored.settings);
        let settings = change.on(former);
        check_values(&settings.values)?;
        let stored = StoredSettings {
            organization: organization.id,
            environment: environment.clone(),
            settings,
        };
        Ok(write.set_tenant_settings(&stored).await?)
    }

    fn check_lists(&self, change: &SettingsChange) -> Result<(), AdminError> {
        let allowed = match &change.allow_tools {
            Some(Scope::Only(names)) => Some(names),
            _ => None,
        };
        self.check_tool_names(allowed.into_iter().chain(&change.deny_tools).flatten())
    }

    /// Refuses names that no profile has a tool of.
    pub(super) fn check_tool_names<'a>(
        &self,
        names: impl IntoIterator<Item = &'a ToolName>,
    ) -> Result<(), AdminError> {
        let catalog = self.catalog();
        let mut names = names.into_iter();
        match names.find(|name| catalog.tool(name.as_str()).is_none()) {
            None => Ok(()),
            Some(unknown) => {
                let known: Vec<&str> = catalog.tools().map(|e| e.tool.name.as_str()).collect();
                Err(AdminError::NoTool {
                    name: unknown.to_string(),
                    hint: suggestion(unknown.as_str(), &known),
                })
            }
        }
    }
}

fn check_values(values: &BTreeMap<String, String>) -> Result<(), AdminError> {
    let unfit = |message: String| Err(AdminError::field("values", message));
    if values.len() > MAX_VALUES {
        return unfit(format!(
            "an organization has at most {MAX_VALUES} of them in an environment"
        ));
    }
    if let Some(name) = values.keys().find(|name| !is_value_name(name)) {
        return unfit(format!(
            "`{name}` is not a name: a-z, 0-9 and _ are, starting with a letter, at most {MAX_VALUE_NAME}"
        ));
    }
    let fits = |value: &String| {
        (1..=MAX_VALUE).contains(&value.chars().count()) && !value.chars().any(char::is_control)
    };
    match values.iter().find(|(_, value)| !fits(value)) {
        None => Ok(()),
        Some((name, _)) => unfit(format!(
            "`{name}`: 1 to {MAX_VALUE} printable characters are needed"
        )),
    }
}
