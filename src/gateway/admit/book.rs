//! One tenant's book: which requests were made when, what is left of a limit, and what has to be
//! written down. Knows its clock's readings only. When the clock goes to another day and comes back,
//! what was counted on the day is there still. When it goes back, what was counted later is as if it
//! were counted now, for a minute's limit, and a pause lasts no longer than was asked for.

use std::collections::VecDeque;
use std::time::Duration;

use jiff::Timestamp;

use super::Limited;
use crate::domain::credential::CredentialVersionId;
use crate::domain::limits::TenantLimits;
use crate::domain::usage::{Day, Usage};

const MINUTE: i64 = 60_000;
/// Days whose counts are remembered: the right one, the one that a clock was set to by mistake, and
/// the one after, which it may have come to before it was set right.
const DAYS: usize = 3;
/// An upstream that asks for more is asked again after this.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// Small: each call of the tenant opens it, and with thousands of tenants it is in no cache by then.
#[derive(Default)]
pub(super) struct Book {
    pub(super) limits: TenantLimits,
    /// What was counted lately, the day of the last count first.
    days: [Counted; DAYS],
    /// As much of today's calls and requests as was not handed out for writing yet: those of minutes.
    unsaved: (u32, u32),
    /// Most tenants need no more.
    pages: Option<Box<Pages>>,
}

/// A day's requests. No limit is as large as the number can be.
#[derive(Debug, Clone, Copy, Default)]
struct Counted {
    /// Counted from 1970; a time is never so far from it that its day would not fit.
    day: i32,
    requests: u32,
}

impl Counted {
    fn new(day: Day, requests: u64) -> Self {
        Self {
            day: day.0 as i32,
            requests: u32::try_from(requests).unwrap_or(u32::MAX),
        }
    }

    fn day(self) -> Day {
        Day(self.day.into())
    }
}

/// What grows.
#[derive(Default)]
struct Pages {
    /// When the requests of the last minute were made (milliseconds since 1970), oldest first; kept
    /// only while there is a limit per minute.
    minute: VecDeque<i64>,
    /// What was counted on other days and not handed out for writing.
    unsaved: Vec<Usage>,
    /// Credentials that an upstream asked to wait with: from when, until when.
    pauses: Vec<(CredentialVersionId, Timestamp, Timestamp)>,
}

impl Pages {
    fn are_blank(&self) -> bool {
        self.minute.is_empty() && self.unsaved.is_empty() && self.pauses.is_empty()
    }
}

impl Book {
    /// A book that goes on from what was written down today.
    pub(super) fn new(limits: TenantLimits, today: Usage) -> Self {
        let mut book = Self {
            limits,
            ..Self::default()
        };
        book.days[0] = Counted::new(today.day, today.requests);
        book
    }

    /// Counts a call.
    pub(super) fn call(&mut self, now: Timestamp) {
        self.count(now, 1, 0);
    }

    /// Whether a request may be made now.
    pub(super) fn allows(&mut self, now: Timestamp) -> Result<(), Limited> {
        self.room_for(1, now)
    }

    /// Whether so many requests may be made now.
    pub(super) fn room_for(&mut self, requests: usize, now: Timestamp) -> Result<(), Limited> {
        if let Some(limit) = self.limits.per_day
            && self.requests_on(Day::of(now)) + requests as u64 > u64::from(limit)
        {
            let wait = Day::of(now).remaining(now);
            return Err(Limited::Day { limit, wait });
        }
        let Some(limit) = self.limits.per_minute else {
            if let Some(pages) = &mut self.pages {
                pages.minute.clear();
            }
            return Ok(());
        };
        let minute = &mut self.pages.get_or_insert_default().minute;
        let now = now.as_millisecond();
        while minute.front().is_some_and(|at| *at <= now - MINUTE) {
            minute.pop_front();
        }
        // The clock went back, or a call that read it a moment later was quicker. They count, as if
        // made now: nobody has to wait for more than a minute.
        let later = minute.iter_mut().rev().take_while(|at| **at > now);
        later.for_each(|at| *at = now);
        let over = (minute.len() + requests).saturating_sub(limit as usize);
        if over == 0 {
            return Ok(());
        }
        // So many of the last minute's have to be over a minute old first.
        let last = minute.get(over - 1).copied().unwrap_or(now);
        let wait = Duration::from_millis((last + MINUTE - now).unsigned_abs());
        Err(Limited::Minute { limit, wait })
    }

