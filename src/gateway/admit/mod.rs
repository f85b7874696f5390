//! Admission: whether a call may go on to its upstream, before any secret is opened.
//!
//! ```text
//! admit     limits used up? → the tenant's own slots, in order of arrival → the gateway's slots,
//!           tenants in turn → Permit
//! request   counted just before it is sent, so that no minute and no day has more than its limit
//! ```
//!
//! What a tenant uses is its own: its book and its slots are behind its own gate. The gateway's
//! slots are shared, and fairly: a tenant with a thousand calls waiting takes turns with one that
//! has a single call.

mod book;
mod slots;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use book::Book;
use slots::{Crowded, Slot, Slots};

use super::turn::{Told, Turn};
use crate::domain::ahead::{self, Spot};
use crate::domain::credential::CredentialVersionId;
use crate::domain::limits::{LimitSettings, TenantLimits};
use crate::domain::live::Live;
use crate::domain::tenant::Tenant;
use crate::domain::usage::{Day, Usage};

/// How admission behaves.
#[derive(Debug, Clone, Copy)]
pub struct AdmissionSettings {
    /// For tenants without limits of their own.
    pub defaults: TenantLimits,
    /// Calls of all tenants that may be at their upstreams at a time.
    pub upstream_concurrency: u32,
    /// A call waits for a slot no longer than this.
    pub queue_timeout: Duration,
}

/// Why a call may not go on now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limited {
    Minute {
        limit: u32,
        wait: Duration,
    },
    Day {
        limit: u32,
        wait: Duration,
    },
    /// All of the tenant's slots are taken, and stayed so.
    Tenant {
        limit: u32,
    },
    /// All of the gateway's slots are taken, and stayed so.
    Gateway,
    /// The upstream asked to wait with this credential.
    Paused {
        wait: Duration,
    },
}

/// The gates of all tenants.
pub(super) struct Admission {
    settings: Live<AdmissionSettings>,
    slots: Slots<Tenant>,
    /// Asked when the directory is read and when usage is written; never by a call.
    gates: Mutex<Gates>,
    /// Calls of tenants without a credential, who have no gate, until they are written down. No more
    /// than the organizations have environments.
    ungated: Mutex<HashMap<(Tenant, Day), u64>>,
}

struct Gates {
    by_tenant: HashMap<Tenant, Arc<Gate>>,
    /// Those of them whose day has a limit: nobody looks at thousands of others to know that they have none.
    limited_by_day: HashMap<Tenant, Arc<Gate>>,
    /// What was written down of today before this process began.
    today: HashMap<Tenant, Usage>,
}

/// One tenant's slots and its book.
pub(super) struct Gate {
    slots: Slots<()>,
    book: Mutex<Book>,
}

/// A call that was admitted; its slots are free again when this is dropped.
pub(super) struct Permit<'a> {
    gate: &'a Gate,
    _tenant: Slot<'a, ()>,
    _gateway: Slot<'a, Tenant>,
}

impl Admission {
    pub(super) fn new(settings: AdmissionSettings, today: HashMap<Tenant, Usage>) -> Self {
        Self {
            slots: Slots::new(Some(settings.upstream_concurrency)),
            settings: Live::new(settings),
            gates: Mutex::new(Gates {
                by_tenant: HashMap::new(),
                limited_by_day: HashMap::new(),
                today,
            }),
            ungated: Mutex::default(),
        }
    }

    /// Goes by other settings from now on; a tenant's gate does when it is next asked for.
    /// What held before.
    pub(super) fn set(&self, settings: AdmissionSettings) -> Arc<AdmissionSettings> {
        let former = self.settings.now();
        self.slots.resize(Some(settings.upstream_concurrency));
        self.settings.put(settings);
        former
    }

    /// The gate of a tenant, with the limits that hold from now on.
    pub(super) fn gate(&self, tenant: &Tenant, settings: LimitSettings) -> Arc<Gate> {
        let limits = settings.over(self.settings.peek().defaults);
        let mut gates = self.gates();
        let gate = gates.of(tenant, limits);
        match limits.per_day {
            Some(_) => gates.limited_by_day.insert(tenant.clone(), gate.clone()),
            None => gates.limited_by_day.remove(tenant),
        };
        gate
    }

