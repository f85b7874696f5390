//! How every credential does, and what every organization used.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::{Admin, AdminError};
use crate::domain::credential::{CredentialState, CredentialVersionId};
use crate::domain::health::{LastFailure, ProfileHealth, Standing, TokenState};
use crate::domain::notice::Urgency;
use crate::domain::organization::{Organization, OrganizationSlug, OrganizationState};
use crate::domain::reminder::{ReminderReason, days_until};
use crate::domain::tenant::Environment;
use crate::domain::usage::{Day, Month};
use crate::store::StoredCredential;

/// A server that has not said for longer that it runs does not.
const SILENCE: SignedDuration = SignedDuration::from_secs(90);

/// All profiles, and whether a server keeps their health up to date.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    pub server: ServerStatus,
    pub items: Vec<ProfileStatus>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ServerStatus {
    pub running: bool,
    /// When it last said so; `null` when it was stopped.
    pub seen: Option<Timestamp>,
}

/// The credential of an organization at a provider, in one environment.
#[derive(Debug, Serialize)]
pub struct ProfileStatus {
    pub organization: OrganizationSlug,
    pub organization_state: OrganizationState,
    pub environment: Environment,
    pub provider: String,
    pub version: i64,
    pub issued: Timestamp,
    pub age_days: i64,
    pub due: Timestamp,
    pub days_left: i64,
    /// The worst thing to say of it.
    pub standing: Standing,
    /// Versions beside the active one.
    pub rotation: Vec<OtherVersion>,
    /// The last login that succeeded.
    pub last_login: Option<Timestamp>,
    pub last_failure: Option<LastFailure>,
    pub token: TokenState,
    /// Until when the token is good, or no login is tried.
    pub token_until: Option<Timestamp>,
    pub calls_hour: u32,
    pub errors_hour: u32,
    /// When the server last wrote it down; `null` before the first call.
    pub written: Option<Timestamp>,
    /// No server runs: token and traffic are what they were when it was written.
    pub stale: bool,
}

#[derive(Debug, Serialize)]
pub struct OtherVersion {
    pub version: i64,
    pub state: CredentialState,
    pub since: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ends: Option<Timestamp>,
}

/// What an organization used in a month.
#[derive(Debug, Serialize)]
pub struct OrganizationUsage {
    pub organization: OrganizationSlug,
    pub month: Month,
    pub calls: u64,
    pub requests: u64,
    pub environments: BTreeMap<String, EnvironmentUsage>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct EnvironmentUsage {
    pub calls: u64,
    pub requests: u64,
}

impl ProfileStatus {
    fn standing(&self, urgency: Option<Urgency>, horizon_days: i64) -> Standing {
        match urgency {
            Some(Urgency::Refused) => Standing::Refused,
            _ if self.days_left < 0 => Standing::Overdue,
            Some(Urgency::NeverVerified) => Standing::NeverVerified,
            _ if self.days_left <= horizon_days => Standing::Due,
            _ if self.is_failing() => Standing::Failing,
            _ => Standing::Ok,
        }
    }

    /// Whether logins fail, or at least every second call of the last hour did.
    pub fn is_failing(&self) -> bool {
        let half = self.errors_hour > 0 && self.errors_hour.saturating_mul(2) >= self.calls_hour;
        !self.stale && (half || self.token == TokenState::BackingOff)
    }
}

impl Admin {
    /// Every profile with an active credential, of one organization or of all.
    pub async fn status(
        &self,
        slug: Option<&OrganizationSlug>,
    ) -> Result<StatusReport, AdminError> {
        let now = self.now();
        let organizations = self.these_organizations(slug).await?;
        let seen = self.store.heartbeat().await?;
        let running = seen.is_some_and(|seen| now.duration_since(seen).abs() <= SILENCE);
        let health = self.store.profile_health().await?;
        let health: HashMap<_, _> = health.into_iter().map(|one| (one.version, one)).collect();
        let standings = self.standings().await?;
        let versions = self.store.living_credentials().await?;
        let known: HashMap<_, _> = organizations.iter().map(|one| (one.id, one)).collect();
        let is_active = |one: &&StoredCredential| one.state == CredentialState::Active;
        let mut items = Vec::new();
        for version in versions.iter().filter(is_active) {
            let Some(organization) = known.get(&version.organization) else {
                continue;
            };
            let mut item = self.profile(organization, version, health.get(&version.id), now);
            item.stale = !running && item.written.is_some();
            let urgency = standings.get(&version.id.to_string()).copied();
            let horizon = i64::from(self.reminders.policy.horizon_days());
            item.standing = item.standing(urgency, horizon);
            item.rotation = beside(version, &versions);
            items.push(item);
        }
        items.sort_by(|one, other| {
            let place = |item: &ProfileStatus| {
                (
                    item.organization.clone(),
                    item.environment.clone(),
                    item.provider.clone(),
                )
            };
            place(one).cmp(&place(other))
        });
        Ok(StatusReport {
            server: ServerStatus { running, seen },
            items,
        })
    }

