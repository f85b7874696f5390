//! The gateway as an operator has it: an installation in a folder, served by the real binary with
//! the log at its default level in a file.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

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

use crate::Failure;
use crate::process::free_address;

const PROVIDER: &str = "eka-care";
const ENVIRONMENT: &str = "prod";

/// An installation that a gateway can be started in.
pub struct Installation {
    binary: PathBuf,
    folder: TempDir,
    pub address: SocketAddr,
    /// One a tenant.
    pub keys: Vec<String>,
}

impl Installation {
    /// `locum init`, then organizations with a credential and a key each.
    pub async fn make(
        binary: &Path,
        upstream: SocketAddr,
        tenants: usize,
    ) -> Result<Self, Failure> {
        let mut installation = Self {
            binary: binary.to_owned(),
            folder: tempfile::tempdir()?,
            address: free_address()?,
            keys: Vec::new(),
        };
        let made = installation.command("init").output().await?;
        if !made.status.success() {
            return Err(String::from_utf8_lossy(&made.stderr).into());
        }
        let config = installation.folder.path().join("locum.toml");
        let text = format!(
            "[server]\nlisten = \"{}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [providers.{PROVIDER}.environments.{ENVIRONMENT}]\nbase_url = \"http://{upstream}\"\n",
            installation.address
        );
        std::fs::write(&config, text)?;
        let loaded = Loaded::read(&config, [])?;
        let app = App::open(loaded, &Surroundings::default(), Arc::new(SystemClock)).await?;
        let admin = app.admin(Actor::Local {
            user: "bench".to_owned(),
        });
        for tenant in 0..tenants {
            let key = enter_tenant(&admin, tenant).await?;
            installation.keys.push(key);
        }
        app.close().await;
        Ok(installation)
    }

    /// `locum serve`, its log in a new file.
    pub fn serve(&self) -> Result<Command, Failure> {
        let mut command = self.command("serve");
        command.stderr(File::create(self.folder.path().join("locum.log"))?);
        Ok(command)
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg(name)
            .current_dir(self.folder.path())
            .env_remove("LOCUM_CONFIG")
            .env_remove("LOCUM_MASTER_KEY")
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        command
    }
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
