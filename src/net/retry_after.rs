//! `Retry-After` (RFC 9110, section 10.2.3): how long an upstream asks to wait.

use std::time::Duration;

use http::header::{DATE, HeaderMap, RETRY_AFTER};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;

/// Nobody is told to wait longer: quotas renew within a day.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Seconds, or a date against the answer's own `Date`: the clocks of two machines differ.
pub fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than fit mean a long time too.
        text.parse().map_or(LONGEST, Duration::from_secs)
    } else {
        let sent = date(headers.get(DATE)?.to_str().ok()?)?;
        Duration::try_from(date(text)?.duration_since(sent)).ok()?
    };
    Some(wait.min(LONGEST))
}

/// An HTTP date in the form that is in use: `Mon, 23 Nov 2026 06:00:00 GMT`.
fn date(text: &str) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(text).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seconds(value: &str) -> Option<u64> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::from_str(value).unwrap());
        let date = HeaderValue::from_static("Mon, 23 Nov 2026 06:00:00 GMT");
        headers.insert(DATE, date);
        retry_after(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn seconds_and_dates_are_understood_and_nonsense_is_not() {
        for (value, expected) in [
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("0", Some(0)),
            ("0000000000000000000000007", Some(7)),
            ("86401", Some(86_400)),
            ("99999999999999999999999999", Some(86_400)),
            ("Mon, 23 Nov 2026 06:02:00 GMT", Some(120)),
            ("Mon, 23 Nov 2026 06:00:00 GMT", Some(0)),
            ("Fri, 01 Jan 2100 00:00:00 GMT", Some(86_400)),
            ("Mon, 23 Nov 2026 05:00:00 GMT", None),
            ("-7", None),
            ("+7", None),
            ("7.5", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(seconds(value), expected, "{value}");
        }
    }

    #[test]
    fn a_date_says_nothing_without_the_date_of_the_answer() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_static("Mon, 23 Nov 2026 06:02:00 GMT");
        headers.insert(RETRY_AFTER, value);
        assert_eq!(retry_after(&headers), None);
    }
}
