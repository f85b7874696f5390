//! `locum demo`: everything in one process and a temporary folder, gone with Ctrl-C.

use std::net::SocketAddr;
use std::path::Path;

use secrecy::SecretString;
use serde::Serialize;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::context::Context;
use super::output::Output;
use super::serve::StopSignal;
use super::{CliError, telemetry};
use crate::admin::{Admin, CredentialInput, GrantRequest, KeyRequest};
use crate::app::{self, App, Running};
use crate::config::Loaded;
use crate::domain::bearer_secret::reveal;
use crate::domain::credential::SecretFields;
use crate::domain::organization::OrganizationSlug;
use crate::domain::tenant::Environment;
use crate::sandbox::{self, Sandbox, Settings};

const PROVIDER: &str = "eka-care";
const ORGANIZATIONS: [(&str, &str); 2] = [
    ("north-clinic", "North Clinic"),
    ("south-clinic", "South Clinic"),
];
const ENVIRONMENTS: [&str; 2] = ["dev", "prod"];

#[derive(clap::Args)]
pub(super) struct Args {
    /// Where the gateway listens; another free port is taken when this one is in use
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
}

#[derive(Serialize)]
struct DemoKey {
    name: &'static str,
    organizations: Vec<String>,
    key: String,
}

pub(super) async fn run(args: Args, context: &Context, output: &Output) -> Result<(), CliError> {
    let stop_signal = StopSignal::catch()?;
    let folder = tempfile::Builder::new()
        .prefix("locum-demo-")
        .tempdir()
        .map_err(|error| CliError::Failed(format!("no temporary folder: {error}")))?;
    let (stop, signal) = watch::channel(false);
    let upstream = start_sandbox(context, signal).await?;
    let app = open(folder.path(), args.listen, upstream, context).await?;
    let keys = fill(&app.admin(context.actor())).await?;
    let running = app.start().await?;
    print(&running, upstream, &folder, &keys, output);
    let _log = telemetry::start_serving(&running.app().loaded.config.log)?;
    stop_signal.wait().await;
    output.say("\nStopping; the temporary folder goes with it.");
    let _ = stop.send(true);
    running
        .stop()
        .await
        .map_err(|error| CliError::Failed(format!("stopping: {error}")))?;
    folder
        .close()
        .map_err(|error| CliError::Failed(format!("temporary folder: {error}")))
}

async fn start_sandbox(
    context: &Context,
    mut stop: watch::Receiver<bool>,
) -> Result<SocketAddr, CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("sandbox: {error}"));
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let sandbox = Sandbox::new(Settings::default(), context.clock.clone());
    tokio::spawn(sandbox::serve(listener, sandbox, async move {
        let _ = stop.wait_for(|stop| *stop).await;
    }));
    Ok(address)
}

async fn open(
    folder: &Path,
    listen: SocketAddr,
    upstream: SocketAddr,
    context: &Context,
) -> Result<App, CliError> {
    let installed = app::install(&folder.join("locum.toml"), [], &context.clock).await?;
    let listen = free_or_any(listen).await;
    let mut text = format!("[server]\nlisten = \"{listen}\"\n[admin]\nlisten = \"127.0.0.1:0\"\n");
    for environment in ENVIRONMENTS {
        text.push_str(&format!(
            "[providers.{PROVIDER}.environments.{environment}]\nbase_url = \"http://{upstream}\"\n"
        ));
    }
    context
        .open_loaded(Loaded::parse(&installed.config, &text, [])?)
        .await
}

async fn free_or_any(wanted: SocketAddr) -> SocketAddr {
    match TcpListener::bind(wanted).await {
        Ok(_) => wanted,
        Err(_) => SocketAddr::new(wanted.ip(), 0),
    }
}

