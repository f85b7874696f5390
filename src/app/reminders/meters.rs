//! What is due, and what became of reminders, as `/metrics` has it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jiff::Timestamp;

use crate::admin::{OutboxCounts, Sending};
use crate::app::App;
use crate::catalog::Catalog;
use crate::domain::live::Live;
use crate::domain::meter::{Counter, Gauge, Meters};
use crate::domain::notice::{DueItem, Urgency};
use crate::domain::reminder::ReminderReason;

/// What is due, and what became of reminders.
pub(in crate::app) struct ReminderMeters {
    sites: Mutex<BTreeMap<Site, SiteMeters>>,
    catalog: Live<Catalog>,
    meters: Meters,
    results: BTreeMap<&'static str, [Counter; 3]>,
    /// Keys and tokens that end: by reason, and how they stand.
    ending: Vec<(ReminderReason, Urgency, Gauge)>,
    horizon_days: i64,
    pending: Gauge,
    dead: Gauge,
}

/// Provider and environment.
type Site = (String, String);

struct SiteMeters {
    next_due_days: Gauge,
    standings: [(Urgency, Gauge); 4],
    /// What is due later is not due yet.
    horizon_days: i64,
}

/// Labels of channels: webhooks are one.
const CHANNELS: [&str; 3] = ["log", "smtp", "webhook"];

impl ReminderMeters {
    pub(in crate::app) fn new(meters: &Meters, app: &App) -> Self {
        let horizon_days = i64::from(app.loaded.reminder_policy().horizon_days());
        let results = CHANNELS.map(|channel| {
            let counter = |result| {
                let help = "Attempts to send reminders; dead ones were given up";
                let labels = [("channel", channel), ("result", result)];
                meters.counter("locum_reminders_total", help, &labels)
            };
            (channel, ["sent", "failed", "dead"].map(counter))
        });
        let outbox = |state| {
            let help = "Reminders that wait to be sent, and those that were given up";
            meters.gauge("locum_reminders_outbox", help, &[("state", state)])
        };
        let ending =
            |(reason, kind)| {
                [(Urgency::Ends, "ends"), (Urgency::Ended, "ended")].map(|(urgency, word)| {
                let help = "Gateway keys and admin tokens that are about to end, and those that \
                            ended within 30 days and were neither replaced nor revoked";
                let labels = [("kind", kind), ("standing", word)];
                (reason, urgency, meters.gauge("locum_keys_ending", help, &labels))
            })
            };
        let kinds = [
            (ReminderReason::KeyExpiry, "gateway_key"),
            (ReminderReason::TokenExpiry, "admin_token"),
        ];
        Self {
            sites: Mutex::default(),
            catalog: app.catalog.clone(),
            meters: meters.clone(),
            ending: kinds.into_iter().flat_map(ending).collect(),
            horizon_days,
            results: results.into_iter().collect(),
            pending: outbox("pending"),
            dead: outbox("dead"),
        }
    }

    pub(super) fn count(&self, channel: &str, sending: Sending) {
        let kind = channel.split(':').next().unwrap_or(channel);
        if let Some([sent, failed, dead]) = self.results.get(kind) {
            sent.add(sending.sent);
            failed.add(sending.failed);
            dead.add(sending.dead);
        }
    }

    pub(super) fn outbox(&self, outbox: OutboxCounts) {
        self.pending.set(outbox.pending);
        self.dead.set(outbox.dead);
    }

    pub(super) fn due(&self, due: &[DueItem], now: Timestamp) {
        for (reason, urgency, gauge) in &self.ending {
            let is_such = |item: &&DueItem| {
                let near = item.days_left.is_some_and(|days| days <= self.horizon_days);
                item.reason == *reason && item.urgency == *urgency && near
            };
            let count = due.iter().filter(is_such).count();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let mut here: BTreeMap<(&str, &str), Vec<&DueItem>> = BTreeMap::new();
        for item in due {
            if let (Some(provider), Some(environment)) = (&item.provider, &item.environment) {
                here.entry((provider, environment)).or_default().push(item);
            }
        }
        let mut sites = self.sites.lock().unwrap_or_else(PoisonError::into_inner);
        for site in self.described() {
            let meters = || SiteMeters::new(&self.meters, &site, self.horizon_days);
            sites.entry(site.clone()).or_insert_with(meters);
        }
        for ((provider, environment), meters) in &*sites {
            let here = here.get(&(provider.as_str(), environment.as_str()));
            meters.take(here.map_or(&[], Vec::as_slice), now);
        }
    }
}

impl ReminderMeters {
    /// Which catalog says now where credentials can be.
    pub(super) fn catalog(&self) -> Weak<Catalog> {
        Arc::downgrade(&self.catalog.now())
    }

    /// Where credentials can be now: a reload may have brought others.
    fn described(&self) -> Vec<Site> {
        let catalog = self.catalog.now();
        let sites = catalog.providers().flat_map(|provider| {
            let environments = provider.environments.keys();
            environments.map(|name| (provider.name.to_string(), name.to_string()))
        });
        sites.collect()
    }
}

impl SiteMeters {
    fn new(meters: &Meters, (provider, environment): &Site, horizon_days: i64) -> Self {
        let labels = [
            ("provider", provider.as_str()),
            ("environment", environment.as_str()),
        ];
        let [provider, environment] = labels;
        let standing = |(urgency, word)| {
            let help = "Credentials that somebody has to look after, by what is wrong";
            let labels = [provider, environment, ("standing", word)];
            (
                urgency,
                meters.gauge("locum_credentials_due", help, &labels),
            )
        };
        let standings = [
            (Urgency::Due, "due"),
            (Urgency::Overdue, "overdue"),
            (Urgency::NeverVerified, "unverified"),
            (Urgency::Refused, "refused"),
        ];
        Self {
            next_due_days: meters.gauge(
                "locum_credential_next_due_days",
                "Days until the next credential is due, below zero when it is overdue; \
                 0 where there is none",
                &labels,
            ),
            standings: standings.map(standing),
            horizon_days,
        }
    }

    fn take(&self, here: &[&DueItem], now: Timestamp) {
        let dated = |item: &&&DueItem| matches!(item.urgency, Urgency::Due | Urgency::Overdue);
        let days = here.iter().filter(dated).filter_map(|item| item.days_left);
        self.next_due_days.set(days.min().unwrap_or(0));
        for (urgency, gauge) in &self.standings {
            let left = |item: &&&DueItem| item.days_left.unwrap_or(0);
            let is_now = |item: &&&DueItem| match urgency {
                // Before that it was entered within the last day.
                Urgency::NeverVerified => item.due.is_some_and(|due| due <= now),
                _ => left(item) <= self.horizon_days,
            };
            let of = here.iter().filter(|item| item.urgency == *urgency);
            let count = of.filter(is_now).count();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
