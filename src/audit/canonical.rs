//! The bytes of a record that its mac covers: every field in order, each with its presence and its
//! length before it, so that no two records look alike.

use crate::domain::audit::AuditEvent;
use crate::store::StoredRecord;

/// A record's fields, about to be written or as they stand in the table.
pub(super) struct Fields<'a> {
    at: i64,
    actor: &'a str,
    organization_id: Option<&'a [u8]>,
    organization: Option<&'a str>,
    environment: Option<&'a str>,
    provider: Option<&'a str>,
    action: &'a str,
    target: Option<&'a str>,
    version: Option<&'a [u8]>,
    outcome: &'a str,
    duration_us: Option<i64>,
    request_id: Option<&'a str>,
}

impl<'a> From<&'a AuditEvent> for Fields<'a> {
    fn from(event: &'a AuditEvent) -> Self {
        let organization = event.organization.as_ref();
        let version = event.version.as_ref();
        Self {
            at: event.at.as_millisecond(),
            actor: &event.actor,
            organization_id: organization.map(|found| found.uuid.0.as_bytes().as_slice()),
            organization: organization.map(|found| found.id.as_str()),
            environment: event.environment.as_ref().map(|name| name.as_str()),
            provider: event.provider.as_ref().map(|name| name.as_str()),
            action: &event.action,
            target: event.target.as_deref(),
            version: version.map(|id| id.0.as_bytes().as_slice()),
            outcome: &event.outcome,
            duration_us: event.duration_us,
            request_id: event.request_id.as_deref(),
        }
    }
}

impl<'a> From<&'a StoredRecord> for Fields<'a> {
    fn from(record: &'a StoredRecord) -> Self {
        Self {
            at: record.at,
            actor: &record.actor,
            organization_id: record.organization_id.as_deref(),
            organization: record.organization.as_deref(),
            environment: record.environment.as_deref(),
            provider: record.provider.as_deref(),
            action: &record.action,
            target: record.target.as_deref(),
            version: record.version_id.as_deref(),
            outcome: &record.outcome,
            duration_us: record.duration_us,
            request_id: record.request_id.as_deref(),
        }
    }
}

pub(super) fn bytes<'a>(seq: i64, fields: impl Into<Fields<'a>>) -> Vec<u8> {
    let fields = fields.into();
    let mut out = Vec::with_capacity(512);
    part(&mut out, Some(b"locum/audit-record/1"));
    part(&mut out, Some(&seq.to_be_bytes()));
    part(&mut out, Some(&fields.at.to_be_bytes()));
    part(&mut out, Some(fields.actor.as_bytes()));
    part(&mut out, fields.organization_id);
    text(&mut out, fields.organization);
    text(&mut out, fields.environment);
    text(&mut out, fields.provider);
    text(&mut out, Some(fields.action));
    text(&mut out, fields.target);
    part(&mut out, fields.version);
    text(&mut out, Some(fields.outcome));
    let duration = fields.duration_us.map(i64::to_be_bytes);
    part(&mut out, duration.as_ref().map(<[u8; 8]>::as_slice));
    text(&mut out, fields.request_id);
    out
}

fn text(out: &mut Vec<u8>, part_or_none: Option<&str>) {
    part(out, part_or_none.map(str::as_bytes));
}

fn part(out: &mut Vec<u8>, part: Option<&[u8]>) {
    match part {
        None => out.push(0),
        Some(bytes) => {
            out.push(1);
            out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            out.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::clock::{Clock, ManualClock};

    fn event(parts: &[Option<String>; 3]) -> AuditEvent {
        let at = ManualClock::new("2026-11-25T12:00:00Z".parse().unwrap()).now();
        let [target, request_id, action] = parts.clone();
        let mut event = AuditEvent::new(at, "local:priya".to_owned(), action.unwrap_or_default());
        event.target = target;
        event.request_id = request_id;
        event
    }

    proptest! {
        #[test]
        fn different_records_have_different_bytes(
            one in any::<[Option<String>; 3]>(),
            other in any::<[Option<String>; 3]>(),
        ) {
            let (one, other) = (event(&one), event(&other));
            prop_assert_eq!(bytes(1, &one) == bytes(1, &other), one == other);
            prop_assert_ne!(bytes(1, &one), bytes(2, &one));
        }
    }
}
