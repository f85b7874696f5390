//! Reminders: who is reminded of what, and when. A pure plan over what there is and what was sent.
//!
//! ```text
//! subjects (a credential, a key) + outbox so far + now
//!   → rows to create: per channel the most urgent threshold that is reached is to be sent,
//!     others that are reached and have no row yet are recorded as superseded
//!   → rows to supersede: pending ones whose subject is no longer one, or has a more urgent row
//!   → when the next threshold is reached
//! ```
//!
//! A threshold is a number of days before the day on which a subject is due; below zero, after it.

mod plan;
#[cfg(test)]
mod tests;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use plan::{Past, Plan, PlannedRow, plan};

const DAY: i64 = 86_400;

/// When reminders are due: `[rotation]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReminderPolicy {
    /// A credential is due so many days after its issue date.
    pub after_days: u32,
    /// Days before that day.
    pub before_days: Vec<u32>,
    /// Again every so many days, once it is over.
    pub overdue_every_days: u32,
}

impl Default for ReminderPolicy {
    fn default() -> Self {
        Self {
            after_days: 90,
            before_days: vec![14, 7, 1, 0],
            overdue_every_days: 7,
        }
    }
}

impl ReminderPolicy {
    /// When a credential of that issue date is due.
    pub fn due(&self, issued: Timestamp) -> Timestamp {
        plus_days(issued, i64::from(self.after_days))
    }

    /// How many days ahead something is first spoken of.
    pub fn horizon_days(&self) -> u32 {
        self.before_days.iter().copied().max().unwrap_or(0)
    }
}

/// Why somebody is reminded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReminderReason {
    /// The provider says no to it.
    Refused,
    /// It is in use, and nobody has ever logged in with it.
    Unverified,
    /// It gets too old.
    Rotation,
    /// A gateway key ends.
    KeyExpiry,
    /// An admin token ends.
    TokenExpiry,
}

impl ReminderReason {
    pub const ALL: [Self; 5] = [
        Self::Refused,
        Self::Unverified,
        Self::Rotation,
        Self::KeyExpiry,
        Self::TokenExpiry,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unverified => "unverified",
            Self::Rotation => "rotation",
            Self::KeyExpiry => "key_expiry",
            Self::TokenExpiry => "token_expiry",
        }
    }

    /// Reads the label that [`Self::as_str`] writes.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == label)
    }
}

impl fmt::Display for ReminderReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened to a reminder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ReminderState {
    /// To be sent, or to be tried again.
    Pending,
    Sent,
    /// Nothing was sent: a more urgent one took its place, or its subject is settled.
    Superseded,
    /// Given up after too many attempts.
    Dead,
}

impl ReminderState {
    const ALL: [Self; 4] = [Self::Pending, Self::Sent, Self::Superseded, Self::Dead];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Superseded => "superseded",
            Self::Dead => "dead",
        }
    }

    /// Reads the label that [`Self::as_str`] writes.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == label)
    }
}

/// What somebody has to be reminded of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The id of a credential version, a gateway key or an admin token.
    pub id: String,
    pub reason: ReminderReason,
    pub schedule: Schedule,
    /// Since when it is known: thresholds before that were not missed.
    pub known_since: Timestamp,
}

/// When a subject is spoken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// Ahead of a day, on it, and again and again after it.
    Dated { due: Timestamp },
    /// Ahead of a day and on it: then it is over.
    Ending { due: Timestamp },
    /// From a day on, again and again.
    From { due: Timestamp },
    /// At once, and again while it lasts. Before `sound_until` all was well: what was sent earlier
    /// was about something else.
    Lasting { sound_until: Timestamp },
}

pub(super) fn plus_days(time: Timestamp, days: i64) -> Timestamp {
    let step = SignedDuration::from_secs(days.saturating_mul(DAY));
    time.checked_add(step).unwrap_or(match days < 0 {
        true => Timestamp::MIN,
        false => Timestamp::MAX,
    })
}

/// Days from the date of one time to that of another, in UTC, as people count them: what is due
/// tomorrow is due in one day at any hour of this one. Below zero when it has passed.
pub fn days_until(from: Timestamp, to: Timestamp) -> i64 {
    let date = |time: Timestamp| time.as_second().div_euclid(DAY);
    date(to) - date(from)
}

/// Whole days from one time to another; below zero when it has passed, and a begun one counts then.
pub fn days_between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs().div_euclid(DAY)
}
