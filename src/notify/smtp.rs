//! Mail over SMTP: STARTTLS or TLS from the first byte; in clear text to this machine only.
//!
//! A delivery, from the name of the server to its last answer, ends within one deadline, and no
//! more is taken from a server than it ever has to say.

mod stream;
mod words;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use lettre::message::{Mailbox, MultiPart};
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{
    AsyncSmtpConnection, AsyncTokioStream, Certificate, CertificateStore, TlsParameters,
};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Message, transport::smtp};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use secrecy::ExposeSecret;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{MailLogin, SendError, mail};
use crate::domain::notice::Notice;
use crate::net::{self, ExtraRoots};
use stream::{Bounded, Heard};
use words::Secrets;

/// A server that has taken the mail may answer this long when it is told goodbye.
const FAREWELL: Duration = Duration::from_secs(1);

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
    /// For a whole delivery.
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

/// The way to a mail server. No `Debug`: it holds secrets.
pub struct Smtp {
    host: String,
    port: u16,
    protection: Protection,
    hello: ClientId,
    login: Option<Credentials>,
    secrets: Secrets,
    timeout: Duration,
    from: Mailbox,
    to: Vec<Mailbox>,
}

enum Protection {
    StartTls(Box<TlsParameters>),
    Implicit(TlsConnector, ServerName<'static>),
    None,
}

/// Why a delivery failed before its deadline.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("no connection: {0}")]
    Connect(io::Error),
    #[error("no secure connection (TLS): {0}")]
    Tls(io::Error),
    #[error(transparent)]
    Smtp(#[from] smtp::Error),
}

impl Smtp {
    pub fn new(settings: SmtpSettings) -> Result<Self, SmtpError> {
        let from = mailbox("from", &settings.from)?;
        let to: Result<Vec<_>, _> = settings.to.iter().map(|to| mailbox("to", to)).collect();
        let secrets = settings.login.as_ref().map(Secrets::of);
        let login = settings.login.as_ref().map(|login| {
            let password = login.password.expose_secret().to_owned();
            Credentials::new(login.user.clone(), password)
        });
        Ok(Self {
            protection: protection(&settings)?,
            host: settings.host,
            port: settings.port,
            hello: ClientId::Domain(from.email.domain().to_owned()),
            login,
            secrets: secrets.unwrap_or_default(),
            timeout: settings.timeout,
            from,
            to: to?,
        })
    }

    pub(super) async fn send(&self, notice: &Notice) -> Result<(), SendError> {
        let message = self.message(notice)?;
        let heard = Heard::default();
        let delivery = Box::pin(self.deliver(&message, &heard));
        match timeout(self.timeout, delivery).await {
            Ok(Ok(mut connection)) => {
                // The mail is the server's by now: what it says to this changes nothing.
                let _ = timeout(FAREWELL, connection.quit()).await;
                Ok(())
            }
            Ok(Err(error)) => {
                let hint = matches!(error, Failed::Tls(_)).then(|| self.hint());
                let words = self.secrets.words(&error) + hint.unwrap_or_default();
                Err(SendError::Smtp(words))
            }
            Err(_) => Err(SendError::Smtp(self.silence(&heard))),
        }
    }

    async fn deliver(
        &self,
        message: &Message,
        heard: &Heard,
    ) -> Result<AsyncSmtpConnection, Failed> {
        let mut connection = self.connect(heard).await?;
        if let Protection::StartTls(parameters) = &self.protection {
            let parameters = parameters.as_ref().clone();
            connection.starttls(parameters, &self.hello).await?;
        }
        if let Some(login) = &self.login {
            connection.auth(DEFAULT_MECHANISMS, login).await?;
        }
        let formatted = message.formatted();
        connection.send(message.envelope(), &formatted).await?;
        Ok(connection)
    }

    async fn connect(&self, heard: &Heard) -> Result<AsyncSmtpConnection, Failed> {
        let tcp = self.dial().await.map_err(Failed::Connect)?;
        heard.connected();
        let peer = tcp.peer_addr().map_err(Failed::Connect)?;
        let stream: Box<dyn AsyncTokioStream> = match &self.protection {
            Protection::Implicit(connector, name) => {
                let tls = connector.connect(name.clone(), tcp).await;
                Box::new(Bounded::new(tls.map_err(Failed::Tls)?, peer, heard))
            }
            Protection::StartTls(_) | Protection::None => Box::new(Bounded::new(tcp, peer, heard)),
        };
        Ok(AsyncSmtpConnection::connect_with_transport(stream, &self.hello).await?)
    }

    /// One address after the other, none so long that there is no time for the next.
    async fn dial(&self) -> io::Result<TcpStream> {
        let addresses = lookup_host((self.host.as_str(), self.port)).await?;
        let addresses: Vec<_> = addresses.collect();
        let share = self.timeout / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
        let mut last = io::Error::other("its name has no address");
        for address in addresses {
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(stream)) => return Ok(stream),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }

    /// What to say of a delivery that did not end in time.
    fn silence(&self, heard: &Heard) -> String {
        let within = format!("within {} s", self.timeout.as_secs_f64());
        match (heard.is_connected(), heard.anything()) {
            (false, _) => format!("no connection {within}"),
            (true, false) => format!("nothing came {within}{}", self.hint()),
            (true, true) => format!("it did not take the mail {within}"),
        }
    }

    /// The two kinds of TLS are taken for one another.
    fn hint(&self) -> &'static str {
        match self.protection {
            Protection::StartTls(_) => "; port 465 takes tls = \"implicit\"",
            Protection::Implicit(..) => "; port 587 takes tls = \"starttls\"",
            Protection::None => "",
        }
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

fn protection(settings: &SmtpSettings) -> Result<Protection, SmtpError> {
    let roots = settings.ca_file.as_deref().map(read_ca_file).transpose()?;
    let roots = roots.unwrap_or_default();
    Ok(match settings.security {
        MailSecurity::Loopback => Protection::None,
        MailSecurity::StartTls => {
            Protection::StartTls(Box::new(tls_parameters(&settings.host, &roots)?))
        }
        MailSecurity::Implicit => {
            let name = ServerName::try_from(settings.host.clone());
            let name = name.map_err(|error| SmtpError::Tls(error.to_string()))?;
            let config = Arc::new(net::tls_config(&roots));
            Protection::Implicit(TlsConnector::from(config), name)
        }
    })
}

fn tls_parameters(host: &str, roots: &ExtraRoots) -> Result<TlsParameters, SmtpError> {
    let failed = |error: smtp::Error| SmtpError::Tls(Secrets::default().words(&error));
    // As net does it: the system's authorities, or those of the build where it has none.
    let system = rustls_native_certs::load_native_certs();
    let store = match system.certs.is_empty() {
        true => CertificateStore::WebpkiRoots,
        false => CertificateStore::Default,
    };
    let mut parameters = TlsParameters::builder(host.to_owned()).certificate_store(store);
    for root in roots {
        let root = Certificate::from_der(root.to_vec()).map_err(failed)?;
        parameters = parameters.add_root_certificate(root);
    }
    parameters.build().map_err(failed)
}

fn read_ca_file(path: &Path) -> Result<ExtraRoots, SmtpError> {
    let failed = |reason: String| SmtpError::CaFile {
        path: path.to_owned(),
        reason,
    };
    let pem = std::fs::read(path).map_err(|error| failed(error.to_string()))?;
    let found: Result<ExtraRoots, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(|error| failed(error.to_string()))?;
    if found.is_empty() {
        return Err(failed("there is no certificate in it (PEM)".to_owned()));
    }
    Ok(found)
}
