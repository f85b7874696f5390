//! `locum key …`

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{Admin, GrantRequest, IssuedKey, KeyRequest, KeySummary};
use crate::domain::bearer_secret::reveal;
use crate::domain::clock::SharedClock;
use crate::domain::organization::OrganizationSlug;
use crate::domain::principal::Scope;
use crate::domain::tenant::Environment;
use crate::domain::tool::ToolName;
use crate::domain::units::{parse_duration, parse_end};

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
    /// Issue a key in place of another, with the same name and grants; both work for a while
    Roll {
        /// The key's id
        id: String,
        /// How long the present key still works: 7d, 12h; 0s ends it at once
        #[arg(long, value_parser = parse_duration)]
        grace: Duration,
        /// When the new key ends: a date (YYYY-MM-DD) or a duration from now (90d); when left out,
        /// it lives as long as the present one was to
        #[arg(long)]
        expires: Option<String>,
    },
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
    let result = act(command, &admin, context, output).await;
    app.close().await;
    result
}

async fn act(
    command: Command,
    admin: &Admin,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    match command {
        Command::Create(args) => {
            let issued = admin.create_key(&request(args, &context.clock)?).await?;
            show_once(&issued, output);
        }
        Command::List => list(&admin.keys().await?, output),
        Command::Roll { id, grace, expires } => {
            let expires = end(expires.as_deref(), &context.clock)?;
            let issued = admin.roll_key(&id, grace, expires).await?;
            show_once(&issued, output);
            output.say(&format!(
                "It takes the place of {id}, which {}.",
                end_of(&id, admin).await?
            ));
        }
        Command::Revoke { id } => {
            admin.revoke_key(&id).await?;
            output.data(&serde_json::json!({"id": id, "state": "revoked"}));
            output.say(&format!("Key {id} is revoked."));
        }
    }
    Ok(())
}

fn show_once(issued: &IssuedKey, output: &Output) {
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

/// Until when a key that was rolled works.
async fn end_of(id: &str, admin: &Admin) -> Result<String, CliError> {
    let rolled = admin.keys().await?.into_iter().find(|key| key.id == id);
    Ok(
        match rolled
            .filter(|key| key.state == "active")
            .and_then(|key| key.expires)
        {
            Some(end) => format!("works until {}", end.strftime("%F %R UTC")),
            None => "is revoked".to_owned(),
        },
    )
}

fn end(text: Option<&str>, clock: &SharedClock) -> Result<Option<Timestamp>, CliError> {
    let end = text.map(|text| parse_end(text, clock.now())).transpose();
    end.map_err(|error| CliError::Usage(format!("--expires: {error}")))
}

fn request(args: Create, clock: &SharedClock) -> Result<KeyRequest, CliError> {
    let expires = end(args.expires.as_deref(), clock)?;
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
                let ends = match (grant.revoked, grant.ends) {
                    (true, _) => " (revoked)".to_owned(),
                    (false, Some(end)) => format!(" (until {})", end.strftime("%F %R")),
                    (false, None) => String::new(),
                };
                format!("{}/{environments}{tools}{ends}", grant.organization)
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
