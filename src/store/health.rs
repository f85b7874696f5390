//! What a running server writes down of profiles, and the sign that it runs.

use jiff::Timestamp;
use sqlx::sqlite::SqliteRow;

use super::rows::{
    get, get_name, get_organization_id, get_time, get_time_or_none, hex_list, put_many,
};
use super::{Store, StoreError, Write};
use crate::domain::credential::CredentialVersionId;
use crate::domain::health::{Heartbeat, LastFailure, ProfileHealth, TokenState, VersionLogin};
use crate::domain::organization::OrganizationId;

/// A credential version that a provider refuses when a call needs a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedForCalls {
    pub version: CredentialVersionId,
    /// Milliseconds; 0 for one that never was.
    sound_until: i64,
}

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

    /// The same of some organizations.
    pub async fn profile_health_of(
        &self,
        organizations: impl IntoIterator<Item = OrganizationId>,
    ) -> Result<Vec<ProfileHealth>, StoreError> {
        sqlx::query(
            "SELECT * FROM profile_health
             WHERE organization_id IN (SELECT unhex(value) FROM json_each(?))",
        )
        .bind(hex_list(organizations))
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(health)
        .collect()
    }

    /// What providers refuse when a call needs a login, and when each was last known to be good.
    pub async fn refused_for_calls(&self) -> Result<Vec<RefusedForCalls>, StoreError> {
        sqlx::query(
            "SELECT version_id,
                 MAX(COALESCE(last_login_at, 0), COALESCE(verified_at, 0)) AS sound_until
             FROM profile_health JOIN credential_versions ON id = version_id
             WHERE (last_failure = ?1 OR last_failure GLOB ?1 || ':*')
                 AND last_failure_at > sound_until
             ORDER BY version_id",
        )
        .bind(LastFailure::REFUSED)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(|row| {
            Ok(RefusedForCalls {
                version: CredentialVersionId(get(row, "version_id")?),
                sound_until: get(row, "sound_until")?,
            })
        })
        .collect()
    }

    /// When a running server last said that it runs; `None` when it stopped, or never ran.
    pub async fn heartbeat(&self) -> Result<Option<Heartbeat>, StoreError> {
        let row = sqlx::query("SELECT written_at, configuration_problem FROM heartbeat")
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(heartbeat).transpose()
    }
}

impl Write {
    /// Writes the health of profiles. Times that this process does not know stay as they were, unless
    /// they are of another version. An organization that was deleted meanwhile has no health.
    pub async fn put_profile_health(&mut self, all: &[ProfileHealth]) -> Result<(), StoreError> {
        let statement = (
            "INSERT INTO profile_health
                 (organization_id, environment, provider, version_id, last_login_at,
                  last_failure_at, last_failure, token, token_expires_at, calls_hour, errors_hour,
                  written_at)
             SELECT * FROM (",
            ") WHERE column1 IN (SELECT id FROM organizations)
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
        );
        let order = |health: &ProfileHealth| health.organization;
        put_many(
            &mut self.transaction,
            statement,
            all,
            order,
            |health, row| {
                let failure = health.last_failure.as_ref();
                row.bind(health.organization.0)
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
                    .bind(health.written_at.as_millisecond());
            },
        )
        .await
    }

    /// A login for a call verifies a version as one by a command does, and stays with the version.
    pub async fn put_logins(&mut self, all: &[VersionLogin]) -> Result<(), StoreError> {
        let statement = (
            "UPDATE credential_versions SET verified_at = column3 FROM (",
            ") WHERE credential_versions.id = column1
                 AND credential_versions.organization_id = column2
                 AND COALESCE(verified_at, 0) < column3",
        );
        let order = |login: &VersionLogin| login.version;
        put_many(
            &mut self.transaction,
            statement,
            all,
            order,
            |login, row| {
                row.bind(login.version.0)
                    .bind(login.organization.0)
                    .bind(login.at.as_millisecond());
            },
        )
        .await
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
    pub async fn set_heartbeat(&mut self, sign: Option<&Heartbeat>) -> Result<(), StoreError> {
        let query = match sign {
            Some(sign) => sqlx::query(
                "INSERT INTO heartbeat (id, written_at, configuration_problem) VALUES (1, ?, ?)
                 ON CONFLICT DO UPDATE SET written_at = excluded.written_at,
                     configuration_problem = excluded.configuration_problem",
            )
            .bind(sign.at.as_millisecond())
            .bind(&sign.configuration_problem),
            None => sqlx::query("DELETE FROM heartbeat"),
        };
        query.execute(&mut *self.transaction).await?;
        Ok(())
    }
}

fn heartbeat(row: &SqliteRow) -> Result<Heartbeat, StoreError> {
    Ok(Heartbeat {
        at: get_time(row, "written_at")?,
        configuration_problem: get(row, "configuration_problem")?,
    })
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
