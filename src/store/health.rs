//! What a running server writes down of profiles, and the sign that it runs.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::rows::{get, get_name, get_organization_id, get_time, get_time_or_none, time};
use super::{Store, StoreError, Write};
use crate::domain::credential::CredentialVersionId;
use crate::domain::health::{LastFailure, ProfileHealth, TokenState};

impl Store {
    /// The health of all profiles that had a call or a login.
    pub async fn profile_health(&self) -> Result<Vec<ProfileHealth>, StoreError> {
        sqlx::query("SELECT * FROM profile_health")
            .fetch_all(&self.readers)
            .await?
            .iter()
            .map(health)
            .collect()
    }

    /// When a running server last said that it runs; `None` when it stopped, or never ran.
    pub async fn heartbeat(&self) -> Result<Option<Timestamp>, StoreError> {
        let at: Option<i64> = sqlx::query_scalar("SELECT written_at FROM heartbeat")
            .fetch_optional(&self.readers)
            .await?;
        at.map(time).transpose()
    }
}

impl Write {
    /// Writes a profile's health. Times that this process does not know stay as they were, unless
    /// they are of another version. An organization that was deleted meanwhile has no health.
    pub async fn put_profile_health(&mut self, health: &ProfileHealth) -> Result<(), StoreError> {
        let failure = health.last_failure.as_ref();
        sqlx::query(
            "INSERT INTO profile_health
                 (organization_id, environment, provider, version_id, last_login_at,
                  last_failure_at, last_failure, token, token_expires_at, calls_hour, errors_hour,
                  written_at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12
             WHERE EXISTS (SELECT 1 FROM organizations WHERE id = ?1)
             ON CONFLICT DO UPDATE SET
                 last_login_at = COALESCE(excluded.last_login_at,
                     iif(version_id = excluded.version_id, last_login_at, NULL)),
                 last_failure_at = COALESCE(excluded.last_failure_at,
                     iif(version_id = excluded.version_id, last_failure_at, NULL)),
                 last_failure = COALESCE(excluded.last_failure,
                     iif(version_id = excluded.version_id, last_failure, NULL)),
                 version_id = excluded.version_id,
                 token = excluded.token,
                 token_expires_at = excluded.token_expires_at,
                 calls_hour = excluded.calls_hour,
                 errors_hour = excluded.errors_hour,
                 written_at = excluded.written_at",
        )
        .bind(health.organization.0)
        .bind(health.environment.as_str())
        .bind(health.provider.as_str())
        .bind(health.version.0)
        .bind(health.last_login_at.map(Timestamp::as_millisecond))
        .bind(failure.map(|failure| failure.at.as_millisecond()))
        .bind(failure.map(|failure| failure.cause.as_str()))
        .bind(health.token.as_str())
        .bind(health.token_until.map(Timestamp::as_millisecond))
        .bind(health.calls_hour)
        .bind(health.errors_hour)
        .bind(health.written_at.as_millisecond())
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Tokens and counts of a process that ended are nobody's.
    pub async fn end_profile_health(&mut self) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE profile_health SET token = 'none', token_expires_at = NULL, calls_hour = 0,
                 errors_hour = 0
             WHERE token != 'none' OR calls_hour > 0",
        )
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Says that the server runs (`None`: that it stopped).
    pub async fn set_heartbeat(&mut self, now: Option<Timestamp>) -> Result<(), StoreError> {
        let query = match now {
            Some(now) => sqlx::query(
                "INSERT INTO heartbeat (id, written_at) VALUES (1, ?)
                 ON CONFLICT DO UPDATE SET written_at = excluded.written_at",
            )
            .bind(now.as_millisecond()),
            None => sqlx::query("DELETE FROM heartbeat"),
        };
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }
}

fn health(row: &SqliteRow) -> Result<ProfileHealth, StoreError> {
    let label: String = get(row, "token")?;
    let cause: Option<String> = get(row, "last_failure")?;
    let failed_at = get_time_or_none(row, "last_failure_at")?;
    Ok(ProfileHealth {
        organization: get_organization_id(row, "organization_id")?,
        environment: get_name(row, "environment")?,
        provider: get_name(row, "provider")?,
        version: CredentialVersionId(get(row, "version_id")?),
        last_login_at: get_time_or_none(row, "last_login_at")?,
        last_failure: failed_at.map(|at| LastFailure {
            at,
            cause: cause.unwrap_or_default(),
        }),
        token: TokenState::from_label(&label)
            .ok_or(StoreError::Content("an unknown state of a token"))?,
        token_until: get_time_or_none(row, "token_expires_at")?,
        calls_hour: get(row, "calls_hour")?,
        errors_hour: get(row, "errors_hour")?,
        written_at: get_time(row, "written_at")?,
    })
}
