//! The health of credential profiles while the gateway runs: calls and errors of the last hour, the
//! last login, the last failure, the token.
//!
//! A call costs one atomic update at its own profile. Every few seconds what changed is written
//! down, for `locum status`; mere numbers less often, where there are many.

mod traffic;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use super::home::Route;
use super::turn::{Told, Turn};
use super::{Gateway, outcome};
use crate::domain::ahead;
use crate::domain::credential::{CredentialVersionId, ProfileKey};
use crate::domain::flag::Flag;
use crate::domain::health::{Heartbeat, LastFailure, ProfileHealth, VersionLogin};
use crate::domain::organization::OrganizationId;
use crate::store::StoreError;
use crate::token::LoginWatch;
pub(super) use traffic::Traffic;

/// One profile with the version that is in use.
pub struct Health {
    key: Arc<ProfileKey>,
    version: CredentialVersionId,
    traffic: Arc<Traffic>,
    pub(super) logins: Arc<LoginWatch>,
    last_failure: Mutex<Option<LastFailure>>,
    /// Something else than the numbers, or what was taken could not be written.
    changed: Flag,
    /// The numbers of the last hour that were written down: calls and errors, 32 bits each.
    written: AtomicU64,
}

/// All of them; asked when the directory is read and when they are written down.
#[derive(Default)]
pub(super) struct HealthBook(Mutex<Book>);

#[derive(Default)]
struct Book {
    profiles: HashMap<Arc<ProfileKey>, Profile>,
    /// Of versions that retire: one that comes back has its logins and its token still.
    retiring: HashMap<CredentialVersionId, Retiring>,
}

struct Profile {
    /// Whose turn it is can be told without a look at the key.
    part: usize,
    health: Arc<Health>,
}

struct Retiring {
    organization: OrganizationId,
    logins: Arc<LoginWatch>,
}

impl HealthBook {
    /// The health of a profile; with another version than before, the former one's logins are kept
    /// for as long as it is in use.
    pub(super) fn of(&self, key: &Arc<ProfileKey>, version: CredentialVersionId) -> Arc<Health> {
        let mut book = self.book();
        let former = book.profiles.get(key);
        let former = former.map(|profile| profile.health.clone());
        let health = match former {
            Some(former) if former.version == version => return former,
            Some(former) => {
                book.retire(key, former.version, former.logins.clone());
                let mut health = Health::new(key, version, book.logins_of(version));
                health.traffic = former.traffic.clone();
                health.changed.raise();
                health
            }
            None => Health::new(key, version, book.logins_of(version)),
        };
        let health = Arc::new(health);
        let profile = Profile {
            part: Turn::part(key.tenant.organization),
            health: health.clone(),
        };
        book.profiles.insert(key.clone(), profile);
        health
    }

    /// Of a version that retires: how its calls fare nobody asks.
    pub(super) fn beside(
        &self,
        key: &Arc<ProfileKey>,
        version: CredentialVersionId,
    ) -> Arc<Health> {
        let mut book = self.book();
        let logins = book.logins_of(version);
        book.retire(key, version, logins.clone());
        Arc::new(Health::new(key, version, logins))
    }

    fn take_changed(&self, now: Timestamp, turn: &Turn) -> Vec<(Arc<Health>, ProfileHealth)> {
        let book = self.book();
        let profiles = book.profiles.values();
        let due = profiles.filter_map(|it| Some((&it.health, turn.of_part(it.part)?)));
        let due: Vec<(&Arc<Health>, Told)> = due.collect();
        let taken = |(health, what): &(&Arc<Health>, Told)| {
            let row = health.take_changed(now, *what)?;
            Some(((*health).clone(), row))
        };
        let health = |(health, _): &(&Arc<Health>, Told)| ahead::piece(&***health);
        let logins = |(health, _): &(&Arc<Health>, Told)| ahead::piece(&*health.logins);
        ahead::walk(&due, [health, logins])
            .filter_map(taken)
            .collect()
    }

