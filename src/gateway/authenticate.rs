//! A presented key becomes a principal, or nothing.

use std::sync::Arc;

use jiff::Timestamp;

use super::{Directory, Refusal};
use crate::domain::bearer_secret::PresentedKey;
use crate::domain::principal::Principal;

/// Unknown, revoked, wrong and expired keys look alike from outside.
pub(super) fn principal(
    directory: &Directory,
    presented: Option<&PresentedKey>,
    now: Timestamp,
) -> Result<Arc<Principal>, Refusal> {
    let presented = presented.ok_or(Refusal::Unauthenticated)?;
    directory
        .key(presented.id())
        .filter(|entry| presented.matches(&entry.hash))
        .filter(|entry| !entry.principal.is_expired(now))
        .map(|entry| entry.principal.clone())
        .ok_or(Refusal::Unauthenticated)
}
