//! The outbox of reminders: planned, sent at least once, listed, tried again.
//!
//! ```text
//! plan   findings → subjects → rows (domain::reminder), one transaction
//! send   pending rows, by channel and batch → one message a batch → sent, or later, or dead
//! ```

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::due::Found;
use super::{Admin, AdminError};
use crate::domain::actor::Right;
use crate::domain::notice::{DueItem, Notice, NoticeOrganization};
use crate::domain::organization::{Organization, OrganizationId, OrganizationSlug};
use crate::domain::reminder::{
    Past, Plan, ReminderPolicy, ReminderReason, ReminderState, Subject, plan,
};
use crate::notify::{Notifier, SendError};
use crate::store::{NewReminder, ReminderFilter, ReminderRow};

/// Attempts before a reminder is given up: about three days.
const MAX_ATTEMPTS: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3_600);
/// Rows from further ahead were made by a clock that was wrong.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(86_400);

/// When reminders are due, and by which channels they go.
#[derive(Default)]
pub struct Reminders {
    pub policy: ReminderPolicy,
    pub notifier: Notifier,
}

/// What the last plan was made of: until something changes there is nothing to plan.
#[derive(Debug, Clone, Copy)]
pub struct Planned {
    revision: i64,
    at: Timestamp,
    next: Option<Timestamp>,
}

/// What became of messages, by channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sendings {
    pub by_channel: BTreeMap<String, Sending>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sending {
    pub sent: u64,
    pub failed: u64,
    pub dead: u64,
}

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

/// What a test by one channel came to.
#[derive(Debug, Serialize)]
pub struct ChannelTest {
    pub channel: String,
    pub ok: bool,
    pub message: String,
}

/// How many rows wait, and how many were given up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    pub pending: i64,
    pub dead: i64,
}

impl Admin {
    /// Brings the outbox up to date with what is due. Cheap while nothing changed.
    pub async fn plan_reminders(&self, last: Option<Planned>) -> Result<Planned, AdminError> {
        let now = self.now();
        // Read first: a change that happens meanwhile is noticed the next time.
        let revision = self.store.revision().await?;
        let still_good = |last: &Planned| {
            let waits = last.next.is_none_or(|next| now < next);
            last.revision == revision && last.at <= now && waits
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
            revision,
            at: now,
            next: plan.next,
        })
    }

    /// Sends what is pending, by all channels at once: none waits for another.
    pub async fn send_reminders(&self) -> Result<Sendings, AdminError> {
        let channels = self.reminders.notifier.channels().iter();
        let each = channels.map(async |channel| {
            let sending = self.send_reminders_by(channel).await?;
            Ok::<_, AdminError>((channel.clone(), sending))
        });
        let sent = join_all(each).await.into_iter();
        let by_channel = sent.collect::<Result<_, _>>()?;
        Ok(Sendings { by_channel })
    }

    /// Sends what is pending by one channel. When it fails it is left alone until the next time.
    pub async fn send_reminders_by(&self, channel: &str) -> Result<Sending, AdminError> {
        let mut sending = Sending::default();
        let mut batches: BTreeMap<String, Vec<ReminderRow>> = BTreeMap::new();
        let pending = self.store.reminders_to_send(channel, self.now());
        for row in pending.await? {
            let batch = batch(&row.row.id).to_owned();
            batches.entry(batch).or_default().push(row);
        }
        if batches.is_empty() {
            return Ok(sending);
        }
        let found = self.reminded().await?;
        let items: HashMap<_, _> = found
            .iter()
            .map(|found| ((found.item.id.clone(), found.item.reason), &found.item))
            .collect();
        let organizations = self.organizations().await?;
        for (batch, rows) in batches {
            let notice = notice(batch, &rows, &items, &organizations);
            if notice.is_test() {
                // All of it was settled since it was planned.
                self.note_settled(&rows).await?;
                continue;
            }
            let notifier = &self.reminders.notifier;
            let result = notifier.send(channel, &notice, self.now()).await;
            self.note_result(&rows, result, &mut sending).await?;
            if sending.failed > 0 {
                break;
            }
        }
        Ok(sending)
    }

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

    /// Sends a test by every channel, by all at once.
    pub async fn test_reminders(&self) -> Result<Vec<ChannelTest>, AdminError> {
        self.require(Right::Operate)?;
        let notifier = &self.reminders.notifier;
        let notice = Notice {
            id: Uuid::new_v4().to_string(),
            at: self.now(),
            organization: None,
            items: Vec::new(),
        };
        let each = notifier.channels().iter().map(async |channel| {
            let result = notifier.send(channel, &notice, self.now()).await;
            ChannelTest {
                channel: channel.clone(),
                ok: result.is_ok(),
                message: result.map_or_else(|error| error.to_string(), |()| "sent".to_owned()),
            }
        });
        Ok(join_all(each).await)
    }

    /// The names of the channels.
    pub fn reminder_channels(&self) -> Vec<String> {
        self.reminders.notifier.channels().to_vec()
    }

    pub async fn count_reminders(&self) -> Result<OutboxCounts, AdminError> {
        Ok(OutboxCounts {
            pending: self.store.count_reminders(ReminderState::Pending).await?,
            dead: self.store.count_reminders(ReminderState::Dead).await?,
        })
    }

    /// What somebody is reminded of: in organizations that are served.
    async fn reminded(&self) -> Result<Vec<Found>, AdminError> {
        let mut found = self.findings().await?;
        found.retain(|found| found.served && found.schedule.is_some());
        Ok(found)
    }

    async fn note_settled(&self, rows: &[ReminderRow]) -> Result<(), AdminError> {
        let mut write = self.store.write().await?;
        for row in rows {
            write.supersede_reminder(&row.row.id).await?;
        }
        Ok(write.commit_unnoticed().await?)
    }

    async fn note_result(
        &self,
        rows: &[ReminderRow],
        result: Result<(), SendError>,
        sending: &mut Sending,
    ) -> Result<(), AdminError> {
        let now = self.now();
        let mut write = self.store.write().await?;
        for ReminderRow { row, attempts, .. } in rows {
            let Err(error) = &result else {
                write.set_reminder_sent(&row.id, now).await?;
                continue;
            };
            let next = next_attempt(*attempts + 1, error, now);
            if next.is_none() {
                sending.dead += 1;
                tracing::error!(
                    id = row.id, channel = row.channel, %error,
                    "a reminder was given up; `locum reminders retry` tries it again"
                );
            }
            let words = error.to_string();
            write.set_reminder_failed(&row.id, &words, next).await?;
        }
        write.commit_unnoticed().await?;
        match result {
            Ok(()) => sending.sent += 1,
            Err(error) => {
                sending.failed += 1;
                let channel = rows.first().map(|row| row.row.channel.as_str());
                tracing::warn!(channel, %error, "a reminder could not be sent; it is tried again");
            }
        }
        Ok(())
    }
}

