//! Limits of tenants, and what they used by day.

use sqlx::sqlite::SqliteRow;

use super::rows::{at_most, get, get_name, get_organization_id, hex_list, organization, put_many};
use super::{Store, StoreError, Write};
use crate::domain::limits::{LimitSetting, LimitSettings};
use crate::domain::organization::{Organization, OrganizationId, OrganizationSlug};
use crate::domain::tenant::Environment;
use crate::domain::usage::{Day, Usage};

/// What was set for a tenant.
pub struct StoredLimits {
    pub organization: OrganizationId,
    pub environment: Environment,
    pub settings: LimitSettings,
}

/// What a tenant used on a day.
pub struct StoredUsage {
    pub organization: OrganizationId,
    pub environment: Environment,
    pub usage: Usage,
}

impl Store {
    /// The limits of all tenants that have some of their own.
    pub async fn limits(&self) -> Result<Vec<StoredLimits>, StoreError> {
        sqlx::query("SELECT * FROM tenant_limits ORDER BY organization_id, environment")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(stored_limits)
            .collect()
    }

    /// The limits of one organization, by environment.
    pub async fn limits_of(
        &self,
        organization: OrganizationId,
    ) -> Result<Vec<StoredLimits>, StoreError> {
        sqlx::query("SELECT * FROM tenant_limits WHERE organization_id = ? ORDER BY environment")
            .bind(organization.0)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(stored_limits)
            .collect()
    }

    /// What all tenants used on a day.
    pub async fn usage_on(&self, day: Day) -> Result<Vec<StoredUsage>, StoreError> {
        sqlx::query("SELECT * FROM tenant_usage WHERE day = ?")
            .bind(day.0)
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(stored_usage)
            .collect()
    }

    /// Some of the organizations that used something in some days (up to and without the last), in
    /// the order of their slugs: of all, or the one.
    pub async fn organizations_used_after(
        &self,
        after: Option<&OrganizationSlug>,
        only: Option<OrganizationId>,
        (from, to): (Day, Day),
        limit: usize,
    ) -> Result<Vec<Organization>, StoreError> {
        sqlx::query(
            "SELECT * FROM organizations WHERE slug > ?1 AND (?2 IS NULL OR id = ?2)
               AND EXISTS (SELECT 1 FROM tenant_usage
                           WHERE organization_id = id AND day >= ?3 AND day < ?4)
             ORDER BY slug LIMIT ?5",
        )
        .bind(after.map_or("", OrganizationSlug::as_str))
        .bind(only.map(|id| id.0))
        .bind(from.0)
        .bind(to.0)
        .bind(at_most(limit))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(organization)
        .collect()
    }

    /// What some organizations' tenants used in some days (up to and without the last), summed up.
    pub async fn usage_of(
        &self,
        organizations: impl IntoIterator<Item = OrganizationId>,
        (from, to): (Day, Day),
    ) -> Result<Vec<StoredUsage>, StoreError> {
        sqlx::query(
            "SELECT organization_id, environment, MIN(day) AS day, SUM(calls) AS calls,
                 SUM(requests) AS requests
             FROM tenant_usage
             WHERE organization_id IN (SELECT unhex(value) FROM json_each(?))
               AND day >= ? AND day < ?
             GROUP BY organization_id, environment ORDER BY organization_id, environment",
        )
        .bind(hex_list(organizations))
        .bind(from.0)
        .bind(to.0)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(stored_usage)
        .collect()
    }
}

impl Write {
    /// Sets the limits of a tenant; defaults throughout leave no row.
    pub async fn set_limits(&mut self, limits: &StoredLimits) -> Result<(), StoreError> {
        let settings = limits.settings;
        sqlx::query("DELETE FROM tenant_limits WHERE organization_id = ? AND environment = ?")
            .bind(limits.organization.0)
            .bind(limits.environment.as_str())
            .execute(&mut *self.transaction)
            .await?;
        if settings.is_default() {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO tenant_limits
                 (organization_id, environment, per_minute, per_day, concurrency)
             VALUES (?, ?, ?, ?, ?)",
        )
        .bind(limits.organization.0)
        .bind(limits.environment.as_str())
        .bind(column(settings.per_minute))
        .bind(column(settings.per_day))
        .bind(column(settings.concurrency))
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Adds to what tenants used, each on a day. One that was deleted meanwhile has no use any more.
    pub async fn add_usage(&mut self, used: &[StoredUsage]) -> Result<(), StoreError> {
        let statement = (
            "INSERT INTO tenant_usage (organization_id, environment, day, calls, requests)
             SELECT * FROM (",
            ") WHERE column1 IN (SELECT id FROM organizations)
             ON CONFLICT DO UPDATE SET
                 calls = calls + excluded.calls, requests = requests + excluded.requests",
        );
        let order = |used: &StoredUsage| used.organization;
        put_many(
            &mut self.transaction,
            statement,
            used,
            order,
            |used, row| {
                let usage = used.usage;
                row.bind(used.organization.0)
                    .bind(used.environment.as_str())
                    .bind(usage.day.0)
                    .bind(at_most(usage.calls))
                    .bind(at_most(usage.requests));
            },
        )
        .await
    }
}

fn column(setting: LimitSetting) -> Option<i64> {
    match setting {
        LimitSetting::Default => None,
        LimitSetting::Off => Some(0),
        LimitSetting::At(limit) => Some(i64::from(limit)),
    }
}

fn setting(row: &SqliteRow, name: &str) -> Result<LimitSetting, StoreError> {
    match get::<Option<i64>>(row, name)? {
        None => Ok(LimitSetting::Default),
        Some(0) => Ok(LimitSetting::Off),
        Some(limit) => u32::try_from(limit)
            .map(LimitSetting::At)
            .map_err(|_| StoreError::Content("a limit out of range")),
    }
}

fn stored_limits(row: &SqliteRow) -> Result<StoredLimits, StoreError> {
    Ok(StoredLimits {
        organization: get_organization_id(row, "organization_id")?,
        environment: get_name(row, "environment")?,
        settings: LimitSettings {
            per_minute: setting(row, "per_minute")?,
            per_day: setting(row, "per_day")?,
            concurrency: setting(row, "concurrency")?,
        },
    })
}

fn stored_usage(row: &SqliteRow) -> Result<StoredUsage, StoreError> {
    let count = |name| {
        u64::try_from(get::<i64>(row, name)?).map_err(|_| StoreError::Content("a count below zero"))
    };
    Ok(StoredUsage {
        organization: get_organization_id(row, "organization_id")?,
        environment: get_name(row, "environment")?,
        usage: Usage {
            day: Day(get(row, "day")?),
            calls: count("calls")?,
            requests: count("requests")?,
        },
    })
}
