//! What is due, as a calendar that other programs read.

use super::Found;
use crate::admin::{Admin, AdminError};
use crate::domain::calendar::{self, CalendarEvent};
use crate::domain::reminder::ReminderReason;

impl Admin {
    /// A calendar (RFC 5545) with the day of each credential, key and token.
    pub async fn calendar(&self) -> Result<String, AdminError> {
        let found = self.findings().await?;
        let dated = |reason| {
            use ReminderReason::{KeyExpiry, Rotation, TokenExpiry};
            matches!(reason, Rotation | KeyExpiry | TokenExpiry)
        };
        let events = found.iter().filter(|found| dated(found.item.reason));
        let events: Vec<CalendarEvent> = events.filter_map(event).collect();
        Ok(calendar::write(&events))
    }
}

fn event(found: &Found) -> Option<CalendarEvent> {
    let item = &found.item;
    let whose = item.organizations.join(", ");
    let summary = match (&item.provider, &item.environment) {
        (Some(provider), Some(environment)) => {
            format!("Rotate the {provider} credential of {whose} ({environment})")
        }
        _ if whose.is_empty() => format!("{} ends", item.what()),
        _ => format!("{} of {whose} ends", item.what()),
    };
    Some(CalendarEvent {
        uid: format!("{}-{}@locum", item.id, item.reason),
        stamp: found.known_since,
        day: item.due?,
        summary,
        description: format!("Entered by {}.\n{}", item.entered_by, item.command),
    })
}
