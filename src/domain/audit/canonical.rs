//! The bytes of a record that its mac covers: every field in order, each with its presence and its
//! length before it, so that no two records look alike. Records of calls are kept as these bytes.

use super::{AuditEvent, StoredRecord};

const FORMAT: &[u8] = b"locum/audit-record/1";
const PARTS: usize = 14;

/// A record's fields, about to be written or as they stand in the table.
pub struct Fields<'a> {
    /// Milliseconds since 1970.
    pub at: i64,
    pub actor: &'a str,
    pub organization_id: Option<&'a [u8]>,
    pub organization: Option<&'a str>,
    pub environment: Option<&'a str>,
    pub provider: Option<&'a str>,
    pub action: &'a str,
    pub target: Option<&'a str>,
    pub version: Option<&'a [u8]>,
    pub outcome: &'a str,
    pub duration_us: Option<i64>,
    pub request_id: Option<&'a str>,
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

pub fn bytes<'a>(seq: i64, fields: impl Into<Fields<'a>>) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    write(&mut out, seq, fields);
    out
}

/// Adds the bytes of a record.
pub fn write<'a>(out: &mut Vec<u8>, seq: i64, fields: impl Into<Fields<'a>>) {
    let fields = fields.into();
    part(out, Some(FORMAT));
    part(out, Some(&seq.to_be_bytes()));
    part(out, Some(&fields.at.to_be_bytes()));
    part(out, Some(fields.actor.as_bytes()));
    part(out, fields.organization_id);
    text(out, fields.organization);
    text(out, fields.environment);
    text(out, fields.provider);
    text(out, Some(fields.action));
    text(out, fields.target);
    part(out, fields.version);
    text(out, Some(fields.outcome));
    let duration = fields.duration_us.map(i64::to_be_bytes);
    part(out, duration.as_ref().map(<[u8; 8]>::as_slice));
    text(out, fields.request_id);
}

/// Reads a record, but for its mac, from the beginning of these bytes, and moves them behind it.
/// `None` when nobody wrote them so.
pub fn read(bytes: &mut &[u8]) -> Option<StoredRecord> {
    (take(bytes)?? == FORMAT).then_some(())?;
    Some(StoredRecord {
        seq: number(take(bytes)??)?,
        at: number(take(bytes)??)?,
        actor: string(take(bytes)??)?,
        organization_id: take(bytes)?.map(<[u8]>::to_vec),
        organization: string_or_none(take(bytes)?)?,
        environment: string_or_none(take(bytes)?)?,
        provider: string_or_none(take(bytes)?)?,
        action: string(take(bytes)??)?,
        target: string_or_none(take(bytes)?)?,
        version_id: take(bytes)?.map(<[u8]>::to_vec),
        outcome: string(take(bytes)??)?,
        duration_us: match take(bytes)? {
            Some(part) => Some(number(part)?),
            None => None,
        },
        request_id: string_or_none(take(bytes)?)?,
        mac: Vec::new(),
    })
}

/// Moves these bytes behind the record at their beginning, without reading it.
pub fn skip(bytes: &mut &[u8]) -> Option<()> {
    for _ in 0..PARTS {
        take(bytes)?;
    }
    Some(())
}

/// The next part, which may be one that says that there is none.
fn take<'a>(bytes: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    match bytes.split_first()? {
        (0, rest) => {
            *bytes = rest;
            Some(None)
        }
        (1, rest) => {
            let (length, rest) = rest.split_first_chunk()?;
            let length = usize::try_from(u64::from_be_bytes(*length)).ok()?;
            let (part, rest) = rest.split_at_checked(length)?;
            *bytes = rest;
            Some(Some(part))
        }
        _ => None,
    }
}

fn number(part: &[u8]) -> Option<i64> {
    part.try_into().ok().map(i64::from_be_bytes)
}

fn string(part: &[u8]) -> Option<String> {
    str::from_utf8(part).ok().map(str::to_owned)
}

fn string_or_none(part: Option<&[u8]>) -> Option<Option<String>> {
    match part {
        Some(part) => string(part).map(Some),
        None => Some(None),
    }
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

        #[test]
        fn what_was_written_is_read(
            one in any::<[Option<String>; 3]>(),
            rest in any::<Vec<u8>>(),
            cut in 1_usize..100,
        ) {
            let written = bytes(7, &event(&one));
            let together = [&written, rest.as_slice()].concat();
            let mut left = together.as_slice();
            let record = read(&mut left).unwrap();
            prop_assert_eq!(left, &rest);
            let mut left = together.as_slice();
            skip(&mut left).unwrap();
            prop_assert_eq!(left, rest);
            prop_assert_eq!(record.seq, 7);
            prop_assert_eq!(&bytes(7, &record), &written);
            prop_assert_eq!(read(&mut &written[..written.len() - cut]), None);
        }

        #[test]
        fn whatever_is_read_comes_to_an_end(bytes in any::<Vec<u8>>()) {
            let _ = read(&mut bytes.as_slice());
        }
    }
}
