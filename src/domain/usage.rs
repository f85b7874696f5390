//! What tenants used, by day.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

const SECONDS: i64 = 86_400;

/// A day in UTC, counted from 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
