//! What tenants used, by day.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;

const SECONDS: i64 = 86_400;

/// A day in UTC, counted from 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Day(pub i64);

impl Day {
    pub fn of(time: Timestamp) -> Self {
        Self(time.as_second().div_euclid(SECONDS))
    }

    /// How long the day still lasts.
    pub fn remaining(self, now: Timestamp) -> Duration {
        let end = Timestamp::from_second((self.0 + 1).saturating_mul(SECONDS));
        let left = end.unwrap_or(Timestamp::MAX).duration_since(now);
        Duration::try_from(left).unwrap_or_default()
    }
}

/// A month in UTC, as people write it: `2026-11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    first: Date,
}

impl Month {
    pub fn of(time: Timestamp) -> Self {
        let first = time.to_zoned(TimeZone::UTC).date().first_of_month();
        Self { first }
    }

    /// Its first day, and the one after its last.
    pub fn days(self) -> (Day, Day) {
        let next = self.first.last_of_month().tomorrow();
        (day(self.first), next.map_or(Day(i64::MAX), day))
    }
}

fn day(date: Date) -> Day {
    let start = date.to_zoned(TimeZone::UTC);
    start.map_or(Day(i64::MAX), |start| Day::of(start.timestamp()))
}

impl std::str::FromStr for Month {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = format!("{text}-01").parse();
        let first = first.ok().filter(|_| text.len() == 7);
        first
            .map(|first| Self { first })
            .ok_or("expected a month such as 2026-11")
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.first.strftime("%Y-%m"))
    }
}

impl Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Calls of clients and requests to upstreams on one day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    pub day: Day,
    pub calls: u64,
    pub requests: u64,
}

impl Usage {
    pub fn add(&mut self, other: &Self) {
        self.calls = self.calls.saturating_add(other.calls);
        self.requests = self.requests.saturating_add(other.requests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_has_its_own_days_and_no_others() {
        let month: Month = "2026-11".parse().unwrap();
        assert_eq!(month.to_string(), "2026-11");
        let (from, to) = month.days();
        let at = |text: &str| Day::of(text.parse().unwrap());
        assert_eq!(from, at("2026-11-01T00:00:00Z"));
        assert_eq!(to, at("2026-12-01T00:00:00Z"));
        assert_eq!(Month::of("2026-11-30T23:59:59Z".parse().unwrap()), month);
        for bad in ["2026", "2026-13", "2026-1", "2026-11-01", "november", ""] {
            assert!(bad.parse::<Month>().is_err(), "{bad}");
        }
    }
}
