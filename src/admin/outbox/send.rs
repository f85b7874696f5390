//! Sends what is pending in the outbox: one message for each channel and batch, at least once.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use super::batch;
use crate::admin::{Admin, AdminError};
use crate::domain::actor::Right;
use crate::domain::notice::{DueItem, Notice, NoticeOrganization};
use crate::domain::organization::Organization;
use crate::domain::reminder::ReminderReason;
use crate::notify::SendError;
use crate::store::ReminderRow;

/// Attempts before a reminder is given up: about three days.
const MAX_ATTEMPTS: u32 = 20;
const FIRST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(6 * 3_600);

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

/// What a test by one channel came to.
#[derive(Debug, Serialize)]
pub struct ChannelTest {
    pub channel: String,
    pub ok: bool,
    pub message: String,
}

impl Admin {
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
