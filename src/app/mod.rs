//! The composition root: the only place that knows everything.
//!
//! ```text
//! open:   configuration → profiles → lock → key ring → the database's key check → database → App
//! start:  exposure, certificates → listeners → directory → tokens, upstream → gateway → Running;
//!         calls on the process's threads, all else on those of housekeeping
//! reload: profiles, [providers] and [limits] → gateway, listeners
//! stop:   listeners finish what is in flight → watcher, bookkeeper, graces, reminders, recorder →
//!         traces → database
//! ```
//!
//! The key ring is checked against the database before the database is opened for writing: with a
//! wrong key its bytes stay as they are.

mod bookkeeper;
mod call;
mod complaint;
mod edge;
mod graces;
mod hardening;
mod housekeeping;
mod install;
mod limits;
mod listeners;
mod master_key;
mod probe;
mod recorder;
mod reload;
mod reminders;
mod restore;
mod retention;
mod running;
mod watcher;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::SecretString;
use uuid::Uuid;

pub use call::{CallOutcome, LocalCall, LocalCallError, Rehearsed};
pub use hardening::{harden, install_crypto_provider};
pub use install::{Installed, install};
pub use listeners::Certificate;
pub use master_key::{KekState, KekStatus, KeyRingStatus, key_ring_status};
pub use probe::{ProbeError, ready};
pub use restore::{Restored, restore};
pub use running::Running;

use reminders::Sender;

use crate::admin::{Admin, AdminError, AdminParts};
use crate::audit::{Audit, AuditError};
use crate::catalog::{Catalog, CatalogError};
use crate::config::{ConfigError, Loaded};
use crate::credentials::Credentials;
use crate::domain::actor::Actor;
use crate::domain::clock::SharedClock;
use crate::domain::live::Live;
use crate::file_stamp::FileStamp;
use crate::http::tls::TlsError;
use crate::net::{
    self, CaFileError, Net, NetSettings, ProxyFileError, ProxySettings, Resolver, SystemResolver,
};
use crate::notify::{NotifyFileError, SmtpError};
use crate::store::{self, BackupError, DatabaseLock, Installation, Store, StoreError};
use crate::token::Login;
use crate::traces::HeadersFileError;
use crate::vault::{KekId, KeyCheck, KeyFileError, KeySource, RingOrigin, Vault, VaultError};

/// What the process got from its surroundings besides the configuration.
pub struct Surroundings {
    /// `$CREDENTIALS_DIRECTORY` of systemd.
    pub credentials_directory: Option<PathBuf>,
    /// `$LOCUM_MASTER_KEY`.
    pub master_key: Option<SecretString>,
    /// What host names of upstreams mean.
    pub resolver: Arc<dyn Resolver>,
}

impl Default for Surroundings {
    fn default() -> Self {
        Self {
            credentials_directory: None,
            master_key: None,
            resolver: Arc::new(SystemResolver),
        }
    }
}

/// Why the application cannot be opened or started.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error(transparent)]
    TraceHeaders(#[from] HeadersFileError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(
        "the master key does not fit the database {path}: {source}; \
         use the key file that was made with this database, or a copy of it"
    )]
    Key { path: PathBuf, source: VaultError },
    #[error(transparent)]
    Vault(#[from] VaultError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    CaFile(#[from] CaFileError),
    #[error(transparent)]
    ProxyFile(#[from] ProxyFileError),
    #[error(transparent)]
    NotifyFile(#[from] NotifyFileError),
    #[error(transparent)]
    Smtp(#[from] SmtpError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error("no thread for what goes on beside the calls: {0}")]
    Housekeeping(std::io::Error),
    #[error("HTTP client: {0}")]
    Net(#[from] reqwest::Error),
    #[error(
        "cannot listen on {address} ({key}): {source}; is another locum running? Else change {key}"
    )]
    Listen {
        key: &'static str,
        address: std::net::SocketAddr,
        source: std::io::Error,
    },
    #[error("{path}: {source}")]
    Io {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error("{0} already exists; `locum init` never overwrites: choose another folder with --dir")]
    Exists(PathBuf),
    #[error(
        "there is no {config}, but there is {}, which `locum init` never overwrites: an earlier one was interrupted, or the configuration of an installation is missing; if no credential was ever stored with them, remove them and run `locum init` again; else put the configuration back (an empty file serves)",
        listed(files)
    )]
    Unfinished {
        config: PathBuf,
        files: Vec<PathBuf>,
    },
}