/// The rows of a plan. What goes by one channel for one organization is a batch.
fn new_rows(plan: &Plan, found: &[Found], channels: &[String], now: Timestamp) -> Vec<NewReminder> {
    let mut batches: HashMap<(usize, Option<OrganizationId>), (Uuid, u32)> = HashMap::new();
    let row = |planned: &crate::domain::reminder::PlannedRow| {
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

/// `BATCH.NUMBER` without the number.
fn batch(id: &str) -> &str {
    id.split('.').next().unwrap_or(id)
}

fn notice(
    id: String,
    rows: &[ReminderRow],
    items: &HashMap<(String, ReminderReason), &DueItem>,
    organizations: &[Organization],
) -> Notice {
    let item = |row: &ReminderRow| {
        items
            .get(&(row.row.subject.clone(), row.row.reason))
            .copied()
    };
    let mut items: Vec<DueItem> = rows.iter().filter_map(item).cloned().collect();
    items.sort_by_cached_key(|item| (item.due, item.environment.clone(), item.provider.clone()));
    let organization = rows.first().and_then(|row| row.organization);
    let organization = organizations
        .iter()
        .find(|one| Some(one.id) == organization);
    Notice {
        id,
        at: rows
            .first()
            .map_or(Timestamp::UNIX_EPOCH, |row| row.row.created_at),
        organization: organization.map(|found| NoticeOrganization {
            id: found.slug.to_string(),
            name: found.name.clone(),
        }),
        items,
    }
}

/// When to try again after so many attempts; `None` when that was the last one.
fn next_attempt(attempts: u32, error: &SendError, now: Timestamp) -> Option<Timestamp> {
    if attempts >= MAX_ATTEMPTS {
        return None;
    }
    let doubled = FIRST_PAUSE.saturating_mul(1 << (attempts - 1).min(16));
    let asked = error.retry_after().unwrap_or_default();
    let pause = doubled.max(asked).min(LONGEST_PAUSE);
    Some(now.checked_add(pause).unwrap_or(Timestamp::MAX))
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
