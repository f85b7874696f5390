//! Who is reminded of credentials that are due, when, and by which channels.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::sections::duration;
use super::validate::{Mistake, mistake};
use super::{Config, ConfigError, Loaded};
use crate::domain::credential::LONGEST_GRACE;
use crate::domain::destination::{Destinations, HostName};
use crate::domain::reminder::ReminderPolicy;
use crate::domain::slug::Slug;

const DAY: u64 = 86_400;
/// Further ahead or later nobody plans.
const MOST_DAYS: u32 = 3_650;
/// Of a delivery by mail.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(1);
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// How credentials change, and when they are due.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RotationSection {
    /// A credential version works this long after another has taken its place; `24h`.
    #[serde(deserialize_with = "duration")]
    pub grace: Duration,
    /// A credential is due so many days after its issue date; `90`.
    pub remind_after_days: u32,
    /// Days before that day on which somebody is reminded; `[14, 7, 1, 0]`.
    pub remind_before_days: Vec<u32>,
    /// Again and again, once it is over; `7d`, whole days.
    #[serde(deserialize_with = "duration")]
    pub remind_overdue_every: Duration,
}

impl Default for RotationSection {
    fn default() -> Self {
        let policy = ReminderPolicy::default();
        Self {
            grace: Duration::from_secs(24 * 3600),
            remind_after_days: policy.after_days,
            remind_before_days: policy.before_days,
            remind_overdue_every: Duration::from_secs(u64::from(policy.overdue_every_days) * DAY),
        }
    }
}

/// By which channels, besides the log.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RemindersSection {
    /// The files with secrets below are secret mounts: symbolic links and other owners are
    /// acceptable; `false`.
    pub mounted_secrets: bool,
    /// Mail; none.
    pub smtp: Option<SmtpSection>,
    /// Receivers of signed JSON; none.
    pub webhook: Vec<WebhookSection>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SmtpSection {
    /// The mail server: a name, or an address.
    pub host: String,
    /// `587` with STARTTLS, `465` with implicit TLS, `25` without.
    pub port: Option<u16>,
    /// `starttls`.
    pub tls: SmtpTls,
    /// `Locum <locum@clinic.example>`.
    pub from: String,
    /// Who reads them.
    pub to: Vec<String>,
    /// One line, `user:password`; none.
    pub credentials_file: Option<PathBuf>,
    /// PEM file of certificate authorities that are believed besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// A delivery has to end within this; `30s`.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
}

impl Default for SmtpSection {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: None,
            tls: SmtpTls::default(),
            from: String::new(),
            to: Vec::new(),
            credentials_file: None,
            ca_file: None,
            timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// Plain at first; a server that does not offer TLS gets nothing.
    #[default]
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None: only to a server on this machine.
    None,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookSection {
    /// Its name in the outbox: a-z, 0-9 and -.
    pub name: String,
    /// https, or http to this machine.
    pub url: Url,
    /// One line: what signs its requests.
    pub secret_file: PathBuf,
}

impl SmtpSection {
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match self.tls {
            SmtpTls::StartTls => 587,
            SmtpTls::Implicit => 465,
            SmtpTls::None => 25,
        })
    }
}

impl Loaded {
    pub fn reminder_policy(&self) -> ReminderPolicy {
        let rotation = &self.config.rotation;
        let every = rotation.remind_overdue_every.as_secs() / DAY;
        ReminderPolicy {
            after_days: rotation.remind_after_days,
            before_days: rotation.remind_before_days.clone(),
            overdue_every_days: u32::try_from(every).unwrap_or(MOST_DAYS),
        }
    }

    /// The mail channel, with paths resolved.
    pub fn smtp(&self) -> Option<SmtpSection> {
        self.config.reminders.smtp.clone().map(|smtp| SmtpSection {
            credentials_file: self.beside(smtp.credentials_file.as_deref()),
            ca_file: self.beside(smtp.ca_file.as_deref()),
            ..smtp
        })
    }

    /// The webhooks, with paths resolved.
    pub fn webhooks(&self) -> Vec<WebhookSection> {
        let hooks = self.config.reminders.webhook.iter().cloned();
        let resolved = |hook: WebhookSection| WebhookSection {
            secret_file: self.folder.join(&hook.secret_file),
            ..hook
        };
        hooks.map(resolved).collect()
    }

