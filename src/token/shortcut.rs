//! An account's way to its slot without a look-up. It is the cache that decides how long a slot is kept:
//! one that it has dropped has ended, and it is asked again from time to time, so that it knows which
//! ones are used.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::{ArcSwapOption, Guard};
use jiff::Timestamp;

use super::slot::{IDLE_SLOT, Slot};

/// In seconds; much less than a slot may be idle.
const ASK_EVERY: u64 = IDLE_SLOT.as_secs() / 6;

pub(super) struct Shortcut {
    slot: ArcSwapOption<Slot>,
    /// When the cache was asked, in seconds since 1970.
    asked: AtomicI64,
}

/// What a shortcut leads to. To be let go of soon: whoever has many of them at a time pays for each.
pub(super) type Found = Guard<Option<Arc<Slot>>>;

impl Default for Shortcut {
    fn default() -> Self {
        Self {
            slot: ArcSwapOption::empty(),
            asked: AtomicI64::new(0),
        }
    }
}

impl Clone for Shortcut {
    /// Whoever has a copy of an account asks the cache first.
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Shortcut {
    /// Where it leads, unless it is time to ask the cache. Nothing of the slot is looked at, so whether it has
    /// ended is still to be asked.
    pub(super) fn way(&self, now: Timestamp) -> Option<Found> {
        let age = now.as_second().abs_diff(self.asked.load(Ordering::Relaxed));
        (age < ASK_EVERY).then(|| self.slot.load())
    }

    /// The cache was asked, and this is what it has.
    pub(super) fn lead_to(&self, slot: &Arc<Slot>, now: Timestamp) {
        self.slot.store(Some(slot.clone()));
        self.asked.store(now.as_second(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_shortcut_ends_after_its_time() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let (shortcut, slot) = (Shortcut::default(), Arc::new(Slot::empty()));
        let leads_at = |time| {
            let found = shortcut.way(time);
            found.is_some_and(|found| {
                found
                    .as_ref()
                    .is_some_and(|found| Arc::ptr_eq(found, &slot))
            })
        };
        assert!(!leads_at(now));
        shortcut.lead_to(&slot, now);
        assert!(leads_at(now) && leads_at(now + 599.seconds()));
        assert!(!leads_at(now + 600.seconds()));
        assert!(!leads_at(now - 1.hour()), "the clock was set back");
    }
}
