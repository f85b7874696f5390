//! Access tokens: one cached per credential version, renewed before it expires.
//!
//! ```text
//! bearer ─ there is a live token ───────────────→ Bearer      (no lock, no store, no decryption)
//!        │   └ its margin has begun: renewal starts in the background, nobody waits
//!        └ none: gate (one login at a time, per credential) → back-off? → refresh or login → Bearer
//! ```
//!
//! A key (`key`) takes the same way: opened once, it is there until its version ends.
//!
//! A token is valid until `expires_at` of our own clock. One from the future (the clock was set
//! back since) is renewed like one in its margin: used meanwhile, as upstream may accept it still,
//! and a 401 ends it as ever. The gate is per credential version (of 100,000 of them, those that are used most),
//! so one tenant's failing login never makes another's calls wait.

mod account;
mod backoff;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod kept;
mod key;
mod life;
mod login;
mod meters;
mod shortcut;
mod slot;
mod watch;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use moka::future::Cache;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;

pub use account::Account;
use backoff::Backoff;
pub use error::LoginError;
pub use login::{Login, LoginOutcome, LoginSite};
pub use meters::LoginMeters;
use slot::{AtLogin, IDLE_SLOT, Renewing, Slot};
pub use watch::{LoginWatch, SeenLogins};

use crate::domain::bearer::Bearer;
use crate::domain::call::AuthorizedCall;
use crate::domain::clock::SharedClock;
use crate::domain::credential::{
    CredentialRef, CredentialSource, CredentialVersionId, OpenFailed, OpenedCredential,
};
use crate::domain::origin::Origin;
use crate::domain::span::{Attribute, Step};

/// A login to be made, and the request that it is made for.
struct Errand {
    account: Account,
    origin: Origin,
}

/// The tokens of all tenants.
pub struct Tokens {
    slots: Cache<CredentialVersionId, Arc<Slot>>,
    work: Arc<Work>,
}

/// What a login takes, shared with renewals in the background.
struct Work {
    login: Login,
    source: Arc<dyn CredentialSource>,
    clock: SharedClock,
    /// Where logins are made.
    threads: Handle,
}

impl Tokens {
    /// Logins are made on these threads, not on those that call: what a login leaves stays for long, and
    /// lies between the pieces of memory that calls take and give back (`app`'s housekeeping says what that costs).
    pub fn new(
        login: Login,
        source: Arc<dyn CredentialSource>,
        clock: SharedClock,
        threads: Handle,
    ) -> Self {
        Self {
            slots: slot::slots(IDLE_SLOT),
            work: Arc::new(Work {
                login,
                source,
                clock,
                threads,
            }),
        }
    }

    /// The bearer for an authorized call, from the cache or by a login.
    pub async fn bearer(
        &self,
        call: &AuthorizedCall<'_>,
        account: &Account,
    ) -> Result<Bearer, LoginError> {
        let now = self.work.clock.now();
        let token = account
            .shortcut
            .token(now)
            .filter(|token| token.more.is_live(&account.site, now) && !token.more.is_due(now));
        let token = match token {
            Some(token) => {
                account.meters.hit();
                token
            }
            None => Box::pin(self.find(account, call, now)).await?,
        };
        Ok(Bearer::for_call(call, token))
    }

    /// The token by way of the cache, renewed in time, or by a login.
    async fn find(
        &self,
        account: &Account,
        call: &AuthorizedCall<'_>,
        now: Timestamp,
    ) -> Result<Arc<LoginOutcome>, LoginError> {
        let slot = self.slot(account.credential.id).await;
        let token = match slot.live(&account.site, now) {
            Some(token) => {
                account.meters.hit();
                if token.more.is_due(now) {
                    self.renew_in_background((&slot, &token), account, call);
                }
                token
            }
            None => {
                account.meters.miss();
                self.work.obtain(&slot, Errand::new(account, call)).await?
            }
        };
        // One that has ended keeps its token for those who are at a login only.
        if !slot.has_ended() {
            account.shortcut.lead_to(&token, now);
        }
        Ok(token)
    }

