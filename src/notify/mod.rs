//! Channels that reminders go by: mail, webhooks, and the log, which is always there.
//!
//! ```text
//! Notice ─ log      one warning an item
//!        ─ smtp     one mail, text and HTML; Message-ID = the notice's id
//!        ─ webhook  one signed POST of JSON; the event's id = the notice's id
//! ```
//!
//! Sending is at least once: whoever calls keeps the outbox.

mod files;
mod mail;
mod smtp;
mod webhook;

pub use files::{MailLogin, NotifyFileError, read_mail_login, read_webhook_secret};
pub use smtp::{MailSecurity, Smtp, SmtpError, SmtpSettings};
pub use webhook::{SIGNATURE_HEADER, Webhook, WebhookSecret, WebhookSettings};

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::notice::Notice;
use crate::net::NetFailure;

/// The name of the channel that is always there.
pub const LOG: &str = "log";
/// The name of the mail channel.
pub const SMTP: &str = "smtp";

/// Why a notice was not sent; the texts are fit for logs and for `locum reminders list`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    #[error("there is no channel `{0}` in the configuration any more")]
    NoChannel(String),
    #[error("the mail cannot be written: {0}")]
    Mail(String),
    #[error("mail server: {0}")]
    Smtp(String),
    #[error("webhook: {0}")]
    Net(#[from] NetFailure),
    #[error("webhook: it answered HTTP {status}")]
    Status {
        status: u16,
        retry_after: Option<Duration>,
    },
}

impl SendError {
    /// How long the receiver asks to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// All channels.
#[derive(Default)]
pub struct Notifier {
    smtp: Option<Smtp>,
    webhooks: Vec<Webhook>,
    names: Vec<String>,
}

impl Notifier {
    pub fn new(smtp: Option<Smtp>, webhooks: Vec<Webhook>) -> Self {
        let mut names = vec![LOG.to_owned()];
        names.extend(smtp.iter().map(|_| SMTP.to_owned()));
        names.extend(webhooks.iter().map(|hook| hook.channel().to_owned()));
        Self {
            smtp,
            webhooks,
            names,
        }
    }

    /// The names of the channels: `log`, `smtp`, `webhook:NAME`.
    pub fn channels(&self) -> &[String] {
        &self.names
    }

    /// Sends by one channel. `now` is what a signature says of the time.
    pub async fn send(
        &self,
        channel: &str,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<(), SendError> {
        if channel == LOG {
            log(notice);
            return Ok(());
        }
        if let Some(smtp) = self.smtp.as_ref().filter(|_| channel == SMTP) {
            return smtp.send(notice).await;
        }
        match self.webhooks.iter().find(|hook| hook.channel() == channel) {
            Some(hook) => hook.send(notice, now).await,
            None => Err(SendError::NoChannel(channel.to_owned())),
        }
    }
}

fn log(notice: &Notice) {
    if notice.is_test() {
        tracing::warn!(target: "locum::reminder", id = notice.id, "this is a test of the reminders");
    }
    for item in &notice.items {
        tracing::warn!(
            target: "locum::reminder",
            id = notice.id,
            organization = item.organizations.join(","),
            environment = item.environment,
            provider = item.provider,
            subject = item.id,
            reason = %item.reason,
            age_days = item.age_days,
            due = item.due.map(tracing::field::display),
            command = item.command,
            "reminder: {} {}",
            item.what(),
            item.standing(),
        );
    }
}
