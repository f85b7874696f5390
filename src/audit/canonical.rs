//! The bytes of a record that its mac covers: every field in order, each with its presence and its
//! length before it, so that no two records look alike.

use crate::domain::audit::AuditEvent;

pub(super) fn bytes(seq: i64, event: &AuditEvent) -> Vec<u8> {
    let AuditEvent {
        at,
        actor,
        organization,
        environment,
        provider,
        action,
        target,
        version,
        outcome,
        duration_us,
        request_id,
    } = event;
    let mut out = Vec::with_capacity(320);
    part(&mut out, Some(b"locum/audit-record/1"));
    part(&mut out, Some(&seq.to_be_bytes()));
    part(&mut out, Some(&at.as_millisecond().to_be_bytes()));
    part(&mut out, Some(actor.as_bytes()));
    let organization = organization.as_ref();
    let uuid = organization.map(|organization| organization.uuid.0.as_bytes().as_slice());
    part(&mut out, uuid);
    text(&mut out, organization.map(|found| found.id.as_str()));
    text(&mut out, environment.as_ref().map(|name| name.as_str()));
    text(&mut out, provider.as_ref().map(|name| name.as_str()));
    text(&mut out, Some(action));
    text(&mut out, target.as_deref());
    let version = version.as_ref();
    part(&mut out, version.map(|id| id.0.as_bytes().as_slice()));
    text(&mut out, Some(outcome));
    let duration = duration_us.map(i64::to_be_bytes);
    part(&mut out, duration.as_ref().map(<[u8; 8]>::as_slice));
    text(&mut out, request_id.as_deref());
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
