//! The outbox of reminders.

use jiff::Timestamp;
use sqlx::QueryBuilder;
use sqlx::sqlite::SqliteRow;
use uuid::Uuid;

use super::rows::{get, get_time, get_time_or_none};
use super::{Store, StoreError, Write};
use crate::domain::organization::OrganizationId;
use crate::domain::reminder::{Past, ReminderReason, ReminderState};

/// A row of the outbox. Its id is `BATCH.NUMBER`: what has one batch goes in one message.
pub struct ReminderRow {
    pub row: Past,
    /// `None` for a key of several organizations.
    pub organization: Option<OrganizationId>,
    pub attempts: u32,
    pub next_attempt_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub last_error: Option<String>,
}

/// Which rows to list.
#[derive(Debug, Clone, Default)]
pub struct ReminderFilter {
    pub state: Option<ReminderState>,
    pub organization: Option<OrganizationId>,
    /// The newest so many.
    pub limit: u32,
}

/// A row to be stored.
pub struct NewReminder {
    pub row: Past,
    pub organization: Option<OrganizationId>,
}

impl Store {
    /// Newest first.
    pub async fn reminders(&self, filter: &ReminderFilter) -> Result<Vec<ReminderRow>, StoreError> {
        let mut query = QueryBuilder::new("SELECT * FROM reminders WHERE TRUE");
        if let Some(state) = filter.state {
            query.push(" AND state = ").push_bind(state.as_str());
        }
        if let Some(organization) = filter.organization {
            query
                .push(" AND organization_id = ")
                .push_bind(organization.0);
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ");
        query.push_bind(i64::from(filter.limit));
        let rows = query.build().fetch_all(&self.readers).await?;
        rows.iter().map(reminder).collect()
    }

    pub async fn reminder(&self, id: &str) -> Result<Option<ReminderRow>, StoreError> {
        let row = sqlx::query("SELECT * FROM reminders WHERE id = ?")
            .bind(id)
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(reminder).transpose()
    }

    /// Pending rows of a channel whose time has come, oldest attempt first.
    pub async fn reminders_to_send(
        &self,
        channel: &str,
        now: Timestamp,
    ) -> Result<Vec<ReminderRow>, StoreError> {
        sqlx::query(
            "SELECT * FROM reminders
             WHERE state = 'pending' AND next_attempt_at <= ? AND channel = ?
             ORDER BY next_attempt_at, id",
        )
        .bind(now.as_millisecond())
        .bind(channel)
        .fetch_all(&self.readers)
        .await?
        .iter()
        .map(reminder)
        .collect()
    }

    /// How many rows are in a state.
    pub async fn count_reminders(&self, state: ReminderState) -> Result<i64, StoreError> {
        Ok(
            sqlx::query_scalar("SELECT COUNT(*) FROM reminders WHERE state = ?")
                .bind(state.as_str())
                .fetch_one(&self.readers)
                .await?,
        )
    }
}

impl Write {
    /// All rows, as they are planned with.
    pub async fn outbox(&mut self) -> Result<Vec<Past>, StoreError> {
        sqlx::query("SELECT * FROM reminders")
            .fetch_all(&mut *self.transaction)
            .await?
            .iter()
            .map(past)
            .collect()
    }

    /// Forgets rows of a future that did not come: the clock was wrong.
    pub async fn forget_reminders_after(&mut self, time: Timestamp) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM reminders WHERE created_at > ?")
            .bind(time.as_millisecond())
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    /// Forgets rows that were settled before a time and whose subject is over for good, or gone.
    /// Answers how many they were.
    pub async fn forget_settled_reminders(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        // A subject is a version's id, a key's or a token's; those of keys and tokens are no UUIDs.
        let done = sqlx::query(
            "DELETE FROM reminders
             WHERE state != 'pending' AND MAX(created_at, COALESCE(sent_at, created_at)) < ?
               AND NOT EXISTS (SELECT 1 FROM credential_versions v
                               WHERE v.id = unhex(reminders.subject, '-')
                                 AND v.state NOT IN ('revoked', 'cancelled'))
               AND NOT EXISTS (SELECT 1 FROM gateway_keys k
                               WHERE k.id = reminders.subject AND k.revoked_at IS NULL)
               AND NOT EXISTS (SELECT 1 FROM admin_tokens t
                               WHERE t.id = reminders.subject AND t.revoked_at IS NULL)",
        )
        .bind(before.as_millisecond())
        .execute(&mut *self.transaction)
        .await?;
        Ok(done.rows_affected())
    }

