//! The gateway as an operator has it: an installation in a folder, served by the real binary with
//! the log at its default level in a file.

use std::env;
use std::ffi::OsStr;
use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use locum::admin::{Admin, CredentialInput, GrantRequest, KeyRequest};
use locum::app::{App, Surroundings};
use locum::config::Loaded;
use locum::domain::actor::Actor;
use locum::domain::bearer_secret::reveal;
use locum::domain::clock::SystemClock;
use locum::domain::credential::SecretFields;
use locum::domain::organization::OrganizationSlug;
use locum::domain::tenant::Environment;
use tempfile::TempDir;
use tokio::process::Command;

use crate::cores::Cores;
use crate::load::Load;
use crate::process::{Process, free_address};
use crate::rounds::Target;
use crate::{Failure, progress, tools};

const PROVIDER: &str = "eka-care";
const ENVIRONMENT: &str = "prod";
/// How the allocator is set by the image and the systemd unit (docs/operations.md), where the caller's
/// environment does not say otherwise.
const ALLOCATOR: [(&str, &str); 2] = [
    ("MIMALLOC_PURGE_DELAY", "1"),
    ("MIMALLOC_PAGE_FULL_RETAIN", "0"),
];

/// What is special about an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing: it is as `locum init` leaves it.
    Plain,
    /// Its calls leave no record in the audit log.
    Unaudited,
    /// Its load asks for a long answer.
    Large,
    /// The same, of which a program makes a shorter one.
    Reshaped,
}

/// An installation that a gateway can be started in.
pub struct Installation {
    binary: PathBuf,
    kind: Kind,
    folder: TempDir,
    mcp: SocketAddr,
    admin: SocketAddr,
    /// One a tenant.
    keys: Vec<String>,
}

impl Installation {
    /// `locum init`, then organizations with a credential and a key each.
    pub async fn make(
        binary: &Path,
        upstream: SocketAddr,
        tenants: usize,
        kind: Kind,
    ) -> Result<Self, Failure> {
        let mut installation = Self {
            binary: binary.to_owned(),
            kind,
            folder: tempfile::tempdir()?,
            mcp: free_address()?,
            admin: free_address()?,
            keys: Vec::new(),
        };
        let made = installation.command("init").output().await?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into());
        }
        let config = installation.config();
        let audit = match kind {
            Kind::Plain | Kind::Large | Kind::Reshaped => "",
            Kind::Unaudited => "[audit]\ncalls = \"off\"\n",
        };
        let text = format!(
            "{audit}[server]\nlisten = \"{}\"\n[admin]\nlisten = \"{}\"\n\
             [providers.{PROVIDER}.environments.{ENVIRONMENT}]\nbase_url = \"http://{upstream}\"\n",
            installation.mcp, installation.admin
        );
        std::fs::write(&config, text)?;
        if matches!(kind, Kind::Large | Kind::Reshaped) {
            let folder = installation.folder.path().join("profiles");
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join("eka-care.toml"), tools::profile())?;
        }
        let app = installation.open().await?;
        let admin = admin(&app);
        for tenant in 0..tenants {
            if tenant > 0 && tenant % 2_000 == 0 {
                progress(&format!("{tenant} of {tenants} organizations are entered"));
            }
            let key = enter_tenant(&admin, tenant).await?;
            installation.keys.push(key);
        }
        app.close().await;
        Ok(installation)
    }

    fn config(&self) -> PathBuf {
        self.folder.path().join("locum.toml")
    }

    /// As commands open it.
    pub async fn open(&self) -> Result<App, Failure> {
        let loaded = Loaded::read(&self.config(), [])?;
        Ok(App::open(loaded, &Surroundings::default(), Arc::new(SystemClock)).await?)
    }

    /// Runs a command to its end; answers how long that took.
    pub async fn run(&self, arguments: &[&str]) -> Result<Duration, Failure> {
        let (name, rest) = arguments.split_first().ok_or("no command")?;
        let started = Instant::now();
        let done = self.command(name).args(rest).output().await?;
        match done.status.success() {
            true => Ok(started.elapsed()),
            false => Err(String::from_utf8_lossy(&done.stderr).into()),
        }
    }

    /// `locum serve`, its log in a new file, until it is ready; and how long that took.
    pub async fn serve(&self, cores: &Cores) -> Result<(Process, Duration), Failure> {
        self.serve_under(&[], cores).await
    }

    async fn serve_under(
        &self,
        under: &[&str],
        cores: &Cores,
    ) -> Result<(Process, Duration), Failure> {
        let mut command = self.command_under(under, "serve");
        command.stderr(File::create(self.folder.path().join("locum.log"))?);
        Process::start(cores, command, self.admin, "/readyz").await
    }

    /// The same, to be called.
    pub async fn start(&self, cores: &Cores) -> Result<Target, Failure> {
        self.start_under(&[], cores).await
    }

    /// The same, run by another program: its name and arguments.
    pub async fn start_under(&self, under: &[&str], cores: &Cores) -> Result<Target, Failure> {
        let (process, _) = self.serve_under(under, cores).await?;
        let name = self
            .binary
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let keys = self.keys.iter().map(|key| format!("Bearer {key}"));
        let load = self.kind.load(Load::new(self.mcp, keys));
        Ok(Target {
            name: match load.tenants() {
                1 => format!("{name}, one tenant"),
                tenants => format!("{name}, {tenants} tenants"),
            },
            process,
            load,
        })
    }

    fn command(&self, name: &str) -> Command {
        self.command_under(&[], name)
    }

    fn command_under(&self, under: &[&str], name: &str) -> Command {
        let mut words = under
            .iter()
            .map(OsStr::new)
            .chain([self.binary.as_os_str()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command
            .args(words)
            .arg(name)
            .current_dir(self.folder.path())
            .env_remove("LOCUM_CONFIG")
            .env_remove("LOCUM_MASTER_KEY")
            .envs(ALLOCATOR.map(|(name, ours)| (name, env::var_os(name).unwrap_or(ours.into()))))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
}

/// What commands do, as whoever runs them.
pub fn admin(app: &App) -> Admin {
    app.admin(Actor::Local {
        user: "bench".to_owned(),
    })
}

/// The name of a tenant's organization.
pub fn slug(tenant: usize) -> String {
    format!("clinic-{tenant}")
}

async fn enter_tenant(admin: &Admin, tenant: usize) -> Result<String, Failure> {
    let name = slug(tenant);
    let organization = OrganizationSlug::parse(&name)?;
    admin
        .create_organization(organization.clone(), &name)
        .await?;
    let input = CredentialInput {
        organization: organization.clone(),
        environment: Environment::parse(ENVIRONMENT)?,
        provider: PROVIDER.to_owned(),
        flow: None,
        issued: None,
        verify: false,
    };
    let fields = [
        ("client_id".to_owned(), name.clone().into()),
        ("client_secret".to_owned(), "synthetic-secret".into()),
    ];
    admin
        .set_credential(input, SecretFields::from(fields))
        .await?;
    let request = KeyRequest {
        name,
        grants: vec![GrantRequest::everything(organization)],
        expires: None,
    };
    let issued = admin.create_key(&request).await?;
    Ok(reveal(&issued.key).to_owned())
}
