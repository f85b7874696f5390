//! Where a credential version's token is, and what stands around it. The cache decides how long a slot is kept.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jiff::Timestamp;
use moka::future::Cache;
use tokio::sync::Mutex;

use super::backoff::Backoff;
use super::{LoginOutcome, LoginSite};
use crate::domain::credential::CredentialVersionId;

/// Slots beyond this are dropped, those that are seldom used first; a dropped one costs one login.
const MAX_SLOTS: u64 = 100_000;
/// A slot that nobody used for this long, or a little less (`shortcut`), is dropped, and its token with it.
pub(super) const IDLE_SLOT: Duration = Duration::from_secs(3600);

/// One credential version's token and what stands around it.
pub(super) struct Slot {
    pub(super) current: ArcSwapOption<LoginOutcome>,
    /// The cache has let go of it: it keeps no token any more, but for those who are at a login.
    ended: AtomicBool,
    at_login: AtomicU32,
    pub(super) gate: Arc<Mutex<Backoff>>,
    pub(super) renewing: AtomicBool,
    /// Raised when a fresh token is rejected too: then another login would not help.
    pub(super) rejections: std::sync::Mutex<Backoff>,
}

/// Whatever the cache drops has ended.
pub(super) fn slots(idle: Duration) -> Cache<CredentialVersionId, Arc<Slot>> {
    Cache::builder()
        .max_capacity(MAX_SLOTS)
        .time_to_idle(idle)
        .eviction_listener(|_, slot: Arc<Slot>, _| slot.end())
        .build()
}

impl Slot {
    pub(super) fn empty() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            ended: AtomicBool::new(false),
            at_login: AtomicU32::new(0),
            gate: Arc::new(Mutex::new(Backoff::default())),
            renewing: AtomicBool::new(false),
            rejections: std::sync::Mutex::new(Backoff::default()),
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.put(None);
    }

    /// Puts another token or none into the place of the one that is there. Calls come to a token without its slot: it is
    /// let go of before whoever looks here can find that it is gone.
    pub(super) fn put(&self, token: Option<Arc<LoginOutcome>>) {
        if let Some(present) = &*self.current.load() {
            present.more.let_go();
        }
        if let Some(former) = self.current.swap(token) {
            former.more.let_go();
        }
    }

    /// Drops that very token, if it is the one that is there.
    pub(super) fn drop_token(&self, generation: u64) {
        if let Some(token) = self.current.load_full()
            && token.generation == generation
        {
            token.more.let_go();
            self.current.compare_and_swap(&token, None);
        }
    }

    /// A token that works.
    pub(super) fn live(&self, site: &LoginSite, now: Timestamp) -> Option<Arc<LoginOutcome>> {
        let token = self.current.load_full();
        token.filter(|token| token.more.is_live(site, now))
    }
}

/// Somebody who makes a login or waits for one. A slot that ends meanwhile keeps the login's token for them; when the
/// last one goes, it keeps nothing.
pub(super) struct AtLogin(Arc<Slot>);

impl AtLogin {
    pub(super) fn of(slot: &Arc<Slot>) -> Self {
        slot.at_login.fetch_add(1, Ordering::SeqCst);
        Self(slot.clone())
    }
}

impl Deref for AtLogin {
    type Target = Slot;

    fn deref(&self) -> &Slot {
        &self.0
    }
}

impl Drop for AtLogin {
    fn drop(&mut self) {
        let last = self.at_login.fetch_sub(1, Ordering::SeqCst) == 1;
        if last && self.has_ended() {
            self.put(None);
        }
    }
}

/// Ends the renewal of a slot, however it ends.
pub(super) struct Renewing<'a>(pub(super) &'a Slot);

impl Drop for Renewing<'_> {
    fn drop(&mut self) {
        self.0.renewing.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn what_the_cache_drops_has_ended() {
        let slots = slots(Duration::from_millis(1));
        let slot = Arc::new(Slot::empty());
        slots
            .insert(CredentialVersionId(Uuid::from_u128(1)), slot.clone())
            .await;
        assert!(!slot.has_ended());
        tokio::time::sleep(Duration::from_millis(20)).await;
        slots.run_pending_tasks().await;
        assert!(slot.has_ended());
    }
}
