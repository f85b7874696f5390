//! Reminders: their channels are opened, and once a minute what is due is planned and sent.
//!
//! One run at a time, in one process: the server. Commands only look at the outbox, and test.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use super::{App, AppError, Surroundings};
use crate::admin::{Admin, AdminError, OutboxCounts, Planned, Reminders, Sendings};
use crate::config::{Loaded, SmtpTls};
use crate::domain::meter::{Counter, Gauge, Meters};
use crate::domain::notice::{DueItem, Urgency};
use crate::net::{Net, NetSettings};
use crate::notify::{self, MailSecurity, Notifier, Smtp, SmtpSettings, Webhook, WebhookSettings};

const PERIOD: Duration = Duration::from_secs(60);
/// A lasting failure is logged at its beginning and then once in ten minutes.
const REPEAT: u32 = 10;
/// A receiver has to answer within this.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(15);

/// Opens the channels that the configuration names.
pub(super) fn open(
    loaded: &Loaded,
    surroundings: &Surroundings,
    net: &NetSettings,
) -> Result<Reminders, AppError> {
    let smtp = loaded.smtp().map(|section| {
        let login = section.credentials_file.as_deref();
        let settings = SmtpSettings {
            port: section.port(),
            security: match section.tls {
                SmtpTls::StartTls => MailSecurity::StartTls,
                SmtpTls::Implicit => MailSecurity::Implicit,
                SmtpTls::None => MailSecurity::Loopback,
            },
            login: login.map(notify::read_mail_login).transpose()?,
            host: section.host,
            from: section.from,
            to: section.to,
            ca_file: section.ca_file,
            timeout: section.timeout,
        };
        Ok::<_, AppError>(Smtp::new(settings)?)
    });
    let webhooks = loaded.webhooks().into_iter().map(|section| {
        let own = NetSettings {
            request_timeout: WEBHOOK_TIMEOUT,
            destinations: loaded.webhook_destinations(&section.url),
            ..net.clone()
        };
        let settings = WebhookSettings {
            secret: notify::read_webhook_secret(&section.secret_file)?,
            name: section.name,
            url: section.url,
        };
        let net = Net::new(own, surroundings.resolver.clone())?;
        Ok::<_, AppError>(Webhook::new(settings, net))
    });
    let webhooks = webhooks.collect::<Result<Vec<_>, _>>()?;
    Ok(Reminders {
        policy: loaded.reminder_policy(),
        notifier: Notifier::new(smtp.transpose()?, webhooks),
    })
}

/// Plans and sends.
pub(super) struct Sender {
    admin: Admin,
    planned: Mutex<Option<Planned>>,
}

impl Sender {
    pub(super) fn new(admin: Admin) -> Self {
        Self {
            admin,
            planned: Mutex::new(None),
        }
    }

    async fn run(&self) -> Result<Sendings, AdminError> {
        let mut planned = self.planned.lock().await;
        *planned = Some(self.admin.plan_reminders(*planned).await?);
        self.admin.send_reminders().await
    }
}

impl App {
    /// Brings the outbox of reminders up to date and sends what is pending, as a running server
    /// does once a minute.
    pub async fn remind(&self) -> Result<Sendings, AdminError> {
        self.sender.run().await
    }
}

/// Reminds until `stop` turns true.
pub(super) async fn keep(
    sender: Arc<Sender>,
    meters: ReminderMeters,
    mut stop: watch::Receiver<bool>,
) {
    let mut failures: u32 = 0;
    loop {
        let run = async {
            meters.count(&sender.run().await?);
            let due = sender.admin.rotation_due(Some(Duration::MAX), None).await?;
            let outbox = sender.admin.count_reminders().await?;
            meters.take(&due, outbox);
            Ok::<_, AdminError>(())
        };
        // Stopped in the middle, a message may be sent once more by the next server.
        let result = tokio::select! {
            result = run => result,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match result {
            Ok(()) => failures = 0,
            Err(error) => {
                if failures.is_multiple_of(REPEAT) {
                    tracing::error!(%error, "reminders cannot be looked after; it is tried again");
                }
                failures = failures.wrapping_add(1);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(PERIOD) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

/// What is due, and what became of reminders.
pub(super) struct ReminderMeters {
    sites: BTreeMap<(String, String), SiteMeters>,
    results: BTreeMap<&'static str, [Counter; 3]>,
    pending: Gauge,
    dead: Gauge,
}

struct SiteMeters {
    next_due_days: Gauge,
    standings: [(Urgency, Gauge); 4],
    /// What is due later is not due yet.
    horizon_days: i64,
}

/// Labels of channels: webhooks are one.
const CHANNELS: [&str; 3] = ["log", "smtp", "webhook"];

impl ReminderMeters {
    pub(super) fn new(meters: &Meters, app: &App) -> Self {
        let horizon_days = i64::from(app.loaded.reminder_policy().horizon_days());
        let providers = app.catalog.providers();
        let sites = providers.flat_map(|provider| {
            let name = provider.name.as_str();
            provider.environments.keys().map(move |environment| {
                let labels = [("provider", name), ("environment", environment.as_str())];
                let key = (name.to_owned(), environment.to_string());
                (key, SiteMeters::new(meters, labels, horizon_days))
            })
        });
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
        Self {
            sites: sites.collect(),
            results: results.into_iter().collect(),
            pending: outbox("pending"),
            dead: outbox("dead"),
        }
    }

    fn count(&self, sendings: &Sendings) {
        for (channel, sending) in &sendings.by_channel {
            let kind = channel.split(':').next().unwrap_or(channel);
            if let Some([sent, failed, dead]) = self.results.get(kind) {
                sent.add(sending.sent);
                failed.add(sending.failed);
                dead.add(sending.dead);
            }
        }
    }

    fn take(&self, due: &[DueItem], outbox: OutboxCounts) {
        self.pending.set(outbox.pending);
        self.dead.set(outbox.dead);
        let place = |item: &DueItem| Some((item.provider.clone()?, item.environment.clone()?));
        for (site, meters) in &self.sites {
            let here = due.iter().filter(|item| place(item).as_ref() == Some(site));
            meters.take(&here.collect::<Vec<_>>());
        }
    }
}

impl SiteMeters {
    fn new(meters: &Meters, labels: [(&'static str, &str); 2], horizon_days: i64) -> Self {
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

    fn take(&self, here: &[&DueItem]) {
        let dated = |item: &&&DueItem| matches!(item.urgency, Urgency::Due | Urgency::Overdue);
        let days = here.iter().filter(dated).filter_map(|item| item.days_left);
        self.next_due_days.set(days.min().unwrap_or(0));
        for (urgency, gauge) in &self.standings {
            let left = |item: &&&DueItem| item.days_left.unwrap_or(0);
            let is_now = |item: &&&DueItem| match urgency {
                // It was entered within the last day.
                Urgency::NeverVerified => item.age_days > 0 || left(item) < 0,
                _ => left(item) <= self.horizon_days,
            };
            let of = here.iter().filter(|item| item.urgency == *urgency);
            let count = of.filter(is_now).count();
            gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}