async fn fill(admin: &Admin) -> Result<Vec<DemoKey>, CliError> {
    let mut slugs = Vec::new();
    for (id, name) in ORGANIZATIONS {
        let slug = OrganizationSlug::parse(id).map_err(|e| CliError::Failed(e.to_string()))?;
        admin.create_organization(slug.clone(), name).await?;
        for environment in ENVIRONMENTS {
            add_credential(admin, &slug, environment).await?;
        }
        slugs.push(slug);
    }
    let [north, south] = [&slugs[0], &slugs[1]];
    let mut keys = Vec::new();
    for (name, organizations) in [
        ("north", vec![north.clone()]),
        ("south", vec![south.clone()]),
        ("both", vec![north.clone(), south.clone()]),
    ] {
        let request = KeyRequest {
            name: format!("demo {name}"),
            grants: organizations
                .iter()
                .cloned()
                .map(GrantRequest::everything)
                .collect(),
            expires: None,
        };
        let issued = admin.create_key(&request).await?;
        keys.push(DemoKey {
            name,
            organizations: organizations.iter().map(ToString::to_string).collect(),
            key: reveal(&issued.key).to_owned(),
        });
    }
    Ok(keys)
}

async fn add_credential(
    admin: &Admin,
    slug: &OrganizationSlug,
    environment: &str,
) -> Result<(), CliError> {
    let input = CredentialInput {
        organization: slug.clone(),
        environment: Environment::parse(environment)
            .map_err(|error| CliError::Failed(error.to_string()))?,
        provider: PROVIDER.to_owned(),
        flow: None,
        issued: None,
        verify: false,
    };
    let fields = SecretFields::from([
        (
            "client_id".to_owned(),
            SecretString::from(format!("{slug}-{environment}")),
        ),
        (
            "client_secret".to_owned(),
            SecretString::from(format!("demo-{slug}-{environment}")),
        ),
    ]);
    admin.set_credential(input, fields).await?;
    Ok(())
}

fn print(
    running: &Running,
    upstream: SocketAddr,
    folder: &TempDir,
    keys: &[DemoKey],
    output: &Output,
) {
    let url = format!("http://{}", running.mcp);
    output.data(&serde_json::json!({
        "url": format!("{url}/mcp"),
        "admin_url": format!("http://{}", running.admin),
        "sandbox_url": format!("http://{upstream}"),
        "headers": {"organization": "X-Tenant-Id", "environment": "X-Tenant-Env"},
        "organizations": ORGANIZATIONS.map(|(id, _)| id),
        "environments": ENVIRONMENTS,
        "keys": keys,
    }));
    let both = keys.last().map(|key| key.key.as_str()).unwrap_or_default();
    let lines: Vec<String> = keys
        .iter()
        .map(|key| format!("  {:<28} {}", key.organizations.join(", "), key.key))
        .collect();
    output.say(&format!(
        "Locum demo: gateway {url}/mcp, sandbox upstream http://{upstream}, data in {}\n\n\
         Organizations north-clinic and south-clinic, environments dev and prod. Gateway keys:\n\
         {}\n\n\
         Paste this: the key opens both organizations, so the headers choose.\n\n{}\n\n\
         Change X-Tenant-Id to south-clinic and other patients answer; leave it out and the\n\
         gateway asks which one. Clients that cannot set headers use the path instead:\n  \
         {url}/t/north-clinic/dev/mcp\n\n\
         Claude Code:\n  claude mcp add --transport http locum {url}/t/north-clinic/dev/mcp \\\n    \
         --header \"Authorization: Bearer {both}\"\n\n\
         Cursor, VS Code and others: {{\"url\": \"{url}/t/north-clinic/dev/mcp\",\n    \
         \"headers\": {{\"Authorization\": \"Bearer {both}\"}}}}\n\n\
         Ctrl-C ends it and leaves nothing behind. The log follows.\n",
        folder.path().display(),
        lines.join("\n"),
        curl(&url, both),
    ));
}

fn curl(url: &str, key: &str) -> String {
    format!(
        "curl -s {url}/mcp -H 'Authorization: Bearer {key}' \\\n  \
         -H 'X-Tenant-Id: north-clinic' -H 'X-Tenant-Env: dev' \
         -H 'Content-Type: application/json' \\\n  \
         -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\
         \"params\":{{\"name\":\"search_patients\",\"arguments\":{{\"prefix\":\"a\"}}}}}}'"
    )
}
