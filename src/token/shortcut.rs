//! An account's way to its token without a look-up. It is the cache that decides how long a token is kept: one
//! that it has let go of is gone, and the cache is asked from time to time, so that it knows which ones are used.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapWeak;
use jiff::Timestamp;

use super::LoginOutcome;
use super::slot::IDLE_SLOT;
use crate::domain::ahead::{Spot, Trail};

/// In seconds; much less than a slot may be idle.
const ASK_EVERY: u64 = IDLE_SLOT.as_secs() / 6;

#[derive(Default)]
pub(super) struct Shortcut {
    token: Lead<LoginOutcome>,
    /// To the texts of the token's headers.
    texts: Trail<1>,
}

/// A way that is good for a time, while there is something at its end.
struct Lead<T> {
    end: ArcSwapWeak<T>,
    /// When the cache was asked, in seconds since 1970.
    asked: AtomicI64,
}

impl Clone for Shortcut {
    /// Whoever has a copy of an account asks the cache first.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Shortcut {
    /// Where it leads, unless it is time to ask the cache.
    pub(super) fn token(&self, now: Timestamp) -> Option<Arc<LoginOutcome>> {
        let token = self.token.end(now);
        token.filter(|token| !token.more.is_let_go())
    }

    /// Where token and texts are or were.
    pub(super) fn spots(&self) -> [Spot; 2] {
        let token = self.token.end.load();
        let [texts] = self.texts.spots();
        [Spot::at(token.as_ptr()), texts]
    }

    /// The cache was asked, and has this token.
    pub(super) fn lead_to(&self, token: &Arc<LoginOutcome>, now: Timestamp) {
        self.token.lead_to(token, now);
        let texts = token.headers.first();
        let texts = texts.map(|header| Spot::of(header.value.as_bytes()));
        self.texts.leave([texts.unwrap_or_default()]);
    }
}

impl<T> Lead<T> {
    fn end(&self, now: Timestamp) -> Option<Arc<T>> {
        let age = now.as_second().abs_diff(self.asked.load(Ordering::Relaxed));
        (age < ASK_EVERY).then(|| self.end.load().upgrade())?
    }

    fn lead_to(&self, end: &Arc<T>, now: Timestamp) {
        self.end.store(Arc::downgrade(end));
        self.asked.store(now.as_second(), Ordering::Relaxed);
    }
}

impl<T> Default for Lead<T> {
    fn default() -> Self {
        Self {
            end: ArcSwapWeak::new(Weak::new()),
            asked: AtomicI64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_way_is_good_for_its_time_and_for_as_long_as_there_is_something_at_its_end() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let (lead, end) = (Lead::default(), Arc::new("token"));
        let leads_at = |time| {
            lead.end(time)
                .is_some_and(|found| Arc::ptr_eq(&found, &end))
        };
        assert!(!leads_at(now));
        lead.lead_to(&end, now);
        assert!(leads_at(now) && leads_at(now + 599.seconds()));
        assert!(!leads_at(now + 600.seconds()));
        assert!(!leads_at(now - 1.hour()), "the clock was set back");
        drop(end);
        assert!(lead.end(now).is_none());
    }
}
