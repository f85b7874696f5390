//! Mail over SMTP: STARTTLS or TLS from the first byte; in clear text to this machine only.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use secrecy::ExposeSecret;

use super::{MailLogin, SendError, mail};
use crate::domain::notice::Notice;

/// A longer answer of a server is cut.
const MAX_ANSWER: usize = 300;

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailSecurity {
    /// Plain at first; a server that does not offer TLS gets nothing.
    StartTls,
    /// TLS from the first byte.
    Implicit,
    /// None: only for a server on this machine.
    Loopback,
}

/// A mail server, and who writes to whom. No `Debug`: it holds secrets.
pub struct SmtpSettings {
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    pub from: String,
    pub to: Vec<String>,
    pub login: Option<MailLogin>,
    /// PEM; authorities besides the public ones.
    pub ca_file: Option<PathBuf>,
    pub timeout: Duration,
}

/// Why there is no mail channel.
#[derive(Debug, thiserror::Error)]
pub enum SmtpError {
    #[error(
        "reminders.smtp.{key}: `{text}` is no mail address, such as \"Locum <locum@clinic.example>\""
    )]
    Address { key: &'static str, text: String },
    #[error("reminders.smtp.ca_file {path}: {reason}")]
    CaFile { path: PathBuf, reason: String },
    #[error("reminders.smtp: {0}")]
    Tls(String),
}

/// The way to a mail server.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Smtp {
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpError> {
        let from = mailbox("from", &settings.from)?;
        let to: Result<Vec<_>, _> = settings.to.iter().map(|to| mailbox("to", to)).collect();
        let tls = match settings.security {
            MailSecurity::StartTls => Tls::Required(tls_parameters(&settings)?),
            MailSecurity::Implicit => Tls::Wrapper(tls_parameters(&settings)?),
            MailSecurity::Loopback => Tls::None,
        };
        let mut transport =
            AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(settings.host.as_str())
                .port(settings.port)
                .tls(tls)
                .hello_name(ClientId::Domain(from.email.domain().to_owned()))
                .timeout(Some(settings.timeout));
        if let Some(login) = settings.login {
            let password = login.password.expose_secret().to_owned();
            transport = transport.credentials(Credentials::new(login.user, password));
        }
        Ok(Self {
            transport: transport.build(),
            from,
            to: to?,
        })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let message = self.message(notice)?;
        let sent = self.transport.send(message).await;
        sent.map(|_| ())
            .map_err(|error| SendError::Smtp(words(&error)))
    }

    fn message(&self, notice: &Notice) -> Result<Message, SendError> {
        let mail = mail::write(notice);
        let mut message = Message::builder()
            .from(self.from.clone())
            .message_id(Some(message_id(notice, &self.from)))
            .date(date(notice.at))
            .subject(mail.subject);
        for to in &self.to {
            message = message.to(to.clone());
        }
        // RFC 3834: no answering machine answers.
        message
            .raw_header(lettre::message::header::HeaderValue::new(
                lettre::message::header::HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ))
            .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
            .map_err(|error| SendError::Mail(error.to_string()))
    }
}

fn message_id(notice: &Notice, from: &Mailbox) -> String {
    format!("<{}@{}>", notice.id, from.email.domain())
}

fn date(at: Timestamp) -> std::time::SystemTime {
    at.into()
}

fn mailbox(key: &'static str, text: &str) -> Result<Mailbox, SmtpError> {
    text.parse().map_err(|_| SmtpError::Address {
        key,
        text: text.to_owned(),
    })
}

fn tls_parameters(settings: &SmtpSettings) -> Result<TlsParameters, SmtpError> {
    // As net does it: the system's authorities, or those of the build where it has none.
    let system = rustls_native_certs::load_native_certs();
    let store = match system.certs.is_empty() {
        true => CertificateStore::WebpkiRoots,
        false => CertificateStore::Default,
    };
    let mut parameters = TlsParameters::builder(settings.host.clone()).certificate_store(store);
    if let Some(path) = &settings.ca_file {
        parameters = parameters.add_root_certificate(read_ca_file(path)?);
    }
    parameters
        .build()
        .map_err(|error| SmtpError::Tls(words(&error)))
}

fn read_ca_file(path: &Path) -> Result<Certificate, SmtpError> {
    let failed = |reason: String| SmtpError::CaFile {
        path: path.to_owned(),
        reason,
    };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let has_one = String::from_utf8_lossy(&pem).contains("-----BEGIN CERTIFICATE-----");
    if !has_one {
        return Err(failed("there is no certificate in it (PEM)".to_owned()));
    }
    Certificate::from_pem(&pem).map_err(|error| failed(words(&error)))
}

/// An error with its causes, on one line.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut words: Vec<String> = Vec::new();
    for cause in causes {
        let text = cause.to_string();
        if words.last().is_none_or(|last| !last.contains(&text)) {
            words.push(text);
        }
    }
    let line = words.join(": ");
    let plain = line.chars().filter(|letter| !letter.is_control());
    plain.take(MAX_ANSWER).collect()
}
