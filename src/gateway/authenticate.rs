//! A presented key becomes a principal, or nothing.

use std::ops::Deref;
use std::sync::Arc;

use jiff::Timestamp;

use super::{Directory, Refusal};
use crate::domain::bearer_secret::{PresentedKey, SecretHash};
use crate::domain::principal::Principal;

/// A principal, and what shows that it is the one: in one piece of memory, as each call reads both.
pub(super) struct Holder {
    principal: Principal,
    /// Of its key, where it comes with one.
    hash: Option<SecretHash>,
}

impl Holder {
    pub(super) fn of_key(principal: Principal, hash: SecretHash) -> Self {
        Self {
            principal,
            hash: Some(hash),
        }
    }

    /// Somebody whom no key would prove.
    pub(super) fn without_key(principal: Principal) -> Self {
        Self {
            principal,
            hash: None,
        }
    }

    fn has(&self, presented: &PresentedKey) -> bool {
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
    presented: Option<&PresentedKey>,
    now: Timestamp,
) -> Result<Arc<Holder>, Refusal> {
    let presented = presented.ok_or(Refusal::Unauthenticated)?;
    directory
        .holder(presented.id())
        .filter(|holder| holder.has(presented))
        .filter(|holder| !holder.is_expired(now))
        .cloned()
        .ok_or(Refusal::Unauthenticated)
}
