//! Durations, sizes and times as people write them: `6y`, `90d`, `24h`, `30s`, `500ms`; `1MiB`, `64KiB`;
//! `2026-11-25`, `2026-11-25T12:00:00Z`.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Why a text is no duration or size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUnit {
    #[error("a duration is a whole number with ms, s, m, h, d or y, such as 30s or 90d")]
    Duration,
    #[error("a size is a whole number with B, KiB, MiB or GiB, such as 1MiB")]
    Size,
    #[error("a time is a day (YYYY-MM-DD, from its beginning in UTC) or as in RFC 3339")]
    Time,
    #[error(
        "an end is a day (YYYY-MM-DD), a time as in RFC 3339, or a duration from now such as 90d"
    )]
    End,
}

fn split(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Reads a duration; a day has 24 hours, a year 365 days.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidUnit> {
    let (number, unit) = split(text.trim()).ok_or(InvalidUnit::Duration)?;
    let milliseconds = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        "y" => 365 * 86_400_000,
        _ => return Err(InvalidUnit::Duration),
    };
    number
        .checked_mul(milliseconds)
        .map(Duration::from_millis)
        .ok_or(InvalidUnit::Duration)
}

/// Reads a size in bytes; units are binary (IEC 80000-13).
pub fn parse_size(text: &str) -> Result<usize, InvalidUnit> {
    let (number, unit) = split(text.trim()).ok_or(InvalidUnit::Size)?;
    let factor: u64 = match unit {
        "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(InvalidUnit::Size),
    };
    let bytes = number.checked_mul(factor).ok_or(InvalidUnit::Size)?;
    usize::try_from(bytes).map_err(|_| InvalidUnit::Size)
}

/// Reads a time; a day is taken as its beginning in UTC.
pub fn parse_time(text: &str) -> Result<Timestamp, InvalidUnit> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let date: Date = text.parse().map_err(|_| InvalidUnit::Time)?;
    let start = date.to_zoned(TimeZone::UTC);
    start
        .map(|start| start.timestamp())
        .map_err(|_| InvalidUnit::Time)
}

/// Reads when something is to end: a time, or a duration from now.
pub fn parse_end(text: &str, now: Timestamp) -> Result<Timestamp, InvalidUnit> {
    match parse_duration(text) {
        Ok(duration) => now.checked_add(duration).map_err(|_| InvalidUnit::End),
        Err(_) => parse_time(text).map_err(|_| InvalidUnit::End),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        assert_eq!(parse_duration("90d"), Ok(Duration::from_secs(90 * 86_400)));
        assert_eq!(parse_duration("6y"), parse_duration("2190d"));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_size("1 MiB"), Ok(1 << 20));
        for bad in [
            "",
            "5",
            "s",
            "-1s",
            "1.5h",
            "1w",
            "99999999999999999999s",
            "18446744073709551615d",
        ] {
            assert_eq!(parse_duration(bad), Err(InvalidUnit::Duration), "{bad}");
        }
        assert_eq!(parse_size("1MB"), Err(InvalidUnit::Size));
        let noon: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let midnight: Timestamp = "2026-11-25T00:00:00Z".parse().unwrap();
        assert_eq!(parse_time("2026-11-25"), Ok(midnight));
        assert_eq!(parse_time("2026-11-25T14:00:00+02:00"), Ok(noon));
        assert_eq!(parse_time("25.11.2026"), Err(InvalidUnit::Time));
        assert_eq!(parse_end("12h", midnight), Ok(noon));
        assert_eq!(parse_end("2026-11-25T12:00:00Z", midnight), Ok(noon));
        assert_eq!(parse_end("99999999d", noon), Err(InvalidUnit::End));
        assert_eq!(parse_end("soon", noon), Err(InvalidUnit::End));
    }
}
