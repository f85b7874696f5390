//! Back-off of one credential after failures: 1 s, doubled up to a minute, with jitter.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::error::LoginError;
use crate::domain::credential::CredentialVersionId;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// An upstream that asks for more is asked again after this.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(3600);

/// The failures in a row, and when the next attempt may be made.
#[derive(Default)]
pub(super) struct Backoff {
    failures: u32,
    pause: Option<(Timestamp, LoginError)>,
}

impl Backoff {
    /// How long to wait still, and why.
    pub(super) fn remaining(&self, now: Timestamp) -> Option<(Duration, &LoginError)> {
        let (until, cause) = self.pause.as_ref()?;
        let wait = Duration::try_from(until.duration_since(now)).ok()?;
        (!wait.is_zero()).then_some((wait, cause))
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
        let until = now.checked_add(own.max(asked)).unwrap_or(Timestamp::MAX);
        self.pause = Some((until, error.clone()));
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
