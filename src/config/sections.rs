//! The sections of `locum.toml`. Each key: what it is, its default, its environment variable by
//! the rule `LOCUM__SECTION__KEY`. `docs/configuration.md` is the same list for people.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer};
use url::Url;

use super::reminders::{RemindersSection, RotationSection};
use crate::domain::audit::CallAudit;
use crate::domain::destination::HostName;
use crate::domain::network::Networks;
use crate::domain::provider::ProviderName;
use crate::domain::tenant::Environment;
use crate::domain::units::{parse_duration, parse_size};

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub server: ServerSection,
    pub admin: AdminSection,
    pub store: StoreSection,
    pub vault: VaultSection,
    pub log: LogSection,
    pub traces: TracesSection,
    pub tenancy: TenancySection,
    pub rotation: RotationSection,
    pub audit: AuditSection,
    pub reminders: RemindersSection,
    pub limits: LimitsSection,
    pub upstream: UpstreamSection,
    pub profiles: ProfilesSection,
    pub providers: BTreeMap<ProviderName, ProviderSection>,
}

impl Config {
    /// The sections in which two differ.
    pub fn differences(&self, other: &Self) -> Vec<&'static str> {
        let sections = [
            ("server", self.server == other.server),
            ("admin", self.admin == other.admin),
            ("store", self.store == other.store),
            ("vault", self.vault == other.vault),
            ("log", self.log == other.log),
            ("traces", self.traces == other.traces),
            ("tenancy", self.tenancy == other.tenancy),
            ("rotation", self.rotation == other.rotation),
            ("audit", self.audit == other.audit),
            ("reminders", self.reminders == other.reminders),
            ("limits", self.limits == other.limits),
            ("upstream", self.upstream == other.upstream),
            ("profiles", self.profiles == other.profiles),
            ("providers", self.providers == other.providers),
        ];
        let differ = sections.into_iter().filter(|(_, same)| !same);
        differ.map(|(name, _)| name).collect()
    }
}

/// The MCP listener.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSection {
    /// Address and port; `127.0.0.1:8080`.
    pub listen: SocketAddr,
    /// The URL that clients use, for client configurations; `http://` and `listen`.
    pub public_url: Option<Url>,
    /// Names in `Host` that are answered, besides loopback and `public_url`'s.
    pub allowed_hosts: Vec<String>,
    /// Values of `Origin` that are answered, besides loopback and `public_url`'s.
    pub allowed_origins: Vec<String>,
    /// Certificate and key; without them the listener speaks plain HTTP.
    pub tls: Option<TlsSection>,
    /// TLS proxies in front of the listener. Without `tls` only they and loopback are answered;
    /// what they say about their clients is believed.
    pub trusted_proxies: Networks,
    /// Plain HTTP on an address that is not loopback is acceptable; `false`.
    pub allow_plaintext: bool,
}

/// Where a listener's certificate is; it is read again when a file changes.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsSection {
    /// PEM: the certificate, then those between it and its root.
    pub certificate: PathBuf,
    /// PEM: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
    /// The key is in a secret mount: another owner and readers are acceptable; `false`.
    pub mounted_secret: bool,
}

/// The admin listener: health, and later the admin API.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AdminSection {
    /// Address and port; `127.0.0.1:8081`.
    pub listen: SocketAddr,
    /// Certificate and key; without them the listener speaks plain HTTP.
    pub tls: Option<TlsSection>,
    /// Plain HTTP on an address that is not loopback is acceptable; `false`.
    pub allow_plaintext: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSection {
    /// `sqlite:PATH`; `sqlite:data/locum.db`.
    pub url: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VaultSection {
    /// The key ring; `data/master.key`.
    pub master_key_file: PathBuf,
    /// The file is a secret mount: a symlink or another owner is acceptable; `false`.
    pub mounted_secret: bool,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// `error`, `warn`, `info`, `debug`, `trace`, or directives such as `info,locum=debug`.
    pub level: String,
    pub format: LogFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// Traces over OTLP.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TracesSection {
    /// The collector's base URL, to which `/v1/traces` is appended; none: no traces.
    pub endpoint: Option<Url>,
    /// A file of `Name: value` lines that the collector wants as headers; none.
    pub headers_file: Option<PathBuf>,
    /// The share of requests that is traced where the client has not decided; `1.0`.
    pub sample_ratio: f64,
    /// `locum`.
    pub service_name: String,
}

/// How requests name their tenant.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TenancySection {
    /// `X-Tenant-Id`.
    pub header: String,
    /// `X-Tenant-Env`.
    pub environment_header: String,
}

