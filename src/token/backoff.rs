//! Back-off of one credential after failures: 1 s, doubled up to a minute, with jitter.
//!
//! A pause ends by our clock. When the clock was set back since, the pause begins anew: it would
//! last as long as the clock went back otherwise.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::error::LoginError;
use crate::domain::credential::CredentialVersionId;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// An upstream that asks for more is asked again after this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The failures in a row, and the pause before the next attempt.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
    /// In a place of its own: nearly all credentials have none.
    pause: Option<Box<Pause>>,
}

struct Pause {
    since: Timestamp,
    length: Duration,
    cause: LoginError,
}

impl Backoff {
    /// How long to wait still, and why.
    pub(super) fn remaining(&mut self, now: Timestamp) -> Option<(Duration, &LoginError)> {
        let pause = self.pause.as_mut()?;
        if now < pause.since {
            pause.since = now;
        }
        let passed = Duration::try_from(now.duration_since(pause.since)).unwrap_or_default();
        let wait = pause.length.saturating_sub(passed);
        (!wait.is_zero()).then_some((wait, &pause.cause))
    }

    pub(super) fn succeed(&mut self) {
        *self = Self::default();
    }

    pub(super) fn fail(&mut self, id: CredentialVersionId, now: Timestamp, error: &LoginError) {
        let step = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        let own = step.mul_f64(1.0 + jitter(id, self.failures) / 4.0);
        let asked = error
            .retry_after()
            .unwrap_or_default()
            .min(LONGEST_RETRY_AFTER);
        self.failures = self.failures.saturating_add(1);
        self.pause = Some(Box::new(Pause {
            since: now,
            length: own.max(asked),
            cause: error.clone(),
        }));
    }
}

/// A share between 0 and 1 that differs between credentials, so that those which failed together
/// do not come back together. It need not be random: it only spreads.
fn jitter(id: CredentialVersionId, failures: u32) -> f64 {
    let seed = id.0.as_u128() ^ (u128::from(failures) << 64);
    let mixed = (seed as u64 ^ (seed >> 64) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 40) as f64 / (1u64 << 24) as f64
}

pub(super) fn lock(backoff: &Mutex<Backoff>) -> MutexGuard<'_, Backoff> {
    backoff.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_clock_that_is_set_does_not_lengthen_a_pause() {
        let id = CredentialVersionId(Uuid::from_u128(7));
        let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let after = |time: Timestamp, seconds| time + SignedDuration::from_secs(seconds);
        for jump in [-30_000_000, -7_200, -10] {
            let mut backoff = Backoff::default();
            for _ in 0..10 {
                backoff.fail(id, noon, &LoginError::Rejected);
            }
            let set = after(noon, jump);
            let (wait, _) = backoff.remaining(set).unwrap();
            assert!(wait <= LONGEST.mul_f64(1.25), "{wait:?}");
            assert!(backoff.remaining(after(set, 59)).is_some());
            assert!(backoff.remaining(after(set, 76)).is_none());
        }
        let mut backoff = Backoff::default();
        backoff.fail(id, noon, &LoginError::Rejected);
        assert!(backoff.remaining(Timestamp::MAX).is_none());
        assert!(backoff.remaining(Timestamp::MIN).is_some());
    }
}
