//! A calendar of due days (RFC 5545): all-day events with stable ids, so that a subscription or a
//! second import changes what is there and doubles nothing.

use std::fmt::Write;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Octets of a line without its end (RFC 5545, section 3.1).
const LINE: usize = 75;

/// An all-day event, on the day of a time in UTC.
pub struct CalendarEvent {
    pub uid: String,
    /// When it became known.
    pub stamp: Timestamp,
    pub day: Timestamp,
    pub summary: String,
    pub description: String,
}

/// The text of a calendar file.
pub fn write(events: &[CalendarEvent]) -> String {
    let mut out = String::new();
    line(&mut out, "BEGIN:VCALENDAR");
    line(&mut out, "VERSION:2.0");
    line(&mut out, "PRODID:-//Locum//rotation//EN");
    line(&mut out, "CALSCALE:GREGORIAN");
    line(&mut out, "X-WR-CALNAME:Locum: credentials and keys");
    for event in events {
        let day = event.day.to_zoned(TimeZone::UTC).date();
        let next = day.checked_add(1.day()).unwrap_or(day);
        line(&mut out, "BEGIN:VEVENT");
        line(&mut out, &format!("UID:{}", event.uid));
        line(
            &mut out,
            &format!("DTSTAMP:{}", event.stamp.strftime("%Y%m%dT%H%M%SZ")),
        );
        line(
            &mut out,
            &format!("DTSTART;VALUE=DATE:{}", day.strftime("%Y%m%d")),
        );
        line(
            &mut out,
            &format!("DTEND;VALUE=DATE:{}", next.strftime("%Y%m%d")),
        );
        line(&mut out, &format!("SUMMARY:{}", escaped(&event.summary)));
        line(
            &mut out,
            &format!("DESCRIPTION:{}", escaped(&event.description)),
        );
        line(&mut out, "TRANSP:TRANSPARENT");
        line(&mut out, "END:VEVENT");
    }
    line(&mut out, "END:VCALENDAR");
    out
}

/// TEXT (section 3.3.11); other control characters are not allowed in one.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | ';' | ',' => {
                out.push('\\');
                out.push(letter);
            }
            '\n' => out.push_str("\\n"),
            letter if letter.is_control() => {}
            letter => out.push(letter),
        }
    }
    out
}

/// Writes a content line, folded where it is long, never within a letter.
fn line(out: &mut String, text: &str) {
    let mut width = 0;
    for letter in text.chars() {
        if width + letter.len_utf8() > LINE {
            out.push_str("\r\n ");
            width = 1;
        }
        let _ = out.write_char(letter);
        width += letter.len_utf8();
    }
    out.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn lines_are_short_and_unfold_to_what_was_written(summary in "\\PC{0,200}") {
            let event = CalendarEvent {
                uid: "x".to_owned(),
                stamp: Timestamp::UNIX_EPOCH,
                day: Timestamp::UNIX_EPOCH,
                summary: summary.clone(),
                description: String::new(),
            };
            let text = write(&[event]);
            prop_assert!(text.ends_with("\r\n"));
            for line in text.split("\r\n") {
                prop_assert!(line.len() <= LINE && !line.contains('\n'), "{line}");
            }
            let unfolded = text.replace("\r\n ", "");
            let line = unfolded.split("\r\n").find_map(|line| line.strip_prefix("SUMMARY:"));
            let read = line.unwrap().replace("\\\\", "\u{0}").replace('\\', "").replace('\u{0}', "\\");
            prop_assert_eq!(read, summary);
        }
    }
}