    /// Calls and upstream requests in a month, of one organization or of all that used something.
    pub async fn usage(
        &self,
        slug: Option<&OrganizationSlug>,
        month: Option<Month>,
    ) -> Result<Vec<OrganizationUsage>, AdminError> {
        let month = month.unwrap_or_else(|| Month::of(self.now()));
        let organizations = self.these_organizations(slug).await?;
        let (from, to): (Day, Day) = month.days();
        let used = self.store.usage_between(from, to).await?;
        let mut lines = Vec::new();
        for organization in organizations {
            let of_this = used
                .iter()
                .filter(|used| used.organization == organization.id);
            let mut line = OrganizationUsage {
                organization: organization.slug,
                month,
                calls: 0,
                requests: 0,
                environments: BTreeMap::new(),
            };
            for used in of_this {
                let (calls, requests) = (used.usage.calls, used.usage.requests);
                line.calls += calls;
                line.requests += requests;
                let usage = EnvironmentUsage { calls, requests };
                line.environments
                    .insert(used.environment.to_string(), usage);
            }
            if slug.is_some() || !line.environments.is_empty() {
                lines.push(line);
            }
        }
        Ok(lines)
    }

    async fn these_organizations(
        &self,
        slug: Option<&OrganizationSlug>,
    ) -> Result<Vec<Organization>, AdminError> {
        match slug {
            Some(slug) => Ok(vec![self.organization(slug).await?]),
            None => self.organizations().await,
        }
    }

    /// The most urgent thing to say of each version of which there is something to say now.
    async fn standings(&self) -> Result<HashMap<String, Urgency>, AdminError> {
        let now = self.now();
        let mut standings = HashMap::new();
        let mut found = self.findings().await?;
        found.retain(|one| one.item.reason == ReminderReason::Rotation || one.is_due_at(now));
        // Refused before never verified before the day.
        found.sort_by_key(|found| std::cmp::Reverse(found.item.reason));
        for found in found {
            standings.insert(found.item.id, found.item.urgency);
        }
        Ok(standings)
    }

    fn profile(
        &self,
        organization: &Organization,
        version: &StoredCredential,
        health: Option<&ProfileHealth>,
        now: Timestamp,
    ) -> ProfileStatus {
        let due = self.reminders.policy.due(version.issued_at);
        let until = health.and_then(|health| health.token_until);
        let lasts = until.is_some_and(|until| until > now);
        let token = health.map(|health| health.token).filter(|_| lasts);
        let refused = version.refused.as_ref().map(|refusal| LastFailure {
            at: refusal.at,
            cause: format!("credential_refused: {}", refusal.message),
        });
        let seen = health.and_then(|health| health.last_failure.clone());
        let failures = [refused, seen].into_iter().flatten();
        ProfileStatus {
            organization: organization.slug.clone(),
            organization_state: organization.state,
            environment: version.environment.clone(),
            provider: version.provider.to_string(),
            version: version.version,
            issued: version.issued_at,
            age_days: days_until(version.issued_at, now),
            due,
            days_left: days_until(now, due),
            standing: Standing::Ok,
            rotation: Vec::new(),
            last_login: version
                .verified_at
                .max(health.and_then(|health| health.last_login_at)),
            last_failure: failures.max_by_key(|failure| failure.at),
            token: token.unwrap_or_default(),
            token_until: until.filter(|_| lasts),
            calls_hour: health.map_or(0, |health| health.calls_hour),
            errors_hour: health.map_or(0, |health| health.errors_hour),
            written: health.map(|health| health.written_at),
            stale: false,
        }
    }
}

fn beside(active: &StoredCredential, versions: &[StoredCredential]) -> Vec<OtherVersion> {
    let id: CredentialVersionId = active.id;
    let same_profile = |other: &&StoredCredential| {
        (other.organization, &other.environment, &other.provider)
            == (active.organization, &active.environment, &active.provider)
    };
    let others = versions
        .iter()
        .filter(same_profile)
        .filter(|other| other.id != id);
    let shown = |other: &StoredCredential| OtherVersion {
        version: other.version,
        state: other.state,
        since: other.state_at,
        grace_ends: other.grace_ends_at,
    };
    others.map(shown).collect()
}
