//! A look at one credential version or key: what there is to say of it at a moment.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Found;
use crate::domain::credential::{CredentialState, CredentialVersionId};
use crate::domain::health::ProfileHealth;
use crate::domain::notice::{DueItem, Urgency};
use crate::domain::organization::{Organization, OrganizationId, OrganizationState};
use crate::domain::reminder::{ReminderPolicy, ReminderReason, Schedule, days_between};
use crate::store::{GatewayKeyRow, StoredCredential};

/// A credential without any login is spoken of after this.
const UNVERIFIED_AFTER_DAYS: u32 = 1;
/// A key that ended longer ago is history.
const ENDED_DAYS: i64 = 30;

/// Looks at credentials and keys at one moment.
pub(in crate::admin) struct Look<'a> {
    pub policy: &'a ReminderPolicy,
    pub now: Timestamp,
    pub health: HashMap<CredentialVersionId, &'a ProfileHealth>,
}

impl Look<'_> {
    /// The most urgent thing to say of an active version now.
    pub(in crate::admin) fn standing(
        &self,
        organization: &Organization,
        version: &StoredCredential,
    ) -> Urgency {
        let mut found = self.version(organization, version, true);
        found.retain(|one| one.item.reason == ReminderReason::Rotation || one.is_due_at(self.now));
        // Refused before never verified before the day.
        let first = found.into_iter().min_by_key(|one| one.item.reason);
        first.map_or(Urgency::Due, |first| first.item.urgency)
    }

    pub(super) fn version(
        &self,
        organization: &Organization,
        version: &StoredCredential,
        is_newest: bool,
    ) -> Vec<Found> {
        let active = version.state == CredentialState::Active;
        let refused = self.refused_since(version, is_newest);
        let verified = self.verified_at(version);
        let mut found = Vec::new();
        let mut add = |reason, urgency, schedule, due| {
            found.push(Found {
                item: self.version_item(organization, version, (reason, urgency), due),
                schedule: Some(schedule),
                known_since: version.entered_at,
                organization: Some(organization.id),
                served: organization.state == OrganizationState::Active,
            });
        };
        if let Some(sound_until) = refused {
            let schedule = Schedule::Lasting { sound_until };
            add(ReminderReason::Refused, Urgency::Refused, schedule, None);
        }
        if !active {
            return found;
        }
        let due = self.policy.due(version.issued_at);
        let urgency = match due <= self.now && days_between(due, self.now) > 0 {
            true => Urgency::Overdue,
            false => Urgency::Due,
        };
        let schedule = Schedule::Dated { due };
        add(ReminderReason::Rotation, urgency, schedule, Some(due));
        if verified.is_none() && refused.is_none() {
            let due = self.unverified_at(version);
            let schedule = Schedule::From { due };
            let urgency = Urgency::NeverVerified;
            add(ReminderReason::Unverified, urgency, schedule, Some(due));
        }
        found
    }

    fn unverified_at(&self, version: &StoredCredential) -> Timestamp {
        let after = ReminderPolicy {
            after_days: UNVERIFIED_AFTER_DAYS,
            ..ReminderPolicy::default()
        };
        after.due(version.entered_at)
    }

    /// The last login that succeeded, by a command or for a call.
    fn verified_at(&self, version: &StoredCredential) -> Option<Timestamp> {
        let by_call = self.health.get(&version.id);
        version
            .verified_at
            .max(by_call.and_then(|health| health.last_login_at))
    }

    /// Since when a version that is refused now was last known to be good.
    fn refused_since(&self, version: &StoredCredential, is_newest: bool) -> Option<Timestamp> {
        let verified = self.verified_at(version);
        let by_call = self.health.get(&version.id);
        let by_call = by_call.and_then(|health| health.last_failure.as_ref());
        let by_call = by_call.filter(|failure| failure.is_refusal());
        let refused = version.refused.as_ref().map(|refusal| refusal.at);
        let refused = refused.max(by_call.map(|failure| failure.at));
        let holds = match version.state {
            CredentialState::Refused => is_newest,
            CredentialState::Active => refused.is_some() && refused > verified,
            _ => false,
        };
        holds.then(|| verified.unwrap_or(version.entered_at))
    }

    fn version_item(
        &self,
        organization: &Organization,
        version: &StoredCredential,
        (reason, urgency): (ReminderReason, Urgency),
        due: Option<Timestamp>,
    ) -> DueItem {
        let place = format!(
            "--org {} --env {} --provider {}",
            organization.slug, version.environment, version.provider
        );
        let command = match reason {
            ReminderReason::Unverified => format!("locum credential test {place}"),
            _ => format!("locum credential set {place} --from-file FIELDS.toml"),
        };
        DueItem {
            id: version.id.to_string(),
            reason,
            urgency,
            organizations: vec![organization.slug.to_string()],
            environment: Some(version.environment.to_string()),
            provider: Some(version.provider.to_string()),
            version: Some(version.version),
            name: None,
            issued: version.issued_at,
            age_days: days_between(version.issued_at, self.now),
            due,
            days_left: due.map(|due| self.days_left(due)),
            entered_by: version.entered_by.clone(),
            command,
        }
    }

    /// A key, if it opens something that is known here.
    pub(super) fn key(
        &self,
        known: &HashMap<OrganizationId, &Organization>,
        key: &GatewayKeyRow,
    ) -> Option<Found> {
        let grants = key.grants.iter();
        let opened = grants.filter_map(|grant| known.get(&grant.organization).copied());
        let opened: Vec<&Organization> = opened.collect();
        let (first, whole) = (opened.first()?, opened.len() == key.grants.len());
        let ended = |end: Timestamp| end <= self.now;
        if key
            .expires_at
            .is_some_and(|end| days_between(end, self.now) > ENDED_DAYS)
        {
            return None;
        }
        let mut organizations: Vec<_> = opened.iter().map(|one| one.slug.to_string()).collect();
        organizations.sort();
        let item = DueItem {
            id: key.id.clone(),
            reason: ReminderReason::KeyExpiry,
            urgency: match key.expires_at.is_some_and(ended) {
                true => Urgency::Ended,
                false => Urgency::Ends,
            },
            organizations,
            environment: None,
            provider: None,
            version: None,
            name: Some(key.name.clone()),
            issued: key.created_at,
            age_days: days_between(key.created_at, self.now),
            due: key.expires_at,
            days_left: key.expires_at.map(|end| self.days_left(end)),
            entered_by: key.created_by.clone(),
            command: format!("locum key roll {} --grace 7d", key.id),
        };
        Some(Found {
            item,
            schedule: key.expires_at.map(|due| Schedule::Ending { due }),
            known_since: key.created_at,
            organization: (whole && opened.len() == 1).then_some(first.id),
            served: opened
                .iter()
                .any(|one| one.state == OrganizationState::Active),
        })
    }

    /// Begun days do not count ahead, nor behind.
    fn days_left(&self, due: Timestamp) -> i64 {
        match due >= self.now {
            true => days_between(self.now, due),
            false => -days_between(due, self.now),
        }
    }
}
