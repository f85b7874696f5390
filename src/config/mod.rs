//! `locum.toml`: defaults < file < environment, checked before anything starts.
//!
//! The file is read first and alone, so that its mistakes are reported with their line; then each
//! `LOCUM__SECTION__KEY` is laid over it. Every key has a default: an empty file serves.

mod exposure;
mod overlay;
mod reminders;
mod sections;
mod validate;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use url::Url;

pub use reminders::{RemindersSection, RotationSection, SmtpSection, SmtpTls, WebhookSection};
pub use sections::{
    AdminSection, AuditSection, Config, LimitsSection, LogFormat, LogSection, ServerSection,
    TenancySection, TlsSection, TracesSection, UpstreamSection,
};

use crate::catalog::Overrides;
use crate::domain::destination::{Destinations, HostName};
use crate::domain::document::{Complaint, Document};
use crate::store::{self, StoreError};

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0}")]
    Document(#[from] Complaint),
    #[error("{0}: there is no such file; run `locum init`, or name the file with --config")]
    Missing(PathBuf),
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{variable}: {message}")]
    Variable { variable: String, message: String },
    #[error("{0}.tls needs both a certificate and a key")]
    IncompleteTls(&'static str),
    #[error("reminders.smtp needs a {0}: host, from and to have no defaults")]
    IncompleteSmtp(&'static str),
    #[error(
        "{section}.listen: {address} is not loopback, and keys and data would cross the network \
         in clear text; {remedies}. {section}.allow_plaintext = true accepts the risk, for example \
         in a container whose port is mapped to loopback"
    )]
    Exposed {
        section: &'static str,
        address: SocketAddr,
        remedies: &'static str,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ConfigError {
    /// File and line, where it is about one.
    pub fn place(&self) -> Option<String> {
        match self {
            Self::Document(complaint) => Some(complaint.place()),
            _ => None,
        }
    }
}

/// A configuration together with the folder that its paths are relative to.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    folder: PathBuf,
    source: Option<Source>,
}

/// What a configuration was read from.
#[derive(Debug, Clone)]
struct Source {
    file: PathBuf,
    variables: Vec<(String, String)>,
}

impl Loaded {
    /// Reads `file` and lays the given `LOCUM__…` variables over it.
    pub fn read(
        file: &Path,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(file).map_err(|source| match source.kind() {
            std::io::ErrorKind::NotFound => ConfigError::Missing(file.to_owned()),
            _ => ConfigError::Io {
                path: file.to_owned(),
                source,
            },
        })?;
        let variables: Vec<_> = variables.into_iter().collect();
        let mut loaded = Self::parse(file, &text, variables.clone())?;
        loaded.source = Some(Source {
            file: file.to_owned(),
            variables,
        });
        Ok(loaded)
    }

    /// What the file says now; the same where there is none.
    pub fn again(&self) -> Result<Self, ConfigError> {
        match &self.source {
            Some(source) => Self::read(&source.file, source.variables.iter().cloned()),
            None => Ok(self.clone()),
        }
    }

    /// The file that it was read from.
    pub fn file(&self) -> Option<&Path> {
        self.source.as_ref().map(|source| source.file.as_path())
    }

    /// The same with those parts of another that a running server takes over.
    pub fn taking_over(&self, other: &Self) -> Self {
        let mut taken = self.clone();
        taken.config.limits = other.config.limits.clone();
        taken.config.providers = other.config.providers.clone();
        taken
    }

    /// Reads the text of a file.
    pub fn parse(
        file: &Path,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let document = Document::new(file, text);
        let config: Config = document.read()?;
        validate::check(&config).map_err(|(path, message)| document.complain(&path, message))?;
        let config = overlay::apply(&document, config, variables)?;
        exposure::check_complete(&config)?;
        reminders::check_complete(&config)?;
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
            _ => PathBuf::from("."),
        };
        Ok(Self {
            config,
            folder,
            source: None,
        })
    }

    pub fn database(&self) -> Result<PathBuf, StoreError> {
        store::database_path(&self.config.store.url, &self.folder)
    }

    pub fn master_key_file(&self) -> PathBuf {
        self.folder.join(&self.config.vault.master_key_file)
    }

    /// The profiles folder, and whether it was named: a named one has to exist.
    pub fn profiles(&self) -> (PathBuf, bool) {
        let named = self.config.profiles.dir.as_ref();
        let folder = named.cloned().unwrap_or_else(|| PathBuf::from("profiles"));
        (self.folder.join(folder), named.is_some())
    }

    /// The file with the collector's headers.
    pub fn trace_headers_file(&self) -> Option<PathBuf> {
        let file = self.config.traces.headers_file.as_ref();
        file.map(|file| self.folder.join(file))
    }

    pub fn overrides(&self) -> Overrides {
        let base_urls = self
            .config
            .providers
            .iter()
            .map(|(name, provider)| {
                let urls: BTreeMap<_, _> = provider
                    .environments
                    .iter()
                    .map(|(name, environment)| (name.clone(), environment.base_url.clone()))
                    .collect();
                (name.clone(), urls)
            })
            .collect();
        Overrides {
            base_urls,
            destinations: self.destinations(),
        }
    }

    /// Where requests to upstreams may go.
    pub fn destinations(&self) -> Destinations {
        let upstream = &self.config.upstream;
        Destinations {
            allow_http: upstream.allow_http_hosts.clone(),
            allow_private: upstream.allow_private_hosts.clone(),
            proxy: upstream.proxy.as_ref().and_then(HostName::of),
            direct: upstream.no_proxy.clone(),
        }
    }

    pub fn ca_file(&self) -> Option<PathBuf> {
        self.beside(self.config.upstream.ca_file.as_deref())
    }

    pub fn proxy_credentials_file(&self) -> Option<PathBuf> {
        self.beside(self.config.upstream.proxy_credentials_file.as_deref())
    }

    fn beside(&self, file: Option<&Path>) -> Option<PathBuf> {
        file.map(|file| self.folder.join(file))
    }

    /// Where clients reach the gateway.
    pub fn public_url(&self) -> Url {
        self.config.server.public_url.clone().unwrap_or_else(|| {
            let server = &self.config.server;
            url_of(server.listen, server.tls.is_some())
        })
    }
}

/// `http://ADDRESS/`, or `https`; an unspecified address is reached by loopback.
pub fn url_of(address: SocketAddr, tls: bool) -> Url {
    let address = reached_at(address);
    let mut url = LOOPBACK.clone();
    if tls {
        let _ = url.set_scheme("https");
    }
    let _ = url.set_ip_host(address.ip());
    let _ = url.set_port(Some(address.port()));
    url
}

/// The address by which this machine reaches what listens on `address`.
pub fn reached_at(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        return SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, address.port()));
    }
    address
}

static LOOPBACK: std::sync::LazyLock<Url> = std::sync::LazyLock::new(|| {
    #[expect(clippy::expect_used, reason = "INVARIANT: a constant that parses")]
    Url::parse("http://127.0.0.1/").expect("INVARIANT: a constant that parses")
});

#[cfg(test)]
mod tests;