    /// Drops the very token that upstream rejected and says whether a login may help.
    pub async fn reject(&self, bearer: &Bearer) -> bool {
        let slot = self.slot(bearer.version()).await;
        let now = self.work.clock.now();
        if backoff::lock(&slot.rejections).remaining(now).is_some() {
            return false;
        }
        slot.drop_token(bearer.generation());
        true
    }

    /// Notes that the token of a login made for this call was rejected as well.
    pub async fn rejected_again(&self, bearer: &Bearer) {
        let slot = self.slot(bearer.version()).await;
        let now = self.work.clock.now();
        backoff::lock(&slot.rejections).fail(bearer.version(), now, &LoginError::Rejected);
    }

    /// Notes that the token of a login made for this call was accepted: the next rejection is a
    /// first one again.
    pub async fn accepted(&self, bearer: &Bearer) {
        let slot = self.slot(bearer.version()).await;
        backoff::lock(&slot.rejections).succeed();
    }

    /// Forgets the tokens of credential versions that are no longer in use.
    pub async fn retain(&self, in_use: impl Fn(CredentialVersionId) -> bool) {
        let slots = self.slots.iter();
        let gone: Vec<_> = slots.filter(|(id, _)| !in_use(**id)).collect();
        for (id, slot) in gone {
            // The cache lets go of a slot when it is used again, which may be a while.
            slot.end();
            self.slots.invalidate(&*id).await;
        }
    }

    /// Lets go of what nobody used for long: by itself the cache does so only while it is used.
    pub async fn tidy(&self) {
        self.slots.run_pending_tasks().await;
    }

    async fn slot(&self, id: CredentialVersionId) -> Arc<Slot> {
        if let Some(slot) = self.slots.get(&id).await {
            return slot;
        }
        let slots = self.slots.clone();
        let made = self.work.threads.spawn(async move {
            let empty = async { Arc::new(Slot::empty()) };
            slots.get_with(id, empty).await
        });
        // Where the process is ending, there is nobody to make one.
        made.await.unwrap_or_else(|_| Arc::new(Slot::empty()))
    }

    fn renew_in_background(
        &self,
        (slot, token): (&Arc<Slot>, &Arc<LoginOutcome>),
        account: &Account,
        call: &AuthorizedCall<'_>,
    ) {
        let fails = slot.gate.try_lock();
        if fails.is_ok_and(|mut gate| gate.remaining(self.work.clock.now()).is_some())
            || slot.renewing.swap(true, Ordering::AcqRel)
        {
            return;
        }
        account.meters.renewal();
        let errand = Errand::new(account, call);
        let (work, maker, token) = (self.work.clone(), AtLogin::of(slot), token.clone());
        self.work.threads.spawn(async move {
            let _renewing = Renewing(&maker);
            work.renew(&maker, &token, &errand).await;
        });
    }
}

impl Errand {
    fn new(account: &Account, call: &AuthorizedCall<'_>) -> Self {
        Self {
            account: account.clone(),
            origin: call.origin().clone(),
        }
    }
}

impl Work {
    /// Logs in, unless another call did while this one waited at the gate. The login outlives a
    /// caller that gives up: the next one finds its token, or its back-off.
    async fn obtain(
        self: &Arc<Self>,
        slot: &Arc<Slot>,
        errand: Errand,
    ) -> Result<Arc<LoginOutcome>, LoginError> {
        let _waiting = AtLogin::of(slot);
        let mut gate = slot.gate.clone().lock_owned().await;
        let now = self.clock.now();
        if let Some(token) = slot.live(&errand.account.site, now) {
            return Ok(token);
        }
        if let Some((wait, cause)) = gate.remaining(now) {
            errand.account.watch.waits(now, wait);
            return Err(cause.waiting(wait));
        }
        let expired = slot.current.load_full();
        let (work, maker) = (self.clone(), AtLogin::of(slot));
        let login = self.threads.spawn(async move {
            work.attempt(gate, &maker, expired.as_deref(), &errand)
                .await
        });
        login.await.unwrap_or(Err(LoginError::Aborted))
    }

