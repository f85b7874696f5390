//! What became of the logins of one credential version, for those who look after it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::LoginError;
use crate::domain::health::{LastFailure, TokenState};

/// Written by logins, read from time to time; no call with a cached token comes here.
#[derive(Default)]
pub struct LoginWatch {
    seen: Mutex<SeenLogins>,
    changed: AtomicBool,
}

/// What was seen since the process began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SeenLogins {
    pub last_login: Option<Timestamp>,
    pub last_failure: Option<LastFailure>,
    pub token: TokenState,
    /// Until when the token is good, or the back-off lasts.
    pub until: Option<Timestamp>,
}

impl LoginWatch {
    pub(super) fn logged_in(&self, now: Timestamp, expires_at: Timestamp) {
        let mut seen = self.lock();
        seen.last_login = Some(now);
        (seen.token, seen.until) = (TokenState::Cached, Some(expires_at));
        self.changed.store(true, Ordering::Release);
    }

    /// A token that is still good stays; else nothing happens for as long as the back-off lasts.
    pub(super) fn failed(&self, now: Timestamp, error: &LoginError, wait: Duration) {
        let mut seen = self.lock();
        seen.last_failure = Some(LastFailure {
            at: now,
            cause: format!("{}: {error}", error.code()),
        });
        if seen.token != TokenState::Cached || seen.until.is_none_or(|until| until <= now) {
            let until = now.checked_add(wait).unwrap_or(Timestamp::MAX);
            (seen.token, seen.until) = (TokenState::BackingOff, Some(until));
        }
        self.changed.store(true, Ordering::Release);
    }

    pub fn seen(&self) -> SeenLogins {
        self.lock().clone()
    }

    /// Whether something was seen since this was last asked.
    pub fn take_changed(&self) -> bool {
        self.changed.swap(false, Ordering::AcqRel)
    }

    fn lock(&self) -> MutexGuard<'_, SeenLogins> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
