//! Which tools tenants have, and the values that these work with.

use sqlx::sqlite::SqliteRow;

use super::rows::{get, get_name, get_organization_id};
use super::{Store, StoreError, Write};
use crate::domain::organization::OrganizationId;
use crate::domain::tenant::Environment;
use crate::domain::tenant_settings::TenantSettings;

/// What was set for a tenant.
pub struct StoredSettings {
    pub organization: OrganizationId,
    pub environment: Environment,
    pub settings: TenantSettings,
}

impl Store {
    /// The settings of all tenants that have some.
    pub async fn tenant_settings(&self) -> Result<Vec<StoredSettings>, StoreError> {
        sqlx::query("SELECT * FROM tenant_settings")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(stored)
            .collect()
    }

    /// The settings of one organization, by environment.
    pub async fn tenant_settings_of(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<StoredSettings>, StoreError> {
        sqlx::query("SELECT * FROM tenant_settings WHERE organization_id = ? ORDER BY environment")
            .bind(organization.0)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(stored)
            .collect()
    }
}

impl Write {
    /// Puts the settings of a tenant in the place of its former ones; the default leaves no row.
    pub async fn set_tenant_settings(&mut self, stored: &StoredSettings) -> Result<(), StoreError> {
        let settings = &stored.settings;
        sqlx::query("DELETE FROM tenant_settings WHERE organization_id = ? AND environment = ?")
            .bind(stored.organization.0)
            .bind(stored.environment.as_str())
            .execute(&mut *self.transaction)
            .await?;
        if settings.is_default() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO tenant_settings (organization_id, environment, allow_tools, deny_tools,
                 read_only, setting_values)
             VALUES (?, ?, ?, ?, ?, ?)",
        )
        .bind(stored.organization.0)
        .bind(stored.environment.as_str())
        .bind(settings.allow_tools.as_ref().map(json))
        .bind(json(&settings.deny_tools))
        .bind(settings.read_only)
        .bind(json(&settings.values))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value).unwrap_or_default().to_string()
}

/// What cannot be read is an error: it might have denied something.
fn stored(row: &SqliteRow) -> Result<StoredSettings, StoreError> {
    let allowed: Option<String> = get(row, "allow_tools")?;
    Ok(StoredSettings {
        organization: get_organization_id(row, "organization_id")?,
        environment: get_name(row, "environment")?,
        settings: TenantSettings {
            allow_tools: allowed.as_deref().map(read).transpose()?,
            deny_tools: read(&get::<String>(row, "deny_tools")?)?,
            read_only: get(row, "read_only")?,
            values: read(&get::<String>(row, "setting_values")?)?,
        },
    })
}

fn read<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|_| StoreError::Content("settings that are none"))
}