    /// Replaces a token whose margin has begun; a failure matters only once it has expired.
    async fn renew(&self, slot: &Slot, token: &LoginOutcome, errand: &Errand) {
        let mut gate = slot.gate.clone().lock_owned().await;
        let replaced = slot
            .current
            .load()
            .as_ref()
            .is_none_or(|now| now.generation != token.generation);
        if replaced || gate.remaining(self.clock.now()).is_some() {
            return;
        }
        // A failure is in the log already, and the present token goes on until it expires.
        let _ = self.attempt(gate, slot, Some(token), errand).await;
    }

    async fn attempt(
        &self,
        mut gate: OwnedMutexGuard<Backoff>,
        slot: &Slot,
        previous: Option<&LoginOutcome>,
        errand: &Errand,
    ) -> Result<Arc<LoginOutcome>, LoginError> {
        let is_key = errand.account.is_key();
        let result = match is_key {
            // To open a key is no login: neither a span nor a count is for it.
            true => self.log_in(previous, errand).await,
            false => self.log_in_traced(previous, errand).await,
        };
        let now = self.clock.now();
        match result {
            Ok(token) => {
                gate.succeed();
                let token = Arc::new(token);
                if !is_key {
                    errand.account.watch.logged_in(now, &token);
                }
                slot.put(Some(token.clone()));
                Ok(token)
            }
            Err(LoginError::Revoked) => Err(LoginError::Revoked),
            Err(error) => {
                let CredentialRef { id, key, .. } = &errand.account.credential;
                tracing::warn!(
                    request_id = %errand.origin.id(),
                    tenant = %key.tenant,
                    provider = %key.provider,
                    %error,
                    "login failed"
                );
                gate.fail(*id, now, &error);
                let wait = gate.remaining(now).map(|(wait, _)| wait);
                let watch = &errand.account.watch;
                let kept = slot.live(&errand.account.site, now).is_some();
                watch.failed(now, &error, wait.unwrap_or_default(), kept);
                Err(error)
            }
        }
    }

    async fn log_in_traced(
        &self,
        previous: Option<&LoginOutcome>,
        errand: &Errand,
    ) -> Result<LoginOutcome, LoginError> {
        let span = errand.origin.step(Step::Login);
        let key = &errand.account.credential.key;
        span.note(Attribute::Provider(&key.provider));
        span.note(Attribute::Environment(&key.tenant.environment));
        let result = self.log_in(previous, errand).await;
        span.note(Attribute::Outcome(outcome(&result)));
        errand.account.meters.login(outcome(&result));
        result
    }

    async fn open(&self, account: &Account) -> Result<OpenedCredential, LoginError> {
        let opened = self.source.open(&account.credential).await;
        opened.map_err(|failed| match failed {
            OpenFailed::Revoked => LoginError::Revoked,
            OpenFailed::Sealed(reason) => LoginError::Sealed(reason),
            OpenFailed::Unreadable(reason) => LoginError::Unreadable(reason),
        })
    }

    /// Refreshes where that is possible; a refused refresh is followed by a login.
    async fn log_in(
        &self,
        previous: Option<&LoginOutcome>,
        errand: &Errand,
    ) -> Result<LoginOutcome, LoginError> {
        let Errand { account, origin } = errand;
        let opened = self.open(account).await?;
        if let Some(previous) = previous.filter(|previous| previous.more.is_of(&account.site)) {
            match self
                .login
                .refresh(&account.site, &opened, previous, origin)
                .await
            {
                Some(Ok(token)) => return Ok(token),
                Some(Err(error)) if !error.is_refusal() => return Err(error),
                Some(Err(error)) => {
                    tracing::debug!(tenant = %opened.key.tenant, %error, "refresh refused");
                }
                None => {}
            }
        }
        self.login
            .log_in(&account.site, &opened, Some(origin))
            .await
    }
}

/// `ok`, or the word for what went wrong.
fn outcome<T>(result: &Result<T, LoginError>) -> &'static str {
    result.as_ref().err().map_or("ok", LoginError::code)
}
