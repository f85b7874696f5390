//! `locum org …`

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{Admin, LimitChange, LimitSummary};
use crate::domain::credential::CredentialMetadata;
use crate::domain::limits::LimitSetting;
use crate::domain::organization::{Organization, OrganizationSlug, OrganizationState};
use crate::domain::tenant::Environment;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Add an organization
    Create {
        /// Its id: a-z, 0-9 and -, at most 63 characters; what the tenant header carries
        id: OrganizationSlug,
        /// Its name for people
        #[arg(long)]
        name: String,
    },
    /// Change an organization: its name, or its limits in an environment
    Set(SetArgs),
    /// List all organizations
    List,
    /// Show one organization and its credentials
    Show {
        /// Its id
        id: OrganizationSlug,
    },
    /// Stop serving an organization; nothing is lost
    Suspend {
        /// Its id
        id: OrganizationSlug,
    },
    /// Serve a suspended organization again
    Resume {
        /// Its id
        id: OrganizationSlug,
    },
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("change").multiple(true).required(true))]
#[command(group = clap::ArgGroup::new("limits").multiple(true).requires("env"))]
pub(super) struct SetArgs {
    /// Its id
    id: OrganizationSlug,
    /// Its new name for people
    #[arg(long, group = "change")]
    name: Option<String>,
    /// The environment that the limits are for
    #[arg(long, requires = "limits")]
    env: Option<Environment>,
    /// Upstream requests in any 60 seconds: a number, `off`, or `default`
    #[arg(long, value_name = "LIMIT", groups = ["change", "limits"])]
    per_minute: Option<LimitSetting>,
    /// Upstream requests from midnight to midnight UTC
    #[arg(long, value_name = "LIMIT", groups = ["change", "limits"])]
    per_day: Option<LimitSetting>,
    /// Calls at their upstreams at a time; others wait for their turn
    #[arg(long, value_name = "LIMIT", groups = ["change", "limits"])]
    concurrency: Option<LimitSetting>,
}

pub(super) async fn run(
    command: Command,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let app = context.open().await?;
    let admin = app.admin(context.actor());
    match command {
        Command::Create { id, name } => {
            let organization = admin.create_organization(id, &name).await?;
            output.data(&organization);
            output.say(&format!("Organization `{}` created.", organization.slug));
        }
        Command::Set(args) => set(&args, &admin, output).await?,
        Command::List => list(&admin.organizations().await?, output),
        Command::Show { id } => {
            let organization = admin.organization(&id).await?;
            let credentials = admin.credentials(Some(&id)).await?;
            let data = shown(&admin, &organization, &credentials).await?;
            output.data(&data);
            if !output.json {
                list(&[organization], output);
                output.say("");
                super::credential::list(&credentials, output);
                output.say("");
                list_limits(&admin.limits(&id).await?, output);
            }
        }
        Command::Suspend { id } => {
            let state = OrganizationState::Suspended;
            output.data(&admin.set_organization_state(&id, state).await?);
            output.say(&format!(
                "Organization `{id}` is suspended: its calls are refused."
            ));
        }
        Command::Resume { id } => {
            output.data(
                &admin
                    .set_organization_state(&id, OrganizationState::Active)
                    .await?,
            );
            output.say(&format!("Organization `{id}` is served again."));
        }
    }
    app.close().await;
    Ok(())
}

async fn set(args: &SetArgs, admin: &Admin, output: &Output) -> Result<(), CliError> {
    let id = &args.id;
    if let Some(name) = &args.name {
        admin.rename_organization(id, name).await?;
        output.say(&format!("Organization `{id}` is now called {name:?}."));
    }
    if let Some(env) = &args.env {
        let change = LimitChange {
            per_minute: args.per_minute,
            per_day: args.per_day,
            concurrency: args.concurrency,
        };
        let limits = admin.set_limits(id, env, change).await?;
        list_limits(&[limits], output);
    }
    let organization = admin.organization(id).await?;
    let credentials = admin.credentials(Some(id)).await?;
    output.data(&shown(admin, &organization, &credentials).await?);
    Ok(())
}

/// Everything about an organization.
async fn shown(
    admin: &Admin,
    organization: &Organization,
    credentials: &[CredentialMetadata],
) -> Result<serde_json::Value, CliError> {
    let mut data = serde_json::to_value(organization).unwrap_or_default();
    data["credentials"] = serde_json::to_value(credentials).unwrap_or_default();
    let limits = admin.limits(&organization.slug).await?;
    data["limits"] = serde_json::to_value(&limits).unwrap_or_default();
    Ok(data)
}

/// Nothing where the configuration's defaults hold.
fn list_limits(limits: &[LimitSummary], output: &Output) {
    if output.json || limits.is_empty() {
        return;
    }
    let head = ["ENVIRONMENT", "PER MINUTE", "PER DAY", "CONCURRENCY"];
    output.list(limits, head, |limit| {
        let settings = limit.settings;
        [
            limit.environment.to_string(),
            settings.per_minute.to_string(),
            settings.per_day.to_string(),
            settings.concurrency.to_string(),
        ]
    });
}

fn list(organizations: &[Organization], output: &Output) {
    output.list(
        organizations,
        ["ID", "NAME", "STATE", "CREATED"],
        |organization| {
            [
                organization.slug.to_string(),
                organization.name.clone(),
                organization.state.as_str().to_owned(),
                organization.created_at.strftime("%Y-%m-%d").to_string(),
            ]
        },
    );
}
