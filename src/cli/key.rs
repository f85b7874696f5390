//! `locum key …`

use std::collections::BTreeSet;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{GrantRequest, KeyRequest, KeySummary};
use crate::domain::bearer_secret::reveal;
use crate::domain::clock::SharedClock;
use crate::domain::organization::OrganizationSlug;
use crate::domain::principal::Scope;
use crate::domain::tenant::Environment;
use crate::domain::tool::ToolName;
use crate::domain::units::parse_end;

#[derive(clap::Args)]
pub(super) struct Create {
    /// Who will use the key
    #[arg(long)]
    name: String,
    /// An organization that the key opens; repeat it for several
    #[arg(long, required = true)]
    org: Vec<OrganizationSlug>,
    /// An environment that the key opens; repeat it for several (or say --all-envs)
    #[arg(
        long,
        required_unless_present = "all_envs",
        conflicts_with = "all_envs"
    )]
    env: Vec<Environment>,
    /// The key opens every environment
    #[arg(long)]
    all_envs: bool,
    /// A tool that the key may call; repeat it for several; all when left out
    #[arg(long)]
    tool: Vec<ToolName>,
    /// Only tools that read
    #[arg(long)]
    read_only: bool,
    /// When the key ends: a date (YYYY-MM-DD) or a duration from now (90d); never when left out
    #[arg(long)]
    expires: Option<String>,
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Issue a key; it is shown this once
    Create(Create),
    /// List all keys
    List,
    /// Revoke a key: refused everywhere within a second
    Revoke {
        /// The key's id
        id: String,
    },
}

pub(super) async fn run(
    command: Command,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let app = context.open().await?;
    let admin = app.admin(context.actor());
    match command {
        Command::Create(args) => {
            let issued = admin.create_key(&request(args, &context.clock)?).await?;
            let mut data = serde_json::to_value(&issued.summary).unwrap_or_default();
            data["key"] = reveal(&issued.key).into();
            output.data(&data);
            output.say(&format!(
                "Key {} for {:?}, shown this once:\n{}",
                issued.summary.id,
                issued.summary.name,
                reveal(&issued.key)
            ));
        }
        Command::List => list(&admin.keys().await?, output),
        Command::Revoke { id } => {
            admin.revoke_key(&id).await?;
            output.data(&serde_json::json!({"id": id, "state": "revoked"}));
            output.say(&format!("Key {id} is revoked."));
        }
    }
    app.close().await;
    Ok(())
}

fn request(args: Create, clock: &SharedClock) -> Result<KeyRequest, CliError> {
    let expires = args
        .expires
        .as_deref()
        .map(|text| parse_end(text, clock.now()))
        .transpose()
        .map_err(|error| CliError::Usage(format!("--expires: {error}")))?;
    let environments = if args.all_envs {
        Scope::All
    } else {
        Scope::Only(args.env.into_iter().collect())
    };
    let tools = if args.tool.is_empty() {
        Scope::All
    } else {
        Scope::Only(args.tool.into_iter().collect())
    };
    // Naming an organization twice says no more than once.
    let organizations: BTreeSet<_> = args.org.into_iter().collect();
    let grant = |organization| GrantRequest {
        organization,
        environments: environments.clone(),
        tools: tools.clone(),
        read_only: args.read_only,
    };
    Ok(KeyRequest {
        name: args.name,
        grants: organizations.into_iter().map(grant).collect(),
        expires,
    })
}

fn list(keys: &[KeySummary], output: &Output) {
    output.list(keys, ["ID", "NAME", "STATE", "EXPIRES", "OPENS"], |key| {
        let grants: Vec<String> = key
            .grants
            .iter()
            .map(|grant| {
                let environments = grant.environments.as_ref().map_or("*".to_owned(), |names| {
                    names
                        .iter()
                        .map(Environment::as_str)
                        .collect::<Vec<_>>()
                        .join("+")
                });
                let tools = match (&grant.tools, grant.read_only) {
                    (None, false) => String::new(),
                    (None, true) => " (read-only)".to_owned(),
                    (Some(tools), false) => format!(" (tools: {})", tools.len()),
                    (Some(tools), true) => format!(" (tools: {}, read-only)", tools.len()),
                };
                format!("{}/{environments}{tools}", grant.organization)
            })
            .collect();
        [
            key.id.clone(),
            key.name.clone(),
            key.state.to_owned(),
            key.expires.map_or("never".to_owned(), |time| {
                time.strftime("%F %R").to_string()
            }),
            grants.join(", "),
        ]
    });
}
