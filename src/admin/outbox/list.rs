//! Looks at the outbox: what is in it, how much waits; what was given up is tried again.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::Serialize;

use super::batch;
use crate::admin::{Admin, AdminError};
use crate::domain::actor::Right;
use crate::domain::organization::{OrganizationId, OrganizationSlug};
use crate::domain::reminder::{ReminderReason, ReminderState};
use crate::store::{ReminderFilter, ReminderRow};

/// A row of the outbox, as it is shown.
#[derive(Debug, Serialize)]
pub struct ReminderSummary {
    pub id: String,
    pub organization: Option<String>,
    pub subject: String,
    /// What it is, while it is there.
    pub what: Option<String>,
    pub reason: ReminderReason,
    pub threshold: i64,
    pub channel: String,
    pub state: ReminderState,
    pub created_at: Timestamp,
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
}

/// How many rows wait, and how many were given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    pub pending: i64,
    pub dead: i64,
}

impl Admin {
    /// The newest rows of the outbox, of the organizations that the actor knows of.
    pub async fn reminders(
        &self,
        state: Option<ReminderState>,
        limit: u32,
    ) -> Result<Vec<ReminderSummary>, AdminError> {
        let filter = ReminderFilter {
            state,
            organization: self.actor.scope(),
            limit,
        };
        let found = self.findings().await?;
        let what: HashMap<_, _> = found
            .iter()
            .map(|found| (found.item.id.as_str(), found.item.what()))
            .collect();
        let organizations = self.organizations().await?;
        let slugs: HashMap<OrganizationId, &OrganizationSlug> = organizations
            .iter()
            .map(|one| (one.id, &one.slug))
            .collect();
        let rows = self.store.reminders(&filter).await?.into_iter();
        let shown = |row: ReminderRow| {
            let what = what.get(row.row.subject.as_str()).cloned();
            let slug = row.organization.and_then(|id| slugs.get(&id));
            summary(row, what, slug.map(ToString::to_string))
        };
        Ok(rows.map(shown).collect())
    }

    /// Lets a dead reminder, and what went in one message with it, be tried again.
    pub async fn retry_reminder(&self, id: &str) -> Result<u32, AdminError> {
        let unknown = || AdminError::NoDeadReminder(id.to_owned());
        let row = self.store.reminder(id).await?.ok_or_else(unknown)?;
        if !self.actor.may(Right::Read, row.organization) {
            return Err(unknown());
        }
        if !self.actor.may(Right::Operate, row.organization) {
            return Err(AdminError::Forbidden);
        }
        let filter = ReminderFilter {
            state: Some(ReminderState::Dead),
            organization: row.organization,
            limit: u32::MAX,
        };
        let mut dead = self.store.reminders(&filter).await?;
        dead.retain(|other| batch(&other.row.id) == batch(id));
        let mut write = self.store.write().await?;
        let mut revived = 0;
        for row in &dead {
            revived += u32::from(write.revive_reminder(&row.row.id, self.now()).await?);
        }
        if revived == 0 {
            return Err(unknown());
        }
        let mut event = self.event("reminder.retry").on(id);
        let organizations = self.organizations().await?;
        if let Some(found) = organizations
            .iter()
            .find(|one| Some(one.id) == row.organization)
        {
            event = event.of_organization(found);
        }
        self.commit(write, [event]).await?;
        Ok(revived)
    }

    pub async fn count_reminders(&self) -> Result<OutboxCounts, AdminError> {
        Ok(OutboxCounts {
            pending: self.store.count_reminders(ReminderState::Pending).await?,
            dead: self.store.count_reminders(ReminderState::Dead).await?,
        })
    }
}

fn summary(
    row: ReminderRow,
    what: Option<String>,
    organization: Option<String>,
) -> ReminderSummary {
    let pending = row.row.state == ReminderState::Pending;
    ReminderSummary {
        id: row.row.id,
        organization,
        subject: row.row.subject,
        what,
        reason: row.row.reason,
        threshold: row.row.threshold,
        channel: row.row.channel,
        state: row.row.state,
        created_at: row.row.created_at,
        attempts: row.attempts,
        next_attempt: pending.then_some(row.next_attempt_at),
        sent_at: row.sent_at,
        last_error: row.last_error,
    }
}