    /// Lets a call of that tenant go on, or says why it may not.
    pub(super) async fn admit<'a>(
        &'a self,
        tenant: &Tenant,
        gate: &'a Gate,
        now: Timestamp,
    ) -> Result<Permit<'a>, Limited> {
        gate.book().allows(now)?;
        let permit = |slots| {
            let (_tenant, _gateway) = slots;
            Permit {
                gate,
                _tenant,
                _gateway,
            }
        };
        if let Some(own) = gate.slots.try_take()
            && let Some(shared) = self.slots.try_take()
        {
            return Ok(permit((own, shared)));
        }
        self.wait(tenant, gate).await.map(permit)
    }

    async fn wait<'a>(
        &'a self,
        tenant: &Tenant,
        gate: &'a Gate,
    ) -> Result<(Slot<'a, ()>, Slot<'a, Tenant>), Limited> {
        let patience = self.settings.peek().queue_timeout;
        let tenants_own = tokio::time::timeout(patience, gate.slots.take(&()));
        let own = tenants_own.await.unwrap_or(Err(Crowded));
        let own = own.map_err(|Crowded| gate.crowded())?;
        let shared = tokio::time::timeout(patience, self.slots.take(tenant));
        match shared.await.unwrap_or(Err(Crowded)) {
            Ok(shared) => Ok((own, shared)),
            Err(Crowded) => Err(Limited::Gateway),
        }
    }

    /// What tenants whose turn it is used since the last time. What no limit depends on is taken only with all
    /// other numbers.
    pub(super) fn take_unsaved(&self, turn: &Turn) -> Vec<(Tenant, Usage)> {
        let gates = self.gates();
        let is_told = |tenant: &Tenant, what| turn.of(tenant.organization) == Some(what);
        let limited = gates.limited_by_day.iter();
        let mut due: Vec<_> = limited
            .filter(|(tenant, _)| is_told(tenant, Told::News))
            .collect();
        if turn.tells(Told::Numbers) {
            let all = gates.by_tenant.iter();
            due.extend(all.filter(|(tenant, _)| is_told(tenant, Told::Numbers)));
        }
        let mut unsaved = Vec::new();
        for (tenant, gate) in ahead::walk(&due, [|(_, gate)| gate.ahead()]) {
            let used = gate.book().take_unsaved().into_iter();
            unsaved.extend(used.map(|usage| ((*tenant).clone(), usage)));
        }
        drop(gates);
        let mut ungated = self.ungated();
        let ungated = ungated.extract_if(|(tenant, _), _| is_told(tenant, Told::Numbers));
        unsaved.extend(ungated.map(|((tenant, day), calls)| {
            let usage = Usage {
                day,
                calls,
                requests: 0,
            };
            (tenant, usage)
        }));
        unsaved
    }

    /// Takes back what could not be written down.
    pub(super) fn put_back(&self, unsaved: Vec<(Tenant, Usage)>) {
        let gates = self.gates();
        for (tenant, usage) in unsaved {
            match gates.by_tenant.get(&tenant) {
                Some(gate) => gate.book().put_back(vec![usage]),
                None => self.add_ungated(tenant, usage.day, usage.calls),
            }
        }
    }

    /// Counts a call of a tenant that has no gate.
    pub(super) fn count_ungated(&self, tenant: &Tenant, now: Timestamp) {
        self.add_ungated(tenant.clone(), Day::of(now), 1);
    }

    fn add_ungated(&self, tenant: Tenant, day: Day, calls: u64) {
        let mut ungated = self.ungated();
        let counted = ungated.entry((tenant, day)).or_default();
        *counted = counted.saturating_add(calls);
    }

    fn ungated(&self) -> MutexGuard<'_, HashMap<(Tenant, Day), u64>> {
        self.ungated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn gates(&self) -> MutexGuard<'_, Gates> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gates {
    fn of(&mut self, tenant: &Tenant, limits: TenantLimits) -> Arc<Gate> {
        if let Some(gate) = self.by_tenant.get(tenant) {
            gate.set_limits(limits);
            return gate.clone();
        }
        let today = self.today.remove(tenant).unwrap_or_default();
        if self.today.is_empty() {
            self.today.shrink_to_fit();
        }
        let gate = Arc::new(Gate::new(limits, today));
        self.by_tenant.insert(tenant.clone(), gate.clone());
        gate
    }
}

impl Gate {
    fn new(limits: TenantLimits, today: Usage) -> Self {
        Self {
            slots: Slots::new(limits.concurrency),
            book: Mutex::new(Book::new(limits, today)),
        }
    }

    pub(super) fn spot(&self) -> Spot {
        Spot::of(&self.book)
    }