/// What the audit log takes in besides every administrative change, and for how long.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AuditSection {
    /// Calls that are recorded: `all`, `writes` (of tools that do not only read), `off`; `all`.
    pub calls: CallAudit,
    /// A call is on record before it is made, or it is refused; `false`.
    pub strict: bool,
    /// Older records are removed, at least `1y`; `6y`.
    #[serde(deserialize_with = "duration")]
    pub retention: Duration,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// The largest request body; `1MiB`.
    #[serde(deserialize_with = "size")]
    pub body: usize,
    /// The head of a request, or a TLS handshake, has to arrive within this; `30s`.
    #[serde(deserialize_with = "duration")]
    pub head_timeout: Duration,
    /// A request body has to arrive within this; `30s`.
    #[serde(deserialize_with = "duration")]
    pub body_timeout: Duration,
    /// A connection ends when its client takes nothing of an answer for this long; `30s`.
    #[serde(deserialize_with = "duration")]
    pub write_timeout: Duration,
    /// A connection may be without a request for this long; `11m`, more than load balancers keep
    /// theirs.
    #[serde(deserialize_with = "duration")]
    pub idle_timeout: Duration,
    /// A call has to end within this, login and retry included; `60s`.
    #[serde(deserialize_with = "duration")]
    pub call_timeout: Duration,
    /// The largest upstream answer, counted after decompression; `8MiB`.
    #[serde(deserialize_with = "size")]
    pub answer: usize,
    /// Upstream requests of one tenant in any 60 seconds; no limit.
    pub tenant_per_minute: Option<u32>,
    /// Upstream requests of one tenant from midnight to midnight UTC; no limit.
    pub tenant_per_day: Option<u32>,
    /// Calls of one tenant that are at their upstreams at a time; no limit.
    pub tenant_concurrency: Option<u32>,
    /// Calls of all tenants that are at their upstreams at a time; 1024.
    pub upstream_concurrency: u32,
    /// A call waits for its turn no longer than this; `10s`.
    #[serde(deserialize_with = "duration")]
    pub queue_timeout: Duration,
    /// Requests without a valid key that one address may make in a minute; `60`, 0 is no limit.
    pub failed_auth_per_minute: u32,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UpstreamSection {
    /// `5s`.
    #[serde(deserialize_with = "duration")]
    pub connect_timeout: Duration,
    /// One upstream request has to end within this; `30s`.
    #[serde(deserialize_with = "duration")]
    pub request_timeout: Duration,
    /// Hosts that may be reached by plain http although they are not loopback.
    pub allow_http_hosts: Vec<HostName>,
    /// Hosts that may be at private or loopback addresses.
    pub allow_private_hosts: Vec<HostName>,
    /// PEM file of certificate authorities that are believed besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Where everything but loopback and `no_proxy` goes through.
    pub proxy: Option<Url>,
    /// One line, `user:password`.
    pub proxy_credentials_file: Option<PathBuf>,
    /// Hosts that are reached without the proxy.
    pub no_proxy: Vec<HostName>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfilesSection {
    /// Folder of provider profiles; `profiles`, where it exists. A profile in it replaces the
    /// built-in one of the same file name.
    pub dir: Option<PathBuf>,
}

#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSection {
    pub environments: BTreeMap<Environment, EnvironmentSection>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EnvironmentSection {
    /// Replaces the profile's base URL for this environment.
    pub base_url: Url,
}

impl Default for ServerSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            tls: None,
            trusted_proxies: Networks::default(),
            allow_plaintext: false,
        }
    }
}

impl Default for AdminSection {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)),
            tls: None,
            allow_plaintext: false,
        }
    }
}

impl Default for StoreSection {
    fn default() -> Self {
        Self {
            url: "sqlite:data/locum.db".to_owned(),
        }
    }
}

impl Default for VaultSection {
    fn default() -> Self {
        Self {
            master_key_file: PathBuf::from("data/master.key"),
            mounted_secret: false,
        }
    }
}

impl Default for LogSection {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

impl Default for TracesSection {
    fn default() -> Self {
        Self {
            endpoint: None,
            headers_file: None,
            sample_ratio: 1.0,
            service_name: "locum".to_owned(),
        }
    }
}

impl Default for TenancySection {
    fn default() -> Self {
        Self {
            header: "X-Tenant-Id".to_owned(),
            environment_header: "X-Tenant-Env".to_owned(),
        }
    }
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            calls: CallAudit::All,
            strict: false,
            retention: Duration::from_secs(6 * 365 * 86_400),
        }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            body: 1 << 20,
            head_timeout: Duration::from_secs(30),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(11 * 60),
            call_timeout: Duration::from_secs(60),
            answer: 8 << 20,
            tenant_per_minute: None,
            tenant_per_day: None,
            tenant_concurrency: None,
            upstream_concurrency: 1024,
            queue_timeout: Duration::from_secs(10),
            failed_auth_per_minute: 60,
        }
    }
}

impl Default for UpstreamSection {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(30),
            allow_http_hosts: Vec::new(),
            allow_private_hosts: Vec::new(),
            ca_file: None,
            proxy: None,
            proxy_credentials_file: None,
            no_proxy: Vec::new(),
        }
    }
}

pub(super) fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    match parse_duration(&text) {
        Ok(duration) if duration.is_zero() => Err(serde::de::Error::custom("0 is no time at all")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(serde::de::Error::custom(error)),
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_size(&text).map_err(serde::de::Error::custom)
}
