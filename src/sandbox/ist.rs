//! The clinics' clock: Indian Standard Time, +05:30 all year, in epoch seconds.

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

const OFFSET: i64 = 5 * 3600 + 1800;
pub const DAY: i64 = 86_400;

/// The first second of the day in which `epoch` lies.
pub fn midnight_before(epoch: i64) -> i64 {
    (epoch + OFFSET).div_euclid(DAY) * DAY - OFFSET
}

/// The first second of a day.
pub fn midnight_of(date: Date) -> i64 {
    epoch_of(date.at(0, 0, 0, 0))
}

/// The instant at which clocks in India show `local`.
pub fn epoch_of(local: DateTime) -> i64 {
    let utc = Offset::UTC
        .to_timestamp(local)
        .unwrap_or(Timestamp::UNIX_EPOCH);
    utc.as_second() - OFFSET
}

/// Minutes since midnight.
pub fn minute_of_day(epoch: i64) -> i64 {
    (epoch - midnight_before(epoch)) / 60
}

/// `2024-09-05T09:30:00+05:30`.
pub fn format(epoch: i64) -> String {
    let shifted = SignedDuration::from_secs(epoch.saturating_add(OFFSET));
    let shifted = Timestamp::from_duration(shifted).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{}+05:30", Offset::UTC.to_datetime(shifted))
}