fn listed(files: &[PathBuf]) -> String {
    let names: Vec<_> = files
        .iter()
        .map(|file| file.display().to_string())
        .collect();
    names.join(", ")
}

impl AppError {
    /// Whether configuration or key was refused (exit 78) rather than something that may pass.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::KeyFile(KeyFileError::Io { source, .. }) => {
                source.kind() != std::io::ErrorKind::StorageFull
            }
            Self::Config(_)
            | Self::Catalog(_)
            | Self::KeyFile(_)
            | Self::TraceHeaders(_)
            | Self::Tls(_)
            | Self::CaFile(_)
            | Self::ProxyFile(_)
            | Self::NotifyFile(_)
            | Self::Smtp(_)
            | Self::Audit(AuditError::KeyGone)
            | Self::Key { .. } => true,
            Self::Store(error) => matches!(
                error,
                StoreError::NoDatabase(_)
                    | StoreError::NotADatabase(_)
                    | StoreError::Unreachable { .. }
                    | StoreError::Url(_)
                    | StoreError::Uninitialized(_)
                    | StoreError::NewerSchema(_)
                    | StoreError::ForeignSchema { .. }
            ),
            _ => false,
        }
    }
}

/// An opened installation: configuration, catalog, vault and store.
pub struct App {
    pub loaded: Loaded,
    pub catalog: Live<Catalog>,
    pub clock: SharedClock,
    /// The files that this was read from, as they were then.
    stamps: Vec<(PathBuf, FileStamp)>,
    store: Store,
    credentials: Credentials,
    audit: Audit,
    net: Net,
    /// Of logins, and of what admins try out: neither is made on the threads of calls.
    login_net: Net,
    admin: Admin,
    sender: Arc<Sender>,
    /// Nobody puts another database in this one's place.
    _lock: DatabaseLock,
}

impl App {
    pub async fn open(
        loaded: Loaded,
        surroundings: &Surroundings,
        clock: SharedClock,
    ) -> Result<Self, AppError> {
        let stamps = reload::stamps(&loaded);
        let catalog = load_catalog(&loaded)?;
        Self::open_with((loaded, stamps, catalog), surroundings, clock).await
    }

    /// Opens it to be looked at, whatever profiles say; also what is wrong with them.
    pub async fn open_to_look(
        loaded: Loaded,
        surroundings: &Surroundings,
        clock: SharedClock,
    ) -> Result<(Self, Option<CatalogError>), AppError> {
        let (catalog, wrong) = match load_catalog(&loaded) {
            Ok(catalog) => (catalog, None),
            Err(error) => (Catalog::default(), Some(error)),
        };
        let read = (loaded, Vec::new(), catalog);
        Ok((Self::open_with(read, surroundings, clock).await?, wrong))
    }