    /// Asks for what a call is going to need of it.
    pub(super) fn ahead(&self) {
        ahead::piece(&self.slots);
        ahead::piece(&self.book);
    }

    fn set_limits(&self, limits: TenantLimits) {
        let former = std::mem::replace(&mut self.book().limits, limits);
        if former.concurrency != limits.concurrency {
            self.slots.resize(limits.concurrency);
        }
    }

    /// Counts a call, however it will end.
    pub(super) fn count_call(&self, now: Timestamp) {
        self.book().call(now);
    }

    fn crowded(&self) -> Limited {
        let limit = self.book().limits.concurrency.unwrap_or_default();
        Limited::Tenant { limit }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit<'_> {
    /// Asks for what the end of its call needs.
    pub(super) fn ahead(&self) {
        self.gate.ahead();
    }

    /// Whether the upstream lets this credential's requests in.
    pub(super) fn check_pause(
        &self,
        id: CredentialVersionId,
        now: Timestamp,
    ) -> Result<(), Limited> {
        self.gate.book().paused(id, now)
    }

    /// Requests that the limits allow a single call.
    pub(super) fn most(&self) -> usize {
        let limits = self.gate.book().limits;
        let limits = [limits.per_minute, limits.per_day].into_iter().flatten();
        limits.min().map_or(usize::MAX, |most| most as usize)
    }

    /// Whether so many requests may be made now. They are counted as they are sent: another call may
    /// be quicker.
    pub(super) fn room_for(&self, requests: usize, now: Timestamp) -> Result<(), Limited> {
        self.gate.book().room_for(requests, now)
    }

    /// Counts a request that is sent next, or says why it may not be.
    pub(super) fn request(&self, now: Timestamp) -> Result<(), Limited> {
        self.gate.book().request(now)
    }

    /// Notes that the upstream asked to wait.
    pub(super) fn pause(&self, id: CredentialVersionId, wait: Duration, now: Timestamp) {
        self.gate.book().pause(id, wait, now);
    }
}

impl Limited {
    /// The code that clients and logs see.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Minute { .. } => "limited_per_minute",
            Self::Day { .. } => "limited_per_day",
            Self::Tenant { .. } => "limited_concurrency",
            Self::Gateway => "gateway_busy",
            Self::Paused { .. } => "upstream_rate_limited",
        }
    }

    /// How long to wait: for a slot nobody knows, so a little.
    pub(super) fn wait(&self) -> Duration {
        match self {
            Self::Minute { wait, .. } | Self::Day { wait, .. } | Self::Paused { wait } => *wait,
            Self::Tenant { .. } | Self::Gateway => Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::limits::LimitSetting;
    use crate::domain::organization::{OrganizationId, OrganizationSlug};
    use crate::domain::tenant::Environment;

    #[test]
    fn what_a_limit_depends_on_is_taken_each_time_and_the_rest_with_all_numbers() {
        let settings = AdmissionSettings {
            defaults: TenantLimits::default(),
            upstream_concurrency: 1,
            queue_timeout: Duration::ZERO,
        };
        let admission = Admission::new(settings, HashMap::new());
        let now: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let tenant = |slug: &str, number| Tenant {
            organization: OrganizationId(Uuid::from_u128(number)),
            slug: OrganizationSlug::parse(slug).unwrap(),
            environment: Environment::parse("dev").unwrap(),
        };
        let (limited, free) = (tenant("limited", 1), tenant("free", 2));
        let by_day = LimitSettings {
            per_day: LimitSetting::At(9),
            ..LimitSettings::default()
        };
        for (tenant, settings) in [(&limited, by_day), (&free, LimitSettings::default())] {
            let gate = admission.gate(tenant, settings);
            gate.count_call(now);
            assert_eq!(gate.book().request(now), Ok(()));
        }
        admission.count_ungated(&tenant("keyless", 3), now);

        let mut turn = Turn::default();
        (0..Turn::PARTS).for_each(|part| turn.tell(part, Told::News));
        let taken = |turn: &Turn| -> Vec<_> {
            let unsaved = admission.take_unsaved(turn).into_iter();
            unsaved
                .map(|(tenant, usage)| (tenant.slug.to_string(), usage.calls, usage.requests))
                .collect()
        };
        assert_eq!(taken(&turn), [("limited".to_owned(), 1, 1)]);
        let rest = [("free".to_owned(), 1, 1), ("keyless".to_owned(), 1, 0)];
        assert_eq!(taken(&Turn::of_all()), rest);
        assert!(taken(&Turn::of_all()).is_empty());
    }
}