    /// Where a webhook's requests may go: as to upstreams, but its host may be a private one,
    /// because the operator named it here.
    pub fn webhook_destinations(&self, url: &Url) -> Destinations {
        let mut destinations = self.destinations();
        destinations.allow_private.extend(HostName::of(url));
        destinations
    }
}

pub(super) fn check(config: &Config) -> Result<(), Mistake> {
    rotation(&config.rotation)?;
    if let Some(smtp) = &config.reminders.smtp {
        check_smtp(smtp)?;
    }
    webhooks(config)
}

fn rotation(rotation: &RotationSection) -> Result<(), Mistake> {
    if rotation.grace > LONGEST_GRACE {
        return mistake("rotation", "grace", "at most 365d");
    }
    if !(1..=MOST_DAYS).contains(&rotation.remind_after_days) {
        return mistake("rotation", "remind_after_days", "from 1 to 3650 days");
    }
    let days = &rotation.remind_before_days;
    if days.is_empty() || days.iter().any(|days| *days >= rotation.remind_after_days) {
        let message = "at least one number of days, each less than remind_after_days";
        return mistake("rotation", "remind_before_days", message);
    }
    let every = rotation.remind_overdue_every.as_secs();
    let most = u64::from(MOST_DAYS) * DAY;
    if every == 0 || !every.is_multiple_of(DAY) || every > most {
        return mistake("rotation", "remind_overdue_every", "whole days, such as 7d");
    }
    Ok(())
}

fn check_smtp(smtp: &SmtpSection) -> Result<(), Mistake> {
    if !(SHORTEST_TIMEOUT..=LONGEST_TIMEOUT).contains(&smtp.timeout) {
        let path = ["reminders", "smtp", "timeout"].map(Into::into);
        return Err((path.to_vec(), "from 1s to 10m".to_owned()));
    }
    let host = HostName::parse(&smtp.host);
    let loopback = host.as_ref().is_ok_and(HostName::is_loopback);
    let wrong = match (&host, smtp.tls) {
        (Err(_), _) if smtp.host.is_empty() => return Ok(()),
        (Err(error), _) => error.to_string(),
        (Ok(_), SmtpTls::None) if !loopback => {
            "without TLS only a server on this machine (127.0.0.1, ::1, localhost) is spoken to; \
             remove tls = \"none\""
                .to_owned()
        }
        _ => return Ok(()),
    };
    let path = ["reminders", "smtp", "host"].map(Into::into);
    Err((path.to_vec(), wrong))
}

fn webhooks(config: &Config) -> Result<(), Mistake> {
    let hooks = &config.reminders.webhook;
    for (index, hook) in hooks.iter().enumerate() {
        let at = |key: &str, message: String| {
            let path = vec![
                "reminders".into(),
                "webhook".into(),
                index.into(),
                key.into(),
            ];
            Err((path, message))
        };
        if let Err(error) = Slug::parse(&hook.name) {
            return at("name", error.to_string());
        }
        if hooks[..index].iter().any(|other| other.name == hook.name) {
            return at("name", format!("there are two webhooks `{}`", hook.name));
        }
        let destinations = Destinations {
            allow_http: Vec::new(),
            ..Destinations::own(&hook.url)
        };
        if !hook.url.username().is_empty() || hook.url.password().is_some() {
            return at(
                "url",
                "a URL without user and password is needed".to_owned(),
            );
        }
        if let Err(error) = destinations.check(&hook.url) {
            return at("url", error.to_string());
        }
    }
    Ok(())
}

/// Variables come one by one, so that halves are met only when all are there.
pub(super) fn check_complete(config: &Config) -> Result<(), ConfigError> {
    let Some(smtp) = &config.reminders.smtp else {
        return Ok(());
    };
    let missing = [
        ("host", smtp.host.is_empty()),
        ("from", smtp.from.is_empty()),
        ("to", smtp.to.is_empty()),
    ];
    match missing.into_iter().find(|(_, missing)| *missing) {
        Some((key, _)) => Err(ConfigError::IncompleteSmtp(key)),
        None => Ok(()),
    }
}