    async fn open_with(
        (loaded, stamps, catalog): (Loaded, Vec<(PathBuf, FileStamp)>, Catalog),
        surroundings: &Surroundings,
        clock: SharedClock,
    ) -> Result<Self, AppError> {
        let catalog = Live::new(catalog);
        let database = loaded.database()?;
        let lock = DatabaseLock::shared(&database)?;
        let (vault, check) = vault_of(&database, &loaded, surroundings).await?;
        let vault = Arc::new(vault);
        let store = Store::open(&database, false).await?;
        if check == KeyCheck::Ring {
            Audit::catch_up(&store, &vault).await?;
        }
        let audit = Audit::open(&store, &vault).await?;
        let credentials = Credentials::new(store.clone(), vault);
        let settings = net_settings(&loaded)?;
        let reminders = Arc::new(reminders::open(&loaded, surroundings, &settings)?);
        let net = Net::new(settings, surroundings.resolver.clone())?;
        let login_net = net.apart()?;
        let parts = AdminParts {
            store: store.clone(),
            credentials: credentials.clone(),
            audit: audit.clone(),
            catalog: catalog.clone(),
            login: Arc::new(Login::new(login_net.clone(), clock.clone())),
            reminders,
            clock: clock.clone(),
            grace: loaded.config.rotation.grace,
        };
        let admin = Admin::new(parts, Actor::Locum);
        Ok(Self {
            loaded,
            catalog,
            clock,
            stamps,
            store,
            credentials,
            audit,
            net,
            login_net,
            sender: Arc::new(Sender::new(admin.clone())),
            _lock: lock,
            admin,
        })
    }

    /// The use cases of administration, for an actor.
    pub fn admin(&self, actor: Actor) -> Admin {
        self.admin.acting_as(actor, None)
    }

    /// Closes the database.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

/// The catalog that a configuration describes.
pub fn load_catalog(loaded: &Loaded) -> Result<Catalog, CatalogError> {
    load_profiles(loaded, false)
}

/// The same; the folder has to be there where it was named, and where it is required.
fn load_profiles(loaded: &Loaded, required: bool) -> Result<Catalog, CatalogError> {
    let (folder, named) = loaded.profiles();
    Catalog::load(&folder, named || required, &loaded.overrides())
}

fn net_settings(loaded: &Loaded) -> Result<NetSettings, AppError> {
    let upstream = &loaded.config.upstream;
    let extra_roots = loaded.ca_file().map(|file| net::read_ca_file(&file));
    let credentials = loaded
        .proxy_credentials_file()
        .map(|file| net::read_proxy_credentials(&file))
        .transpose()?;
    let proxy = upstream.proxy.clone();
    Ok(NetSettings {
        connect_timeout: upstream.connect_timeout,
        request_timeout: upstream.request_timeout,
        destinations: loaded.destinations(),
        proxy: proxy.map(|url| ProxySettings { url, credentials }),
        extra_roots: extra_roots.transpose()?.unwrap_or_default(),
    })
}

/// The key ring, which has to fit a database, and what the check row vouches for. Nothing is written.
async fn vault_of(
    database: &Path,
    loaded: &Loaded,
    surroundings: &Surroundings,
) -> Result<(Vault, KeyCheck), AppError> {
    let installation = store::peek(database).await?;
    let source = key_source(loaded, surroundings);
    let (vault, origin) = Vault::from_source(source, installation.database_id)?;
    if origin == RingOrigin::Environment {
        tracing::warn!(
            "the master key comes from LOCUM_MASTER_KEY, which other processes of this user can \
             read: for development only"
        );
    }
    let check = fit(&vault, &installation).map_err(|source| AppError::Key {
        path: database.to_owned(),
        source,
    })?;
    Ok((vault, check))
}

/// Refuses a key ring that does not open the check row of a database.
fn fit(vault: &Vault, installation: &Installation) -> Result<KeyCheck, VaultError> {
    let kek = KekId::parse(&installation.kek_id).ok_or(VaultError::Refused)?;
    vault.verify_check(&kek, &installation.key_check)
}

fn key_source(loaded: &Loaded, surroundings: &Surroundings) -> KeySource {
    KeySource {
        credentials_directory: surroundings.credentials_directory.clone(),
        file: loaded.master_key_file(),
        environment: surroundings.master_key.clone(),
        mounted: loaded.config.vault.mounted_secret,
    }
}

/// A new identity for a database.
fn new_database_id() -> Uuid {
    Uuid::new_v4()
}
