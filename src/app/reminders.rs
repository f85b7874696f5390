//! Reminders: their channels are opened, and once a minute what is due is planned and sent.
//!
//! One run at a time, in one process: the server. Commands only look at the outbox, and test.

mod meters;

use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, watch};

pub(super) use meters::ReminderMeters;

use super::{App, AppError, Surroundings};
use crate::admin::{Admin, AdminError, Planned, Reminders, Seen, Sendings};
use crate::catalog::Catalog;
use crate::config::{Loaded, SmtpTls};
use crate::net::{Net, NetSettings};
use crate::notify::{self, MailSecurity, Notifier, Smtp, SmtpSettings, Webhook, WebhookSettings};

const PERIOD: Duration = Duration::from_secs(60);
/// What is due is counted when something changed, and after this because days go by: of thousands of
/// organizations it takes a while.
const COUNT_AFTER: SignedDuration = SignedDuration::from_mins(10);
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
    let mounted = |path: &Path| {
        let by_systemd = surroundings.credentials_directory.as_deref();
        loaded.config.reminders.mounted_secrets || by_systemd.is_some_and(|at| path.starts_with(at))
    };
    let smtp = loaded.smtp().map(|section| {
        let login = section.credentials_file.as_deref();
        let login = login.map(|path| notify::read_mail_login(path, mounted(path)));
        let settings = SmtpSettings {
            port: section.port(),
            security: match section.tls {
                SmtpTls::StartTls => MailSecurity::StartTls,
                SmtpTls::Implicit => MailSecurity::Implicit,
                SmtpTls::None => MailSecurity::Loopback,
            },
            login: login.transpose()?,
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
        let file = section.secret_file.as_path();
        let settings = WebhookSettings {
            secret: notify::read_webhook_secret(file, mounted(file))?,
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
    counted: Mutex<Option<Counted>>,
}

/// What was due at a moment, in the places of a catalog, is counted.
struct Counted {
    at: Timestamp,
    seen: Seen,
    catalog: Weak<Catalog>,
}

impl Sender {
    pub(super) fn new(admin: Admin) -> Self {
        Self {
            admin,
            planned: Mutex::default(),
            counted: Mutex::default(),
        }
    }

    async fn plan(&self) -> Result<(), AdminError> {
        let mut planned = self.planned.lock().await;
        *planned = Some(self.admin.plan_reminders(planned.clone()).await?);
        Ok(())
    }

    async fn measure(&self, meters: &ReminderMeters) -> Result<(), AdminError> {
        meters.outbox(self.admin.count_reminders().await?);
        let mut counted = self.counted.lock().await;
        let (at, seen, catalog) = (self.admin.now(), self.admin.seen().await?, meters.catalog());
        let still_good = |last: &Counted| {
            let age = at.duration_since(last.at);
            let same = last.seen == seen && last.catalog.ptr_eq(&catalog);
            same && !age.is_negative() && age < COUNT_AFTER
        };
        if counted.as_ref().is_some_and(still_good) {
            return Ok(());
        }
        let due = self.admin.rotation_due(Some(Duration::MAX), None).await?;
        meters.due(&due, at);
        *counted = Some(Counted { at, seen, catalog });
        Ok(())
    }

    async fn send_by(&self, channel: &str, meters: &ReminderMeters) -> Result<(), AdminError> {
        meters.count(channel, self.admin.send_reminders_by(channel).await?);
        meters.outbox(self.admin.count_reminders().await?);
        Ok(())
    }
}

impl App {
    /// Brings the outbox of reminders up to date and sends what is pending, as a running server
    /// does once a minute.
    pub async fn remind(&self) -> Result<Sendings, AdminError> {
        self.sender.plan().await?;
        self.sender.admin.send_reminders().await
    }
}

/// Reminds until `stop` turns true. One plans and measures once a minute; after that each channel
/// sends in its own time, so that one that hangs holds up nothing but itself.
pub(super) async fn keep(
    sender: Arc<Sender>,
    meters: ReminderMeters,
    mut stop: watch::Receiver<bool>,
) {
    let (planned, _) = watch::channel(());
    let channels = sender.admin.reminder_channels();
    let sending = channels.iter().map(|channel| {
        let planned = planned.subscribe();
        send(&sender, channel, &meters, planned)
    });
    let sending = join_all(sending);
    let all = async { tokio::join!(plan(&sender, &meters, &planned), sending) };
    // Stopped in the middle, a message may be sent once more by the next server.
    tokio::select! {
        _ = Box::pin(all) => {}
        _ = stop.wait_for(|stop| *stop) => {}
    }
}

async fn plan(sender: &Sender, meters: &ReminderMeters, planned: &watch::Sender<()>) {
    let (mut plans, mut measures) = (Failures::default(), Failures::default());
    loop {
        plans.note(sender.plan().await, "reminders cannot be planned");
        measures.note(
            sender.measure(meters).await,
            "what is due cannot be counted",
        );
        planned.send_replace(());
        tokio::time::sleep(PERIOD).await;
    }
}

async fn send(
    sender: &Sender,
    channel: &str,
    meters: &ReminderMeters,
    mut planned: watch::Receiver<()>,
) {
    let mut failures = Failures::default();
    // It ends when nobody plans any more.
    while planned.changed().await.is_ok() {
        let sent = sender.send_by(channel, meters).await;
        failures.note(sent, "reminders cannot be sent");
    }
}

/// Failures in a row of one thing.
#[derive(Default)]
struct Failures(u32);

impl Failures {
    fn note(&mut self, result: Result<(), AdminError>, what: &str) {
        let Err(error) = result else {
            self.0 = 0;
            return;
        };
        if self.0.is_multiple_of(REPEAT) {
            tracing::error!(%error, "{what}; it is tried again");
        }
        self.0 = self.0.wrapping_add(1);
    }
}
