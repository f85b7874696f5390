//! A presented key becomes a principal, or nothing.

use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;

use super::holders::SeatNumber;
use super::home::Home;
use super::{Directory, Refusal};
use crate::domain::bearer_secret::{PresentedHash, PresentedKey, SecretHash};
use crate::domain::principal::Principal;

/// A principal, and what shows that it is the one: in one piece of memory, as each call reads both.
pub(super) struct Holder {
    principal: Principal,
    /// Of its key, where it comes with one.
    hash: Option<SecretHash>,
    /// Of the only organization that it may act for, where there is one: most come for that one.
    home: Option<Arc<Home>>,
}

impl Holder {
    pub(super) fn of_key(principal: Principal, hash: SecretHash, home: Option<Arc<Home>>) -> Self {
        Self {
            principal,
            hash: Some(hash),
            home,
        }
    }

    /// Somebody whom no key would prove, for one organization.
    pub(super) fn without_key(principal: Principal, home: Arc<Home>) -> Self {
        Self {
            principal,
            hash: None,
            home: Some(home),
        }
    }

    /// The home of the only organization that it may act for, where there is one.
    pub(super) fn home(&self) -> Option<&Arc<Home>> {
        self.home.as_ref()
    }

    fn has(&self, presented: &PresentedHash) -> bool {
        let hash = self.hash.as_ref();
        hash.is_some_and(|hash| presented.matches(hash))
    }
}

impl Deref for Holder {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
    }
}

/// Unknown, revoked, wrong and expired keys look alike from outside.
pub(super) fn holder(
    directory: &Directory,
    presented: Option<&PresentedKey<'_>>,
    now: Timestamp,
) -> Result<(SeatNumber, Arc<Holder>), Refusal> {
    let presented = presented.ok_or(Refusal::Unauthenticated)?;
    let named = directory.holders().get(presented.id());
    // It is done for an id that nobody has, too.
    let hash = presented.hash();
    named
        .filter(|(_, holder)| holder.has(&hash))
        .filter(|(_, holder)| !holder.is_expired(now))
        .map(|(seat, holder)| (seat, holder.clone()))
        .ok_or(Refusal::Unauthenticated)
}