    pub async fn insert_reminder(&mut self, new: &NewReminder) -> Result<(), StoreError> {
        let row = &new.row;
        sqlx::query(
            "INSERT INTO reminders
                 (id, subject, organization_id, reason, threshold, channel, state, created_at,
                  next_attempt_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)",
        )
        .bind(&row.id)
        .bind(&row.subject)
        .bind(new.organization.map(|organization| organization.0))
        .bind(row.reason.as_str())
        .bind(row.threshold)
        .bind(&row.channel)
        .bind(row.state.as_str())
        .bind(row.created_at.as_millisecond())
        .execute(&mut *self.transaction)
        .await
        .map_err(|error| StoreError::unique(error, "a reminder of this threshold and channel"))?;
        Ok(())
    }

    /// A pending row is not to be sent any more.
    pub async fn supersede_reminder(&mut self, id: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE reminders SET state = 'superseded' WHERE id = ? AND state = 'pending'")
            .bind(id)
            .execute(&mut *self.transaction)
            .await?;
        Ok(())
    }

    pub async fn set_reminder_sent(&mut self, id: &str, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "UPDATE reminders SET state = 'sent', sent_at = ?, attempts = attempts + 1,
                 last_error = NULL
             WHERE id = ? AND state = 'pending'",
        )
        .bind(now.as_millisecond())
        .bind(id)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// An attempt failed; without a next one the row is dead.
    pub async fn set_reminder_failed(
        &mut self,
        id: &str,
        error: &str,
        next: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let state = next.map_or(ReminderState::Dead, |_| ReminderState::Pending);
        sqlx::query(
            "UPDATE reminders SET state = ?, attempts = attempts + 1, last_error = ?,
                 next_attempt_at = COALESCE(?, next_attempt_at)
             WHERE id = ? AND state = 'pending'",
        )
        .bind(state.as_str())
        .bind(error)
        .bind(next.map(Timestamp::as_millisecond))
        .bind(id)
        .execute(&mut *self.transaction)
        .await?;
        Ok(())
    }

    /// Lets a dead row be tried again from now on; `false` when it is not dead.
    pub async fn revive_reminder(&mut self, id: &str, now: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE reminders SET state = 'pending', attempts = 0, next_attempt_at = ?
             WHERE id = ? AND state = 'dead'",
        )
        .bind(now.as_millisecond())
        .bind(id)
        .execute(&mut *self.transaction)
        .await?;
        Ok(done.rows_affected() == 1)
    }
}

fn past(row: &SqliteRow) -> Result<Past, StoreError> {
    let (reason, state): (String, String) = (get(row, "reason")?, get(row, "state")?);
    Ok(Past {
        id: get(row, "id")?,
        subject: get(row, "subject")?,
        reason: ReminderReason::from_label(&reason)
            .ok_or(StoreError::Content("an unknown reason of a reminder"))?,
        threshold: get(row, "threshold")?,
        channel: get(row, "channel")?,
        state: ReminderState::from_label(&state)
            .ok_or(StoreError::Content("an unknown state of a reminder"))?,
        created_at: get_time(row, "created_at")?,
    })
}

fn reminder(row: &SqliteRow) -> Result<ReminderRow, StoreError> {
    let attempts: i64 = get(row, "attempts")?;
    Ok(ReminderRow {
        row: past(row)?,
        organization: get::<Option<Uuid>>(row, "organization_id")?.map(OrganizationId),
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        next_attempt_at: get_time(row, "next_attempt_at")?,
        sent_at: get_time_or_none(row, "sent_at")?,
        last_error: get(row, "last_error")?,
    })
}
