//! What has to be done about credentials, keys and tokens: what is due, overdue, never verified, refused,
//! and about to end.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use jiff::Timestamp;

use super::{Admin, AdminError};
use crate::domain::actor::Right;
use crate::domain::calendar::{self, CalendarEvent};
use crate::domain::credential::{CredentialState, CredentialVersionId};
use crate::domain::health::ProfileHealth;
use crate::domain::notice::{DueItem, Urgency};
use crate::domain::organization::{Organization, OrganizationId, OrganizationState};
use crate::domain::reminder::{
    ReminderPolicy, ReminderReason, Schedule, Subject, days_between, days_until,
};
use crate::store::{AdminTokenRow, GatewayKeyRow, StoredCredential};

/// A credential without any login is spoken of after this.
const UNVERIFIED_AFTER_DAYS: u32 = 1;
/// A key that ended longer ago is history.
const ENDED_DAYS: i64 = 30;

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

    /// A calendar (RFC 5545) with the day of each credential, key and token.
    pub async fn calendar(&self) -> Result<String, AdminError> {
        let found = self.findings().await?;
        let dated = |reason| {
            use ReminderReason::{KeyExpiry, Rotation, TokenExpiry};
            matches!(reason, Rotation | KeyExpiry | TokenExpiry)
        };
        let events = found.iter().filter(|found| dated(found.item.reason));
        let events: Vec<CalendarEvent> = events.filter_map(event).collect();
        Ok(calendar::write(&events))
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
        for version in &versions {
            if let Some(organization) = known.get(&version.organization) {
                let is_newest = newest.contains(&version.id);
                found.extend(look.version(organization, version, is_newest));
            }
        }
        let keys = self.store.gateway_keys().await?;
        let living = || keys.iter().filter(|key| key.revoked_at.is_none());
        let replaced: HashSet<_> = living().filter_map(|key| key.replaces.as_ref()).collect();
        for key in living().filter(|key| !replaced.contains(&key.id)) {
            found.extend(look.key(&known, key));
        }
        // Who administers is for owners to know.
        if self.actor.may(Right::Own, None) {
            let tokens = self.store.admin_tokens().await?;
            let living = tokens.iter().filter(|token| token.revoked_at.is_none());
            found.extend(living.filter_map(|token| look.token(&known, token)));
        }
        Ok(found)
    }
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

/// Looks at credentials and keys at one moment.
struct Look<'a> {
    policy: &'a ReminderPolicy,
    now: Timestamp,
    health: HashMap<CredentialVersionId, &'a ProfileHealth>,
}

impl Look<'_> {
    fn version(
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
    fn key(
        &self,
        known: &HashMap<OrganizationId, &Organization>,
        key: &GatewayKeyRow,
    ) -> Option<Found> {
        let grants = key.grants.iter();
        let opened = grants.filter_map(|grant| known.get(&grant.organization).copied());
        let opened: Vec<&Organization> = opened.collect();
        let (first, whole) = (opened.first()?, opened.len() == key.grants.len());
        let urgency = self.end(key.expires_at)?;
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
            due: key.expires_at,
            days_left: key.expires_at.map(|end| days_until(self.now, end)),
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
    fn token(
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

fn event(found: &Found) -> Option<CalendarEvent> {
    let item = &found.item;
    let whose = item.organizations.join(", ");
    let summary = match (&item.provider, &item.environment) {
        (Some(provider), Some(environment)) => {
            format!("Rotate the {provider} credential of {whose} ({environment})")
        }
        _ if whose.is_empty() => format!("{} ends", item.what()),
        _ => format!("{} of {whose} ends", item.what()),
    };
    Some(CalendarEvent {
        uid: format!("{}-{}@locum", item.id, item.reason),
        stamp: found.known_since,
        day: item.due?,
        summary,
        description: format!("Entered by {}.\n{}", item.entered_by, item.command),
    })
}