    /// Counts a request, if it may be made now.
    pub(super) fn request(&mut self, now: Timestamp) -> Result<(), Limited> {
        self.allows(now)?;
        if self.limits.per_minute.is_some() {
            let pages = self.pages.get_or_insert_default();
            pages.minute.push_back(now.as_millisecond());
        }
        self.count(now, 0, 1);
        Ok(())
    }

    /// An upstream asked to wait with this credential.
    pub(super) fn pause(&mut self, id: CredentialVersionId, wait: Duration, now: Timestamp) {
        let until = now.checked_add(wait.min(LONGEST_PAUSE));
        let pauses = &mut self.pages.get_or_insert_default().pauses;
        pauses.retain(|(paused, _, _)| *paused != id);
        pauses.push((id, now, until.unwrap_or(Timestamp::MAX)));
    }

    /// Whether an upstream asked to wait with this credential still.
    pub(super) fn paused(
        &mut self,
        id: CredentialVersionId,
        now: Timestamp,
    ) -> Result<(), Limited> {
        let Some(Pages { pauses, .. }) = self.pages.as_deref_mut() else {
            return Ok(());
        };
        // A clock that goes back pauses nobody for longer, and a call that read it a moment before the
        // one that was told to wait does not end its pause.
        for (_, from, until) in pauses.iter_mut() {
            let back = from.duration_since(now);
            if back.is_positive() {
                (*from, *until) = (now, until.checked_sub(back).unwrap_or(now));
            }
        }
        pauses.retain(|(_, _, until)| *until > now);
        match pauses.iter().find(|(paused, _, _)| *paused == id) {
            None => Ok(()),
            Some((_, _, until)) => {
                let wait = Duration::try_from(until.duration_since(now)).unwrap_or_default();
                Err(Limited::Paused { wait })
            }
        }
    }

    /// Takes what is to be written down.
    pub(super) fn take_unsaved(&mut self) -> Vec<Usage> {
        let counted = self.take_counted();
        let mut unsaved = match &mut self.pages {
            Some(pages) => std::mem::take(&mut pages.unsaved),
            None => Vec::new(),
        };
        if self.pages.as_deref().is_some_and(Pages::are_blank) {
            self.pages = None;
        }
        counted
            .into_iter()
            .for_each(|usage| add(&mut unsaved, usage));
        unsaved
    }

    /// Takes back what could not be written down.
    pub(super) fn put_back(&mut self, unsaved: Vec<Usage>) {
        let kept = &mut self.pages.get_or_insert_default().unsaved;
        unsaved.into_iter().for_each(|usage| add(kept, usage));
    }

    /// Takes what was counted today and not handed out yet, if that is something.
    fn take_counted(&mut self) -> Option<Usage> {
        let (calls, requests) = std::mem::take(&mut self.unsaved);
        (calls > 0 || requests > 0).then(|| Usage {
            day: self.days[0].day(),
            calls: calls.into(),
            requests: requests.into(),
        })
    }

    fn requests_on(&self, day: Day) -> u64 {
        let counted = self.days.iter().find(|counted| counted.day() == day);
        counted.map_or(0, |counted| counted.requests.into())
    }

    /// Goes on from what was counted on another day, if that is remembered.
    fn turn_to(&mut self, day: Day) {
        if let Some(counted) = self.take_counted() {
            add(&mut self.pages.get_or_insert_default().unsaved, counted);
        }
        let place = self.days.iter().position(|counted| counted.day() == day);
        self.days[..=place.unwrap_or(DAYS - 1)].rotate_right(1);
        if place.is_none() {
            self.days[0] = Counted::new(day, 0);
        }
    }

