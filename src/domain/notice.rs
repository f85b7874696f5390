//! What a reminder says: never a secret, never a fingerprint of one.

use jiff::Timestamp;
use serde::Serialize;

use super::reminder::ReminderReason;

/// Something that has to be done, and by when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueItem {
    /// The id of a credential version, a gateway key or an admin token.
    pub id: String,
    pub reason: ReminderReason,
    pub urgency: Urgency,
    /// Slugs: one for a credential, those that a key opens; none for a token that is for all.
    pub organizations: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// The number of a credential version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i64>,
    /// The name of a gateway key or an admin token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub issued: Timestamp,
    pub age_days: i64,
    /// When it has to be done; a refusal has to be dealt with now, and a key may never end.
    pub due: Option<Timestamp>,
    /// Below zero when it is overdue.
    pub days_left: Option<i64>,
    pub entered_by: String,
    /// The command that settles it.
    pub command: String,
}

/// How a due item stands, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Urgency {
    /// The upstream refuses it.
    Refused,
    NeverVerified,
    Overdue,
    Due,
    /// A key or token that has ended.
    Ended,
    /// A key or token that ends by itself.
    Ends,
    /// A key or token that does not.
    NeverEnds,
}

impl Urgency {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::NeverVerified => "never verified",
            Self::Overdue => "overdue",
            Self::Due => "due",
            Self::Ended => "ended",
            Self::Ends => "ends",
            Self::NeverEnds => "never ends",
        }
    }

    /// The most urgent is the lowest.
    pub fn rank(self) -> u8 {
        match self {
            Self::Refused => 0,
            Self::Overdue | Self::Ended => 1,
            Self::NeverVerified => 2,
            Self::Due | Self::Ends => 3,
            Self::NeverEnds => 4,
        }
    }
}

impl DueItem {
    /// What it is: `eka-care credential, version 3`, `gateway key 4f2a (front desk)`.
    pub fn what(&self) -> String {
        let version = self.version.unwrap_or_default();
        match (&self.provider, self.reason) {
            (Some(provider), _) => format!("{provider} credential, version {version}"),
            (None, ReminderReason::TokenExpiry) => format!("admin token {}", self.named()),
            (None, _) => format!("gateway key {}", self.named()),
        }
    }

    /// The id, with the name where there is one.
    pub fn named(&self) -> String {
        match self.name.as_deref() {
            None | Some("") => self.id.clone(),
            Some(name) => format!("{} ({name})", self.id),
        }
    }

    /// How it stands, in words: `due in 7 days (2026-03-01)`.
    pub fn standing(&self) -> String {
        let (Some(due), Some(days)) = (self.due, self.days_left) else {
            return match self.urgency {
                Urgency::Refused => "refused by the provider".to_owned(),
                _ => self.urgency.as_str().to_owned(),
            };
        };
        let date = due.strftime("%F");
        let count = |days: i64| match days {
            1 => "1 day".to_owned(),
            days => format!("{days} days"),
        };
        match self.urgency {
            Urgency::NeverVerified => "in use, but nobody has ever logged in with it".to_owned(),
            Urgency::Overdue => format!("overdue for {} ({date})", count(-days)),
            Urgency::Ended => format!("has ended ({date})"),
            Urgency::Ends if days == 0 => format!("ends today ({date})"),
            Urgency::Ends => format!("ends in {} ({date})", count(days)),
            _ if days == 0 => format!("due today ({date})"),
            _ => format!("due in {} ({date})", count(days)),
        }
    }
}

/// One message by one channel. Sent again it has the same id, by which receivers can tell.
#[derive(Debug, Clone)]
pub struct Notice {
    pub id: String,
    /// When it was first to be sent.
    pub at: Timestamp,
    /// The organization that all items are of; `None` for keys of several, and for a test.
    pub organization: Option<NoticeOrganization>,
    /// None of them is a test.
    pub items: Vec<DueItem>,
}

/// An organization as a reader knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NoticeOrganization {
    pub id: String,
    pub name: String,
}

impl Notice {
    pub fn is_test(&self) -> bool {
        self.items.is_empty()
    }
}
