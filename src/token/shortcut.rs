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

pub(super) struct Shortcut {
    token: ArcSwapWeak<LoginOutcome>,
    asked: Asked,
    /// To the texts of the token's headers.
    texts: Trail<1>,
}

/// When the cache was asked, in seconds since 1970.
#[derive(Default)]
struct Asked(AtomicI64);

impl Default for Shortcut {
    fn default() -> Self {
        Self {
            token: ArcSwapWeak::new(Weak::new()),
            asked: Asked::default(),
            texts: Trail::default(),
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
    /// Where it leads, unless it is time to ask the cache.
    pub(super) fn token(&self, now: Timestamp) -> Option<Arc<LoginOutcome>> {
        let token = self.asked.lately(now).then(|| self.token.load())?;
        token.upgrade().filter(|token| !token.more.is_let_go())
    }

    /// Where token and texts are or were.
    pub(super) fn spots(&self) -> [Spot; 2] {
        let token = self.token.load();
        let [texts] = self.texts.spots();
        [Spot::at(token.as_ptr()), texts]
    }

    /// The cache was asked, and this is what it has.
    pub(super) fn lead_to(&self, token: &Arc<LoginOutcome>, now: Timestamp) {
        self.token.store(Arc::downgrade(token));
        self.asked.at(now);
        let texts = token.headers.first();
        let texts = texts.map(|header| Spot::of(header.value.as_bytes()));
        self.texts.leave([texts.unwrap_or_default()]);
    }
}

impl Asked {
    fn at(&self, now: Timestamp) {
        self.0.store(now.as_second(), Ordering::Relaxed);
    }

    fn lately(&self, now: Timestamp) -> bool {
        now.as_second().abs_diff(self.0.load(Ordering::Relaxed)) < ASK_EVERY
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn the_cache_is_asked_again_after_a_time() {
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let asked = Asked::default();
        assert!(!asked.lately(now));
        asked.at(now);
        assert!(asked.lately(now) && asked.lately(now + 599.seconds()));
        assert!(!asked.lately(now + 600.seconds()));
        assert!(!asked.lately(now - 1.hour()), "the clock was set back");
    }
}
