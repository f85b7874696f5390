//! What has to be done about credentials, keys and tokens: what is due, overdue, never verified, refused,
//! and about to end.

mod calendar;
mod look;

use std::collections::{HashMap, HashSet};
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;

pub(super) use look::Look;

use super::{Admin, AdminError};
use crate::domain::actor::Right;
use crate::domain::credential::CredentialVersionId;
use crate::domain::notice::{DueItem, Urgency};
use crate::domain::organization::OrganizationId;
use crate::domain::reminder::{ReminderReason, Schedule, Subject, days_until};
use crate::store::StoredCredential;

/// A due item, and what the outbox has to know of it.
pub(super) struct Found {
    pub item: DueItem,
    /// `None` for a key or token that never ends: nobody is reminded of it.
    pub schedule: Option<Schedule>,
    pub known_since: Timestamp,
    /// The one organization that it belongs to.
    pub organization: Option<OrganizationId>,
    /// Whether any organization that it is for is served.
    pub served: bool,
}

impl Found {
    pub(super) fn subject(&self) -> Option<Subject> {
        Some(Subject {
            id: self.item.id.clone(),
            reason: self.item.reason,
            schedule: self.schedule?,
            known_since: self.known_since,
        })
    }

    pub(super) fn is_due_at(&self, then: Timestamp) -> bool {
        match self.schedule {
            Some(Schedule::Lasting { .. }) => true,
            _ => self.item.due.is_some_and(|due| due <= then),
        }
    }

    /// Whether its day is that of a time, or before.
    fn is_due_on(&self, then: Timestamp) -> bool {
        let comes = |due| days_until(then, due) <= 0;
        self.is_due_at(then) || self.item.due.is_some_and(comes)
    }

    /// Whether somebody entered it, or a token is theirs.
    fn is_of(&self, who: &str) -> bool {
        let item = &self.item;
        let is_theirs = item.reason == ReminderReason::TokenExpiry;
        item.entered_by == who || (is_theirs && item.name.as_deref() == Some(who))
    }
}

impl Admin {
    /// What has to be done within a time, most urgent first, in the organizations that the actor
    /// knows of. `set_by` asks for everything that somebody entered or has, however far its day is.
    pub async fn rotation_due(
        &self,
        within: Option<Duration>,
        set_by: Option<&str>,
    ) -> Result<Vec<DueItem>, AdminError> {
        let now = self.now();
        let horizon = u64::from(self.reminders.policy.horizon_days()) * 86_400;
        let within = match (within, set_by) {
            (Some(within), _) => Some(within),
            (None, None) => Some(Duration::from_secs(horizon)),
            (None, Some(_)) => None,
        };
        let then = within.map(|within| now.checked_add(within).unwrap_or(Timestamp::MAX));
        let mut found = self.findings().await?;
        found.retain(|found| then.is_none_or(|then| found.is_due_on(then)));
        found.retain(|found| set_by.is_none_or(|who| found.is_of(who)));
        if then.is_none() {
            // Of a credential that is all right, its day alone.
            found.retain(|one| one.item.urgency != Urgency::NeverVerified || one.is_due_at(now));
        }
        let mut items: Vec<DueItem> = found.into_iter().map(|found| found.item).collect();
        items.sort_by_cached_key(|item| {
            // A refusal comes first, and a key that never ends last.
            let first = item.reason != ReminderReason::Refused;
            let due = item.due.unwrap_or(Timestamp::MAX);
            let place = (item.organizations.clone(), item.environment.clone());
            (first, due, place, item.reason)
        });
        Ok(items)
    }

    /// Everything that is or will be due in the organizations that the actor knows of.
    pub(super) async fn findings(&self) -> Result<Vec<Found>, AdminError> {
        let now = self.now();
        let organizations = self.organizations().await?;
        let known: HashMap<_, _> = organizations
            .iter()
            .map(|found| (found.id, found))
            .collect();
        let health = self.store.profile_health().await?;
        let health: HashMap<_, _> = health.iter().map(|one| (one.version, one)).collect();
        let versions = self.store.living_credentials().await?;
        let newest = newest_in_question(&versions);
        let look = Look {
            policy: &self.reminders.policy,
            now,
            health,
        };
        let mut found = Vec::new();
        for (index, version) in versions.iter().enumerate() {
            let_others(index).await;
            if let Some(organization) = known.get(&version.organization) {
                let is_newest = newest.contains(&version.id);
                found.extend(look.version(organization, version, is_newest));
            }
        }
        let keys = self.store.gateway_keys().await?;
        let living = || keys.iter().filter(|key| key.revoked_at.is_none());
        let replaced: HashSet<_> = living()
            .filter_map(|key| Some((key, key.replaces.as_ref()?)))
            .flat_map(|(key, former)| key.unrevoked().map(move |it| (former, it.organization)))
            .collect();
        for (index, key) in living().enumerate() {
            let_others(index).await;
            let grants = key.unrevoked();
            let grants = grants.filter(|it| !replaced.contains(&(&key.id, it.organization)));
            found.extend(look.key(&known, key, grants.collect()));
        }
        // Who administers is for owners to know.
        if self.actor.may(Right::Own, None) {
            let tokens = self.store.admin_tokens_after(None, usize::MAX).await?;
            let living = tokens.iter().filter(|token| token.revoked_at.is_none());
            found.extend(living.filter_map(|token| look.token(&known, token)));
        }
        Ok(found)
    }
}

/// Calls are not to wait until thousands have been looked at.
async fn let_others(index: usize) {
    let mut is_over = index % 200 != 199;
    poll_fn(|context| match std::mem::replace(&mut is_over, true) {
        true => Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

/// The highest version of each profile: a refusal of an older one is settled.
fn newest_in_question(versions: &[StoredCredential]) -> HashSet<CredentialVersionId> {
    let mut newest: Vec<&StoredCredential> = versions.iter().collect();
    let profile = |one: &StoredCredential| {
        (
            one.organization,
            one.environment.clone(),
            one.provider.clone(),
        )
    };
    newest.dedup_by(|later, earlier| profile(later) == profile(earlier));
    newest.into_iter().map(|version| version.id).collect()
}