    /// The logins of retiring versions.
    fn take_retiring(&self, turn: &Turn) -> Vec<(Arc<LoginWatch>, VersionLogin)> {
        let book = self.book();
        let taken = |(version, retiring): (&CredentialVersionId, &Retiring)| {
            turn.of(retiring.organization)?;
            let logins = &retiring.logins;
            let at = logins
                .take_changed(false)
                .then(|| logins.seen().last_login)??;
            let login = VersionLogin {
                organization: retiring.organization,
                version: *version,
                at,
            };
            Some((logins.clone(), login))
        };
        book.retiring.iter().filter_map(taken).collect()
    }

    /// Forgets profiles that have no credential any more.
    pub(super) fn retain(&self, in_use: impl Fn(CredentialVersionId) -> bool) {
        let mut book = self.book();
        book.profiles
            .retain(|_, profile| in_use(profile.health.version));
        book.retiring.retain(|version, _| in_use(*version));
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Book {
    fn retire(&mut self, key: &ProfileKey, version: CredentialVersionId, logins: Arc<LoginWatch>) {
        let retiring = Retiring {
            organization: key.tenant.organization,
            logins,
        };
        self.retiring.insert(version, retiring);
    }

    fn logins_of(&mut self, version: CredentialVersionId) -> Arc<LoginWatch> {
        let kept = self.retiring.remove(&version);
        kept.map(|kept| kept.logins).unwrap_or_default()
    }
}

impl Health {
    fn new(key: &Arc<ProfileKey>, version: CredentialVersionId, logins: Arc<LoginWatch>) -> Self {
        Self {
            key: key.clone(),
            version,
            traffic: Arc::default(),
            logins,
            last_failure: Mutex::default(),
            changed: Flag::default(),
            written: AtomicU64::new(0),
        }
    }

    /// Where its calls are counted.
    pub(super) fn traffic(&self) -> &Arc<Traffic> {
        &self.traffic
    }

    /// A call failed like this.
    fn fail(&self, code: &str, status: Option<u16>, now: Timestamp) {
        // A login that failed has said so, in more words.
        if code.starts_with("login_") || code.starts_with("credential_") {
            return;
        }
        let cause = match status {
            Some(status) => format!("{code}: HTTP {status}"),
            None => code.to_owned(),
        };
        *self.last_failure() = Some(LastFailure { at: now, cause });
        self.changed.raise();
    }

    fn take_changed(&self, now: Timestamp, what: Told) -> Option<ProfileHealth> {
        // Both are asked, so that neither is left over.
        let changed = self.changed.take() | self.logins.take_changed(what == Told::Numbers);
        if !changed && what == Told::News && !self.seemed_to_fail() {
            return None;
        }
        let (calls, errors) = self.traffic.last_hour(now);
        let numbers = u64::from(calls) << 32 | u64::from(errors);
        let differ = self.written.swap(numbers, Ordering::AcqRel) != numbers;
        (changed || differ).then(|| self.row(calls, errors, now))
    }

    /// Whether it had errors when it was last written down: that it does better is news.
    fn seemed_to_fail(&self) -> bool {
        self.written.load(Ordering::Relaxed) as u32 > 0
    }

    fn row(&self, calls_hour: u32, errors_hour: u32, now: Timestamp) -> ProfileHealth {
        let seen = self.logins.seen();
        let of_calls = self.last_failure().clone();
        let failures = [seen.last_failure, of_calls].into_iter().flatten();
        ProfileHealth {
            organization: self.key.tenant.organization,
            environment: self.key.tenant.environment.clone(),
            provider: self.key.provider.clone(),
            version: self.version,
            last_login_at: seen.last_login,
            last_failure: failures.max_by_key(|failure| failure.at),
            token: seen.token,
            token_until: seen.until,
            calls_hour,
            errors_hour,
            written_at: now,
        }
    }

    fn last_failure(&self) -> MutexGuard<'_, Option<LastFailure>> {
        self.last_failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an outcome says that something is wrong with a credential or an upstream, rather than
/// with what a client asked for or how often.
fn is_failure(code: &str) -> bool {
    let clients_own = [
        "ok",
        outcome::REPEATED,
        "invalid_arguments",
        "upstream_refused",
        "no_credential",
        "profile_error",
    ];
    !clients_own.contains(&code) && !code.starts_with("limited_") && code != "gateway_busy"
}

impl Route {
    /// Counts a call that ended like this.
    pub(super) fn count(&self, code: &str, status: Option<u16>, now: Timestamp) {
        let failed = is_failure(code);
        self.traffic.count(now, failed);
        if failed {
            self.health.fail(code, status, now);
        }
    }
}

impl Gateway {
    /// Writes down the health of profiles that changed and whose turn it is. What cannot be
    /// written is kept for the next time.
    pub async fn save_health(&self, turn: &Turn) -> Result<(), StoreError> {
        let changed = self.health.take_changed(self.clock.now(), turn);
        let retiring = self.health.take_retiring(turn);
        if changed.is_empty() && retiring.is_empty() {
            return Ok(());
        }
        let (all, rows): (Vec<_>, Vec<_>) = changed.into_iter().unzip();
        let (watches, mut logins): (Vec<_>, Vec<_>) = retiring.into_iter().unzip();
        logins.extend(rows.iter().filter_map(VersionLogin::of));
        let written = self.write_health(&rows, &logins).await;
        if written.is_err() {
            for health in all {
                health.changed.raise();
            }
            watches.iter().for_each(|watch| watch.put_back());
        }
        written
    }

    /// How many profiles there are, of all organizations.
    pub fn profiles(&self) -> usize {
        self.health.book().profiles.len()
    }

    async fn write_health(
        &self,
        rows: &[ProfileHealth],
        logins: &[VersionLogin],
    ) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        write.put_profile_health(rows).await?;
        write.put_logins(logins).await?;
        write.commit_unnoticed().await
    }

    fn sign(&self) -> Heartbeat {
        let problem = self.configuration_problem();
        Heartbeat {
            at: self.clock.now(),
            configuration_problem: problem.map(|problem| problem.text.clone()),
        }
    }

    /// Says that this process serves now; what an earlier one left is no longer so.
    pub async fn begin_health(&self) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        write.end_profile_health().await?;
        write.set_heartbeat(Some(&self.sign())).await?;
        write.commit_unnoticed().await
    }

    /// Says that this process serves still.
    pub async fn beat(&self) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        write.set_heartbeat(Some(&self.sign())).await?;
        write.commit_unnoticed().await
    }

