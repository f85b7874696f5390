//! An account's way to its slot without a look-up. The cache alone keeps slots: what it drops is
//! gone here too, and it is asked again from time to time, so that it knows which ones are used.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwapWeak;
use jiff::Timestamp;

use super::{IDLE_SLOT, Slot};

/// In seconds; much less than a slot may be idle.
const ASK_EVERY: u64 = IDLE_SLOT.as_secs() / 6;

pub(super) struct Shortcut {
    slot: ArcSwapWeak<Slot>,
    /// When the cache was asked, in seconds since 1970.
    asked: AtomicI64,
}

impl Default for Shortcut {
    fn default() -> Self {
        Self {
            slot: ArcSwapWeak::new(Weak::new()),
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
    /// The slot, unless it is gone or it is time to ask the cache.
    pub(super) fn slot(&self, now: Timestamp) -> Option<Arc<Slot>> {
        let age = now.as_second().abs_diff(self.asked.load(Ordering::Relaxed));
        (age < ASK_EVERY)
            .then(|| self.slot.load().upgrade())
            .flatten()
    }

    /// The cache was asked, and this is what it has.
    pub(super) fn lead_to(&self, slot: &Arc<Slot>, now: Timestamp) {
        self.slot.store(Arc::downgrade(slot));
        self.asked.store(now.as_second(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn a_shortcut_ends_with_its_slot_and_after_its_time() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let (shortcut, slot) = (Shortcut::default(), Arc::new(Slot::empty()));
        assert!(shortcut.slot(now).is_none());
        shortcut.lead_to(&slot, now);
        let leads_at = |time| {
            shortcut
                .slot(time)
                .is_some_and(|found| Arc::ptr_eq(&found, &slot))
        };
        assert!(leads_at(now) && leads_at(now + 599.seconds()));
        assert!(!leads_at(now + 600.seconds()));
        assert!(!leads_at(now - 1.hour()), "the clock was set back");
        drop(slot);
        assert!(shortcut.slot(now).is_none(), "the cache dropped it");
    }
}
