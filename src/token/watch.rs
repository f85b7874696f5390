//! What became of the logins of one credential version, for those who look after it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;

use super::{LoginError, LoginOutcome};
use crate::domain::flag::Flag;
use crate::domain::health::{LastFailure, TokenState};

/// Written by logins, and by the first answers to a key; read from time to time. No other call with a
/// cached token comes here.
#[derive(Default)]
pub struct LoginWatch {
    watched: Mutex<Watched>,
    changed: Flag,
    /// Of a key: requests with it were accepted since it was last refused.
    accepted: AtomicBool,
}

#[derive(Default)]
struct Watched {
    seen: SeenLogins,
    /// The token of the last login: gone once its slot has let go of it, whoever made it do so.
    token: Weak<LoginOutcome>,
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
    pub(super) fn logged_in(&self, now: Timestamp, token: &Arc<LoginOutcome>) {
        let mut watched = self.lock();
        watched.token = Arc::downgrade(token);
        let seen = &mut watched.seen;
        seen.last_login = Some(now);
        (seen.token, seen.until) = (TokenState::Cached, Some(token.more.expires_at));
        self.put_back();
    }

    /// `kept` says that there is a token that is still good: it stays. Else nothing happens for as
    /// long as the back-off lasts.
    pub(super) fn failed(&self, now: Timestamp, error: &LoginError, wait: Duration, kept: bool) {
        let mut watched = self.lock();
        watched.seen.last_failure = Some(LastFailure {
            at: now,
            cause: format!("{}: {error}", error.code()),
        });
        if !kept {
            watched.wait_until(now.checked_add(wait).unwrap_or(Timestamp::MAX));
        }
        self.put_back();
    }

    /// A request with a key was accepted: as good as a login. Costs nothing when it is no news.
    pub(super) fn key_accepted(&self, now: Timestamp) {
        if self.accepted.load(Ordering::Relaxed) || self.accepted.swap(true, Ordering::AcqRel) {
            return;
        }
        self.lock().seen.last_login = Some(now);
        self.put_back();
    }

    /// The provider said no to a key. Whether that is news.
    pub(super) fn key_refused(&self, now: Timestamp, error: &LoginError) -> bool {
        let known = self.lock().seen.last_failure.clone();
        self.failed(now, error, Duration::ZERO, true);
        let again = known.is_some_and(|failure| failure.is_refusal());
        self.accepted.swap(false, Ordering::AcqRel) || !again
    }

    /// There is no token, and no login is tried before the back-off is over.
    pub(super) fn waits(&self, now: Timestamp, wait: Duration) {
        let mut watched = self.lock();
        if watched.seen.token != TokenState::BackingOff {
            watched.wait_until(now.checked_add(wait).unwrap_or(Timestamp::MAX));
            self.put_back();
        }
    }

    pub fn seen(&self) -> SeenLogins {
        let mut watched = self.lock();
        watched.notice_drop();
        watched.seen.clone()
    }

    /// Whether something was seen since this was last asked; that the cache dropped the token, only if
    /// that is asked, too: then the token has to be looked at.
    pub fn take_changed(&self, also_dropped: bool) -> bool {
        let dropped = also_dropped && self.lock().notice_drop();
        self.changed.take() | dropped
    }

    /// What was taken could not be used: it is for the next time.
    pub fn put_back(&self) {
        self.changed.raise();
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    fn wait_until(&mut self, until: Timestamp) {
        (self.seen.token, self.seen.until) = (TokenState::BackingOff, Some(until));
    }

    /// Whether the token has gone since the last look.
    fn notice_drop(&mut self) -> bool {
        let gone = self.seen.token == TokenState::Cached
            && self
                .token
                .upgrade()
                .is_none_or(|token| token.more.is_let_go());
        if gone {
            (self.seen.token, self.seen.until) = (TokenState::None, None);
        }
        gone
    }
}
