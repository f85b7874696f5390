//! How every credential does, and what every organization used.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::due::Look;
use super::{Admin, AdminError};
use crate::domain::credential::{CredentialState, CredentialVersionId};
use crate::domain::health::{LastFailure, ProfileHealth, Standing, TokenState};
use crate::domain::notice::Urgency;
use crate::domain::organization::{Organization, OrganizationSlug, OrganizationState};
use crate::domain::page::AfterProfile;
use crate::domain::provider::ProviderName;
use crate::domain::reminder::days_until;
use crate::domain::tenant::Environment;
use crate::domain::usage::Month;
use crate::store::{StoredCredential, StoredUsage};

/// A server that has not said for longer that it runs does not.
const SILENCE: SignedDuration = SignedDuration::from_secs(90);

/// All profiles, and whether a server keeps their health up to date.
#[derive(Debug, Serialize)]
pub struct StatusReport {
    pub server: ServerStatus,
    pub items: Vec<ProfileStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ServerStatus {
    pub running: bool,
    /// When it last said so; `null` when it was stopped.
    pub seen: Option<Timestamp>,
    /// Why it does not serve by the profiles and the configuration that are there now; `null` when
    /// it does.
    pub configuration_problem: Option<String>,
}

/// The credential of an organization at a provider, in one environment.
#[derive(Debug, Serialize)]
pub struct ProfileStatus {
    pub organization: OrganizationSlug,
    pub organization_state: OrganizationState,
    pub environment: Environment,
    pub provider: ProviderName,
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

impl OrganizationUsage {
    fn add(&mut self, used: &StoredUsage) {
        let (calls, requests) = (used.usage.calls, used.usage.requests);
        self.calls += calls;
        self.requests += requests;
        let usage = EnvironmentUsage { calls, requests };
        self.environments
            .insert(used.environment.to_string(), usage);
    }
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
        self.status_after(slug, None, usize::MAX).await
    }

    /// Up to `limit` of them that come after one, by organization, environment and provider.
    pub async fn status_after(
        &self,
        slug: Option<&OrganizationSlug>,
        after: Option<&AfterProfile>,
        limit: usize,
    ) -> Result<StatusReport, AdminError> {
        let now = self.now();
        let only = self.scope_of(slug).await?;
        let server = self.server_status(now).await?;
        let running = server.running;
        let page = self.store.active_credentials_after(after, only, limit);
        let page = page.await?;
        let ids = || page.iter().map(|version| version.organization);
        let organizations = self.store.organizations_with(ids()).await?;
        let known: HashMap<_, _> = organizations.iter().map(|one| (one.id, one)).collect();
        let versions = self.store.living_credentials_of(ids()).await?;
        let health = self.store.profile_health_of(ids()).await?;
        let look = Look {
            policy: &self.reminders.policy,
            now,
            health: health.iter().map(|one| (one.version, one)).collect(),
        };
        let mut items = Vec::new();
        for version in &page {
            // Deleted this very moment.
            let Some(organization) = known.get(&version.organization) else {
                continue;
            };
            let health = look.health.get(&version.id).copied();
            let mut item = self.profile(organization, version, health, now);
            let urgency = look.standing(organization, version);
            item.stale = !running && item.written.is_some();
            let horizon = i64::from(self.reminders.policy.horizon_days());
            item.standing = item.standing(urgency, horizon);
            item.rotation = beside(version, &versions);
            items.push(item);
        }
        Ok(StatusReport { server, items })
    }

    async fn server_status(&self, now: Timestamp) -> Result<ServerStatus, AdminError> {
        let sign = self.store.heartbeat().await?;
        let seen = sign.as_ref().map(|sign| sign.at);
        // What files say is nothing of one organization's.
        let whole = self.actor.scope().is_none();
        let problem = sign.and_then(|sign| sign.configuration_problem);
        Ok(ServerStatus {
            running: seen.is_some_and(|seen| now.duration_since(seen).abs() <= SILENCE),
            seen,
            configuration_problem: problem.filter(|_| whole),
        })
    }

    /// Calls and upstream requests in a month, of one organization or of all that used something.
    pub async fn usage(
        &self,
        slug: Option<&OrganizationSlug>,
        month: Option<Month>,
    ) -> Result<Vec<OrganizationUsage>, AdminError> {
        self.usage_after(slug, month, None, usize::MAX).await
    }

    /// Up to `limit` of them that come after one, by organization.
    pub async fn usage_after(
        &self,
        slug: Option<&OrganizationSlug>,
        month: Option<Month>,
        after: Option<&OrganizationSlug>,
        limit: usize,
    ) -> Result<Vec<OrganizationUsage>, AdminError> {
        let month = month.unwrap_or_else(|| Month::of(self.now()));
        let (days, only) = (month.days(), self.actor.scope());
        let organizations = match slug {
            // One that is asked for by name has a line, also when it used nothing.
            Some(slug) => vec![self.organization(slug).await?],
            None => {
                let some = self
                    .store
                    .organizations_used_after(after, only, days, limit);
                some.await?
            }
        };
        let ids = organizations.iter().map(|found| found.id);
        let used = self.store.usage_of(ids, days).await?;
        let line = |organization: Organization| {
            let of_this = |used: &&StoredUsage| used.organization == organization.id;
            let mut line = OrganizationUsage {
                month,
                calls: 0,
                requests: 0,
                environments: BTreeMap::new(),
                organization: organization.slug.clone(),
            };
            for used in used.iter().filter(of_this) {
                line.add(used);
            }
            line
        };
        Ok(organizations.into_iter().map(line).collect())
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
            provider: version.provider.clone(),
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