    /// Says that this process serves no longer.
    pub async fn end_health(&self) -> Result<(), StoreError> {
        let mut write = self.store.write().await?;
        write.end_profile_health().await?;
        write.set_heartbeat(None).await?;
        write.commit_unnoticed().await
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::organization::OrganizationSlug;
    use crate::domain::provider::ProviderName;
    use crate::domain::tenant::{Environment, Tenant};

    fn health() -> Health {
        let key = ProfileKey {
            tenant: Tenant {
                organization: OrganizationId(Uuid::from_u128(1)),
                slug: OrganizationSlug::parse("north").unwrap(),
                environment: Environment::parse("prod").unwrap(),
            },
            provider: ProviderName::parse("eka-care").unwrap(),
        };
        let version = CredentialVersionId(Uuid::from_u128(2));
        Health::new(&Arc::new(key), version, Arc::default())
    }

    #[test]
    fn numbers_wait_until_they_are_asked_for_and_a_failure_does_not() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let health = health();
        health.traffic.count(now, false);
        assert!(health.take_changed(now, Told::News).is_none());
        let row = health.take_changed(now, Told::Numbers).unwrap();
        assert_eq!((row.calls_hour, row.errors_hour), (1, 0));
        assert!(health.take_changed(now, Told::Numbers).is_none());
        health.traffic.count(now, true);
        health.fail("upstream_error", Some(500), now);
        let row = health.take_changed(now, Told::News).unwrap();
        assert_eq!((row.calls_hour, row.errors_hour), (2, 1));
        let failure = row.last_failure.unwrap();
        assert_eq!(failure.cause, "upstream_error: HTTP 500");
        assert!(health.take_changed(now, Told::Numbers).is_none());
        health.traffic.count(now, false);
        let row = health.take_changed(now, Told::News).unwrap();
        assert_eq!((row.calls_hour, row.errors_hour), (3, 1), "it does better");
        let later = now + jiff::SignedDuration::from_hours(1);
        let row = health.take_changed(later, Told::News).unwrap();
        assert_eq!((row.calls_hour, row.errors_hour), (0, 0));
        health.changed.raise();
        assert!(
            health.take_changed(later, Told::News).is_some(),
            "it was not written"
        );
    }
}
