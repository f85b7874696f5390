//! The automatic return: when the login endpoint, or the provider a key, refuses the active version
//! while the one before it still works, the two change places, on record and with an alert in the log.
//!
//! Only a refusal counts, never an endpoint that is down or asks to wait. A refused version is not
//! active any more, so a return happens once per version; where nothing came of it, the next attempt
//! waits. Who meets a return that is under way waits for it, and for nobody else's.

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use super::Gateway;
use super::home::Route;
use crate::credentials::Lives;
use crate::domain::actor::Actor;
use crate::domain::audit::AuditEvent;
use crate::domain::call::AuthorizedCall;
use crate::domain::credential::CredentialVersionId;
use crate::store::StoreError;
use crate::token::{Account, LoginError};

/// After an attempt that came to nothing.
const PAUSE: SignedDuration = SignedDuration::from_secs(5);

/// The retiring version behind an active one.
pub(super) struct WayBack {
    account: Account,
    grace_ends: Timestamp,
    /// One attempt at a time; when the last one came to nothing.
    failed_at: Mutex<Option<Timestamp>>,
}

impl WayBack {
    pub(super) fn new(account: Account, grace_ends: Timestamp) -> Self {
        Self {
            account,
            grace_ends,
            failed_at: Mutex::new(None),
        }
    }

    fn is_open(&self, failed_at: Option<Timestamp>, now: Timestamp) -> bool {
        // A clock that was set back ends the pause.
        let pausing = failed_at.is_some_and(|at| at <= now && now.duration_since(at) < PAUSE);
        now < self.grace_ends && !pausing
    }
}

impl Gateway {
    /// The version of a route was refused. Whether another one is active now, by a
    /// return or otherwise.
    pub(super) async fn turn_back(
        &self,
        call: &AuthorizedCall<'_>,
        route: &Route,
        refused: &LoginError,
    ) -> bool {
        let Some(way_back) = &route.way_back else {
            return self.was_replaced(call, route);
        };
        let mut failed_at = way_back.failed_at.lock().await;
        if self.was_replaced(call, route) {
            return true;
        }
        let now = self.clock.now();
        if !way_back.is_open(*failed_at, now) {
            return false;
        }
        *failed_at = Some(now);
        // Who refuses both has nothing against this one.
        let (former, present) = (&way_back.account, &route.account);
        if !self.tokens.is_way_back(call, former, present).await {
            return false;
        }
        if let Err(error) = self.change_places(route, way_back, refused).await {
            tracing::error!(tenant = %call.tenant(), %error, "no return to the former credential");
            return false;
        }
        self.catch_up().await;
        self.was_replaced(call, route)
    }

    /// Whether another version is active by now than the one of a route.
    fn was_replaced(&self, call: &AuthorizedCall<'_>, route: &Route) -> bool {
        let directory = self.directory.load();
        directory.place(call.tenant()).is_some_and(|place| {
            let active = place.route(&call.tool().provider);
            active.is_some_and(|active| active.account.credential.id != route.account.credential.id)
        })
    }

    /// Makes the change and its record durable together, unless things have changed otherwise.
    async fn change_places(
        &self,
        route: &Route,
        way_back: &WayBack,
        refused: &LoginError,
    ) -> Result<(), StoreError> {
        let active = &route.account.credential;
        let former = way_back.account.credential.id;
        let words = refused.refusal().unwrap_or_default();
        let now = self.clock.now();
        let mut write = self.store.write().await?;
        let mut lives = Lives::of(&mut write, &active.key, now).await?;
        if !lives.turn_back(active.id, former, &words).await? {
            return Ok(());
        }
        let event = record(route, former, now);
        self.audit.append(&mut write, event).await?;
        write.commit().await?;
        tracing::error!(
            alert = "credential_refused",
            tenant = %active.key.tenant,
            provider = %active.key.provider,
            refused = %active.id,
            active = %former,
            words,
            "the provider refuses the new credential; calls go on with the former one"
        );
        Ok(())
    }
}

fn record(route: &Route, former: CredentialVersionId, now: Timestamp) -> AuditEvent {
    let refused = &route.account.credential;
    AuditEvent::new(now, Actor::Locum.to_string(), "credential.return")
        .of_tenant(&refused.key.tenant)
        .of_provider(&refused.key.provider)
        .of_version(former)
        .on(format!("refused {}", refused.id))
}