    fn count(&mut self, now: Timestamp, calls: u32, requests: u32) {
        let day = Day::of(now);
        if self.days[0].day() != day {
            self.turn_to(day);
        }
        let today = &mut self.days[0];
        today.requests = today.requests.saturating_add(requests);
        let (unsaved_calls, unsaved_requests) = &mut self.unsaved;
        *unsaved_calls = unsaved_calls.saturating_add(calls);
        *unsaved_requests = unsaved_requests.saturating_add(requests);
    }
}

/// Adds to what there is of that day.
fn add(usages: &mut Vec<Usage>, usage: Usage) {
    match usages.iter_mut().find(|kept| kept.day == usage.day) {
        Some(kept) => kept.add(&usage),
        None => usages.push(usage),
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn limits(per_minute: Option<u32>, per_day: Option<u32>) -> Book {
        let limits = TenantLimits {
            per_minute,
            per_day,
            concurrency: None,
        };
        Book::new(limits, Usage::default())
    }

    #[test]
    fn a_day_ends_at_midnight_utc() {
        let mut book = limits(None, Some(2));
        let evening = at("2026-11-23T23:59:50Z");
        assert_eq!(book.request(evening), Ok(()));
        assert_eq!(book.request(evening), Ok(()));
        let wait = Duration::from_secs(10);
        assert_eq!(book.request(evening), Err(Limited::Day { limit: 2, wait }));
        assert_eq!(book.request(at("2026-11-24T00:00:00Z")), Ok(()));
        let days: Vec<_> = book.take_unsaved();
        assert_eq!(
            days.iter().map(|day| day.requests).collect::<Vec<_>>(),
            [2, 1]
        );
        assert!(book.take_unsaved().is_empty());
        book.put_back(days);
        assert_eq!(book.take_unsaved().len(), 2);
    }

    #[test]
    fn several_requests_fit_or_say_when_they_will() {
        let now = at("2026-11-23T12:00:00Z");
        let mut book = limits(Some(3), Some(5));
        assert_eq!(book.request(now), Ok(()));
        assert_eq!(book.request(now + 10.seconds()), Ok(()));
        let now = now + 20.seconds();
        assert_eq!(book.room_for(1, now), Ok(()));
        let wait = Duration::from_secs(50);
        let limited = Err(Limited::Minute { limit: 3, wait });
        assert_eq!(book.room_for(3, now), limited, "when both are a minute old");
        let wait = Duration::from_secs(40);
        let limited = Err(Limited::Minute { limit: 3, wait });
        assert_eq!(book.room_for(2, now), limited);
        assert!(matches!(book.room_for(4, now), Err(Limited::Day { .. })));
        assert_eq!(book.request(now), Ok(()), "nothing was counted");
    }

    #[test]
    fn what_was_written_down_today_counts() {
        let now = at("2026-11-23T12:00:00Z");
        let today = Usage {
            day: Day::of(now),
            calls: 5,
            requests: 5,
        };
        let limits = TenantLimits {
            per_day: Some(6),
            ..TenantLimits::default()
        };
        let mut book = Book::new(limits, today);
        assert_eq!(book.request(now), Ok(()));
        assert!(matches!(book.request(now), Err(Limited::Day { .. })));
        assert_eq!(book.request(now + 24.hours()), Ok(()), "yesterday's do not");
    }

    #[test]
    fn a_day_that_the_clock_comes_back_to_is_as_full_as_it_was() {
        let noon = at("2026-11-23T12:00:00Z");
        let mut book = limits(None, Some(2));
        assert_eq!(book.request(noon), Ok(()));
        assert_eq!(book.request(noon), Ok(()));
        for hours in [24i64, 48] {
            assert_eq!(book.request(noon + hours.hours()), Ok(()));
            let taken = book.take_unsaved();
            book.put_back(taken);
            book.take_unsaved();
            assert!(matches!(book.request(noon), Err(Limited::Day { .. })));
        }
        for hours in [24i64, 48] {
            assert_eq!(book.request(noon + hours.hours()), Ok(()), "it had one");
            let limited = book.request(noon + hours.hours());
            assert!(matches!(limited, Err(Limited::Day { .. })));
        }
        assert!(matches!(book.request(noon), Err(Limited::Day { .. })));
    }

    #[test]
    fn a_minute_lasts_no_longer_when_the_clock_goes_back() {
        let now = at("2026-11-23T12:00:00Z");
        let mut book = limits(Some(1), None);
        let mut wait = |now| match book.request(now) {
            Ok(()) => Duration::ZERO,
            Err(limited) => limited.wait(),
        };
        assert_eq!(wait(now), Duration::ZERO);
        assert_eq!(wait(now - 1.second()), MINUTE_LONG);
        assert_eq!(wait(now - 24.hours()), MINUTE_LONG);
        let now = now - 24.hours() + 59.seconds();
        assert_eq!(wait(now), Duration::from_secs(1));
        assert_eq!(wait(now + 1.second()), Duration::ZERO);
        assert_eq!(wait(now + 48.hours()), Duration::ZERO);
        assert_eq!(wait(now), MINUTE_LONG);
    }

    /// With its lock and the tenant's slots it is two lines of cache.
    #[test]
    fn a_book_is_small() {
        assert!(size_of::<Book>() <= 64);
    }

    #[test]
    fn a_pause_is_one_credentials_and_is_never_longer_than_an_hour() {
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let (one, other) = (CredentialVersionId(one), CredentialVersionId(other));
        let now = at("2026-11-23T12:00:00Z");
        let mut book = Book::default();
        book.pause(one, Duration::from_secs(1_000_000), now);
        let wait = LONGEST_PAUSE;
        assert_eq!(book.paused(one, now), Err(Limited::Paused { wait }));
        assert_eq!(book.paused(other, now), Ok(()));
        assert_eq!(book.paused(one, now + 1.hour()), Ok(()));
        book.pause(one, Duration::from_secs(60), now);
        // A call that read the clock a moment before the one that was told does not end the pause, and
        // a clock that goes back makes it no longer.
        let wait = Duration::from_secs(60);
        let paused = Err(Limited::Paused { wait });
        assert_eq!(book.paused(one, now - 1.millisecond()), paused);
        assert_eq!(book.paused(one, now - 1.hour()), paused);
        assert_eq!(book.paused(one, now - 1.hour() + 60.seconds()), Ok(()));
    }

    #[test]
    fn what_is_rare_is_gone_when_it_is_over() {
        let now = at("2026-11-23T12:00:00Z");
        let mut book = limits(None, None);
        book.call(now);
        let taken = book.take_unsaved();
        book.put_back(taken);
        book.call(now);
        let taken = book.take_unsaved();
        assert_eq!(taken.iter().map(|day| day.calls).collect::<Vec<_>>(), [2]);
        assert!(book.pages.is_none());
        book.pause(CredentialVersionId(Uuid::from_u128(1)), MINUTE_LONG, now);
        book.take_unsaved();
        assert!(book.pages.is_some(), "somebody waits");
    }

    const MINUTE_LONG: Duration = Duration::from_secs(60);

    proptest! {
        /// What is handed out is what was counted, day by day, wherever the clock goes and whatever
        /// could not be written at first.
        #[test]
        fn nothing_is_written_twice_or_lost(
            steps in proptest::collection::vec((-60_000i64..90_000, any::<bool>(), 0u8..4), 1..100),
        ) {
            let mut book = limits(None, None);
            let mut now = at("2026-11-23T00:00:00Z");
            let mut counted: Vec<Usage> = Vec::new();
            let mut written: Vec<Usage> = Vec::new();
            for (seconds, is_call, then) in steps {
                now += seconds.seconds();
                match is_call {
                    true => book.call(now),
                    false => prop_assert_eq!(book.request(now), Ok(())),
                }
                add(&mut counted, Usage {
                    day: Day::of(now),
                    calls: u64::from(is_call),
                    requests: u64::from(!is_call),
                });
                match then {
                    0 => {
                        let failed = book.take_unsaved();
                        book.put_back(failed);
                    }
                    1 => book.take_unsaved().into_iter().for_each(|day| add(&mut written, day)),
                    _ => {}
                }
            }
            book.take_unsaved().into_iter().for_each(|day| add(&mut written, day));
            counted.sort_by_key(|usage| usage.day);
            written.sort_by_key(|usage| usage.day);
            prop_assert_eq!(written, counted);
        }

        /// In whatever order the clock shows the times of three days, each has as many requests as
        /// the limit.
        #[test]
        fn no_day_has_more_requests_than_the_limit(
            limit in 1u32..6,
            steps in proptest::collection::vec((0usize..3, 0i64..86_400, any::<bool>()), 1..100),
        ) {
            let start = at("2026-11-23T00:00:00Z");
            let mut book = limits(None, Some(limit));
            let mut made = [0u32; 3];
            for (day, second, taken) in steps {
                let now = start + (day as i64 * 86_400 + second).seconds();
                match book.request(now) {
                    Ok(()) => made[day] += 1,
                    Err(refused) => {
                        prop_assert_eq!(made[day], limit);
                        prop_assert!(refused.wait() <= Duration::from_secs(86_400));
                    }
                }
                prop_assert!(made[day] <= limit);
                if taken {
                    book.take_unsaved();
                }
            }
        }

        /// However requests come, no minute has more of them than the limit; and who waits as long
        /// as was said is let in.
        #[test]
        fn no_minute_has_more_requests_than_the_limit(
            limit in 1u32..6,
            steps in proptest::collection::vec(0i64..20_000, 1..200),
        ) {
            let mut book = limits(Some(limit), None);
            let mut now = at("2026-11-23T00:00:00Z");
            let mut made: Vec<i64> = Vec::new();
            for step in steps {
                now += step.milliseconds();
                match book.request(now) {
                    Ok(()) => made.push(now.as_millisecond()),
                    Err(Limited::Minute { wait, .. }) => {
                        let then = now + jiff::SignedDuration::try_from(wait).unwrap();
                        prop_assert_eq!(book.allows(then), Ok(()));
                        book.pages.get_or_insert_default().minute = made.iter().copied()
                            .filter(|at| *at > now.as_millisecond() - MINUTE).collect();
                    }
                    Err(other) => prop_assert!(false, "{:?}", other),
                }
            }
            for window in made.windows(limit as usize + 1) {
                prop_assert!(window[limit as usize] - window[0] >= MINUTE);
            }
        }

        /// However often the clock goes back, no minute by a clock that never does has more requests
        /// than the limit, and nobody waits for longer than a minute.
        #[test]
        fn a_clock_that_goes_back_neither_frees_a_minute_nor_makes_it_longer(
            limit in 1u32..6,
            steps in proptest::collection::vec(
                (0i64..20_000, proptest::option::weighted(0.2, 0i64..100_000_000)),
                1..200,
            ),
        ) {
            let start = at("2026-11-23T00:00:00Z");
            let mut book = limits(Some(limit), None);
            let (mut passed, mut behind) = (0i64, 0i64);
            let mut made: Vec<i64> = Vec::new();
            for (step, back) in steps {
                passed += step;
                behind += back.unwrap_or(0);
                match book.request(start + (passed - behind).milliseconds()) {
                    Ok(()) => made.push(passed),
                    Err(refused) => prop_assert!(refused.wait() <= MINUTE_LONG, "{:?}", refused),
                }
            }
            for window in made.windows(limit as usize + 1) {
                prop_assert!(window[limit as usize] - window[0] >= MINUTE);
            }
            let then = start + (passed - behind + MINUTE).milliseconds();
            prop_assert_eq!(book.allows(then), Ok(()));
        }
    }
}
