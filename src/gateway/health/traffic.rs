//! Calls and errors of the last hour, in a hundred bytes: twelve counters of five minutes each.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::domain::ahead::Spot;

const COUNTERS: usize = 12;
const SECONDS: i64 = 300;
/// Calls and errors have 24 bits each, and stay at their largest number.
const MOST: u64 = (1 << 24) - 1;

/// Each counter holds which five minutes it is of (16 bits, so they repeat after 227 days), its
/// calls and its errors.
#[derive(Default)]
pub struct Traffic([AtomicU64; COUNTERS]);

impl Traffic {
    pub(in crate::gateway) fn count(&self, now: Timestamp, failed: bool) {
        let (period, counter) = place(now);
        let counted = |value: u64| {
            let (calls, errors) = match value >> 48 == period {
                true => split(value),
                false => (0, 0),
            };
            let calls = (calls + 1).min(MOST);
            let errors = (errors + u64::from(failed)).min(MOST);
            Some(period << 48 | calls << 24 | errors)
        };
        // It never refuses.
        let _ = self.0[counter].fetch_update(Ordering::Relaxed, Ordering::Relaxed, counted);
    }

    /// Where a call is going to count.
    pub(in crate::gateway) fn spot(&self, now: Timestamp) -> Spot {
        let (_, counter) = place(now);
        Spot::of(&self.0[counter])
    }

    /// Of the five minutes that are under way, and of the 55 before.
    pub(super) fn last_hour(&self, now: Timestamp) -> (u32, u32) {
        let (period, _) = place(now);
        let recent = |value: &u64| (period.wrapping_sub(value >> 48) & 0xffff) < COUNTERS as u64;
        let values = self.0.iter().map(|counter| counter.load(Ordering::Relaxed));
        let sum = values
            .filter(recent)
            .map(split)
            .fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        let narrow = |count| u32::try_from(count).unwrap_or(u32::MAX);
        (narrow(sum.0), narrow(sum.1))
    }
}

fn place(now: Timestamp) -> (u64, usize) {
    let period = now.as_second().div_euclid(SECONDS);
    let counter = period.rem_euclid(COUNTERS as i64);
    // Both are not below zero.
    (
        period.rem_euclid(1 << 16).unsigned_abs(),
        usize::try_from(counter).unwrap_or(0),
    )
}

fn split(value: u64) -> (u64, u64) {
    (value >> 24 & MOST, value & MOST)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Against a list of all calls.
        #[test]
        fn the_last_hour_is_counted_to_five_minutes(
            steps in proptest::collection::vec((0i64..1_200, any::<bool>()), 1..300),
            idle in 0i64..5_000,
        ) {
            let traffic = Traffic::default();
            let mut now: Timestamp = "2026-11-23T11:59:00Z".parse().unwrap();
            let mut calls = Vec::new();
            for (step, failed) in steps {
                now += step.seconds();
                traffic.count(now, failed);
                calls.push((now, failed));
            }
            now += idle.seconds();
            let begin = (now.as_second().div_euclid(SECONDS) - 11) * SECONDS;
            calls.retain(|(at, _)| at.as_second() >= begin);
            let errors = calls.iter().filter(|(_, failed)| *failed).count();
            prop_assert_eq!(traffic.last_hour(now), (calls.len() as u32, errors as u32));
        }
    }

    #[test]
    fn a_counter_stays_at_its_largest_number() {
        let now: Timestamp = "2026-11-23T11:59:00Z".parse().unwrap();
        let traffic = Traffic::default();
        let (period, counter) = place(now);
        traffic.0[counter].store(period << 48 | MOST << 24 | MOST, Ordering::Relaxed);
        traffic.count(now, true);
        assert_eq!(traffic.last_hour(now), (MOST as u32, MOST as u32));
    }
}
