//! A look at one credential version or key: what there is to say of it at a moment.

use std::collections::HashMap;

use jiff::Timestamp;

use super::Found;
use crate::domain::credential::{CredentialState, CredentialVersionId};
use crate::domain::health::ProfileHealth;
use crate::domain::notice::{DueItem, Urgency};
use crate::domain::organization::{Organization, OrganizationId, OrganizationState};
use crate::domain::principal::Grant;
use crate::domain::reminder::{ReminderPolicy, ReminderReason, Schedule, days_between, days_until};
use crate::store::{AdminTokenRow, GatewayKeyRow, StoredCredential};

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
    ) -> Option<Urgency> {
        let mut found = self.version(organization, version, true);
        found.retain(|one| one.item.reason == ReminderReason::Rotation || one.is_due_at(self.now));
        // Refused before never verified before the day.
        let first = found.into_iter().min_by_key(|one| one.item.reason);
        first.map(|first| first.item.urgency)
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
        let urgency = match days_until(self.now, due) < 0 {
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
            age_days: days_until(version.issued_at, self.now),
            due,
            days_left: due.map(|due| days_until(self.now, due)),
            entered_by: version.entered_by.clone(),
            command,
        }
    }

    /// A key, if it opens something that is known here.
    pub(super) fn key(
        &self,
        known: &HashMap<OrganizationId, &Organization>,
        key: &GatewayKeyRow,
        mut grants: Vec<&Grant>,
    ) -> Option<Found> {
        grants.retain(|grant| known.contains_key(&grant.organization));
        // What is known of it need not end at once: what ends first comes first.
        let due = grants.iter().filter_map(|grant| key.end_of(grant)).min();
        grants.retain(|grant| key.end_of(grant) == due);
        let opened = grants.iter();
        let opened = opened.filter_map(|grant| known.get(&grant.organization).copied());
        let opened: Vec<&Organization> = opened.collect();
        let (first, whole) = (opened.first()?, opened.len() == key.grants.len());
        let urgency = self.end(due)?;
        let mut organizations: Vec<_> = opened.iter().map(|one| one.slug.to_string()).collect();
        organizations.sort();
        let item = DueItem {
            id: key.id.clone(),
            reason: ReminderReason::KeyExpiry,
            urgency,
            organizations,
            environment: None,
            provider: None,
            version: None,
            name: Some(key.name.clone()),
            issued: key.created_at,
            age_days: days_until(key.created_at, self.now),
            due,
            days_left: due.map(|end| days_until(self.now, end)),
            entered_by: key.created_by.clone(),
            command: format!("locum key roll {} --grace 7d", key.id),
        };
        Some(Found {
            item,
            schedule: due.map(|due| Schedule::Ending { due }),
            known_since: key.created_at,
            organization: (whole && opened.len() == 1).then_some(first.id),
            served: opened
                .iter()
                .any(|one| one.state == OrganizationState::Active),
        })
    }

    /// How a key or token stands that ends at a time; `None` when that is history.
    fn end(&self, at: Option<Timestamp>) -> Option<Urgency> {
        let Some(end) = at else {
            return Some(Urgency::NeverEnds);
        };
        let is_history = days_between(end, self.now) > ENDED_DAYS;
        let urgency = match end <= self.now {
            true => Urgency::Ended,
            false => Urgency::Ends,
        };
        (!is_history).then_some(urgency)
    }

    /// A token, if it is for all organizations or for one that is known here.
    pub(super) fn token(
        &self,
        known: &HashMap<OrganizationId, &Organization>,
        token: &AdminTokenRow,
    ) -> Option<Found> {
        let urgency = self.end(token.expires_at)?;
        let organization = match token.organization {
            Some(id) => Some(*known.get(&id)?),
            None => None,
        };
        let slug = organization.map(|found| found.slug.to_string());
        let place = slug.iter().map(|slug| format!(" --org {slug}"));
        let (role, place, name) = (token.role, place.collect::<String>(), quoted(&token.name));
        let create = format!("locum admin-token create --role {role}{place}{name} --expires 90d");
        let item = DueItem {
            id: token.id.clone(),
            reason: ReminderReason::TokenExpiry,
            urgency,
            organizations: slug.into_iter().collect(),
            environment: None,
            provider: None,
            version: None,
            name: Some(token.name.clone()),
            issued: token.created_at,
            age_days: days_until(token.created_at, self.now),
            due: token.expires_at,
            days_left: token.expires_at.map(|end| days_until(self.now, end)),
            entered_by: token.created_by.clone(),
            command: format!("{create} && locum admin-token revoke {}", token.id),
        };
        Some(Found {
            item,
            schedule: token.expires_at.map(|due| Schedule::Ending { due }),
            known_since: token.created_at,
            organization: token.organization,
            served: organization.is_none_or(|one| one.state == OrganizationState::Active),
        })
    }
}

/// A name as an option that a shell takes as it is.
fn quoted(name: &str) -> String {
    match name {
        "" => String::new(),
        name => format!(" --name '{}'", name.replace('\'', r"'\''")),
    }
}
