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

use super::turn::Turn;
use crate::domain::ahead;
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
        if let Some(gate) = gates.by_tenant.get(tenant) {
            gate.set_limits(limits);
            return gate.clone();
        }
        let today = gates.today.remove(tenant).unwrap_or_default();
        if gates.today.is_empty() {
            gates.today.shrink_to_fit();
        }
        let gate = Arc::new(Gate::new(limits, today));
        gates.by_tenant.insert(tenant.clone(), gate.clone());
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

    /// What tenants whose turn it is used since the last time.
    pub(super) fn take_unsaved(&self, turn: &Turn) -> Vec<(Tenant, Usage)> {
        let gates = self.gates();
        let due = gates.by_tenant.iter();
        let due = due.filter(|(tenant, _)| turn.of(tenant.organization).is_some());
        let due: Vec<_> = due.collect();
        let mut unsaved = Vec::new();
        for (tenant, gate) in ahead::walk(&due, [|(_, gate)| gate.ahead()]) {
            let used = gate.book().take_unsaved().into_iter();
            unsaved.extend(used.map(|usage| ((*tenant).clone(), usage)));
        }
        drop(gates);
        let mut ungated = self.ungated();
        let ungated = ungated.extract_if(|(tenant, _), _| turn.of(tenant.organization).is_some());
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

impl Gate {
    fn new(limits: TenantLimits, today: Usage) -> Self {
        Self {
            slots: Slots::new(limits.concurrency),
            book: Mutex::new(Book::new(limits, today)),
        }
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
