//! Brings the outbox up to date with what is due: one transaction, and none while nothing changed.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::admin::due::Found;
use crate::admin::{Admin, AdminError};
use crate::domain::organization::OrganizationId;
use crate::domain::reminder::{Past, Plan, PlannedRow, ReminderState, Subject, plan};
use crate::store::{NewReminder, RefusedForCalls};

/// Rows from further ahead were made by a clock that was wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(86_400);

/// What the last plan was made of: until something changes there is nothing to plan.
#[derive(Debug, Clone)]
pub struct Planned {
    seen: Seen,
    at: Timestamp,
    next: Option<Timestamp>,
}

/// What tells, besides time, that something new is due: changes, and refusals that calls met, which
/// are no change of anybody. Logins that succeed settle something, and are looked at before it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    revision: i64,
    refused: Vec<RefusedForCalls>,
}

impl Admin {
    /// To be read before what is due: a change that happens meanwhile is noticed the next time.
    pub async fn seen(&self) -> Result<Seen, AdminError> {
        Ok(Seen {
            revision: self.store.revision().await?,
            refused: self.store.refused_for_calls().await?,
        })
    }

    /// Brings the outbox up to date with what is due. Cheap while nothing changed.
    pub async fn plan_reminders(&self, last: Option<Planned>) -> Result<Planned, AdminError> {
        let now = self.now();
        let seen = self.seen().await?;
        let still_good = |last: &Planned| {
            let waits = last.next.is_none_or(|next| now < next);
            last.seen == seen && last.at <= now && waits
        };
        if let Some(last) = last.filter(still_good) {
            return Ok(last);
        }
        let found = self.reminded().await?;
        let mut write = self.store.write().await?;
        let tolerated = now.checked_add(CLOCK_TOLERANCE).unwrap_or(now);
        write.forget_reminders_after(tolerated).await?;
        let past = write.outbox().await?;
        let subjects: Vec<Subject> = found.iter().filter_map(Found::subject).collect();
        let channels = self.reminders.notifier.channels();
        let plan = plan(&subjects, channels, &past, &self.reminders.policy, now);
        for id in &plan.supersede {
            write.supersede_reminder(id).await?;
        }
        for row in new_rows(&plan, &found, channels, now) {
            write.insert_reminder(&row).await?;
        }
        write.commit_unnoticed().await?;
        Ok(Planned {
            seen,
            at: now,
            next: plan.next,
        })
    }
}

/// The rows of a plan. What goes by one channel for one organization is a batch.
fn new_rows(plan: &Plan, found: &[Found], channels: &[String], now: Timestamp) -> Vec<NewReminder> {
    let mut batches: HashMap<(usize, Option<OrganizationId>), (Uuid, u32)> = HashMap::new();
    let row = |planned: &PlannedRow| {
        let Found {
            item, organization, ..
        } = &found[planned.subject];
        let batch = batches.entry((planned.channel, *organization));
        let (batch, number) = batch.or_insert_with(|| (Uuid::new_v4(), 0));
        *number += 1;
        NewReminder {
            row: Past {
                id: format!("{batch}.{number}"),
                subject: item.id.clone(),
                reason: item.reason,
                threshold: planned.threshold,
                channel: channels[planned.channel].clone(),
                state: match planned.send {
                    true => ReminderState::Pending,
                    false => ReminderState::Superseded,
                },
                created_at: now,
            },
            organization: *organization,
        }
    };
    plan.create.iter().map(row).collect()
}
