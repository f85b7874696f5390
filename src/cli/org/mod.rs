//! `locum org …`

mod delete;
mod settings;

use settings::{NamedValue, ToolList};

use crate::admin::{Admin, LimitChange, LimitSummary, OrganizationChange};
use crate::cli::CliError;
use crate::cli::context::Context;
use crate::cli::output::Output;
use crate::domain::limits::LimitSetting;
use crate::domain::organization::{Organization, OrganizationSlug, OrganizationState};
use crate::domain::tenant::Environment;

#[derive(clap::Subcommand)]
pub(in crate::cli) enum Command {
    /// Add an organization
    Create {
        /// Its id: a-z, 0-9 and -, at most 63 characters; what the tenant header carries
        id: OrganizationSlug,
        /// Its name for people
        #[arg(long)]
        name: String,
    },
    /// Change an organization: its name, or its limits, tools and values in an environment
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
    /// Delete an organization, its credentials and what else is its own, for good
    Delete(delete::Args),
}

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("change").multiple(true).required(true))]
#[command(group = clap::ArgGroup::new("tenant").multiple(true).requires("env"))]
pub(in crate::cli) struct SetArgs {
    /// Its id
    id: OrganizationSlug,
    /// Its new name for people
    #[arg(long, group = "change")]
    name: Option<String>,
    /// The environment that limits, tools and values are for
    #[arg(long, requires = "tenant")]
    env: Option<Environment>,
    /// Upstream requests in any 60 seconds: a number, `off`, or `default`
    #[arg(long, value_name = "LIMIT", groups = ["change", "tenant"])]
    per_minute: Option<LimitSetting>,
    /// Upstream requests from midnight to midnight UTC
    #[arg(long, value_name = "LIMIT", groups = ["change", "tenant"])]
    per_day: Option<LimitSetting>,
    /// Calls at their upstreams at a time; others wait for their turn
    #[arg(long, value_name = "LIMIT", groups = ["change", "tenant"])]
    concurrency: Option<LimitSetting>,
    /// The tools that it has: names with commas between them, `all`, or `none`
    #[arg(long, value_name = "TOOLS", groups = ["change", "tenant"])]
    allow_tools: Option<ToolList>,
    /// Tools that it does not have, whatever else is said: names with commas, or `none`
    #[arg(long, value_name = "TOOLS", groups = ["change", "tenant"])]
    deny_tools: Option<ToolList>,
    /// Whether it has only tools that read
    #[arg(long, value_name = "BOOL", groups = ["change", "tenant"])]
    read_only: Option<bool>,
    /// A value that profiles see as $org.settings.NAME, repeatable; `NAME=` takes it away. No secrets
    #[arg(long, value_name = "NAME=VALUE", groups = ["change", "tenant"])]
    value: Vec<NamedValue>,
}

pub(in crate::cli) async fn run(
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
            let detail = admin.organization_detail(&id).await?;
            output.data(&detail);
            if !output.json {
                list(&[detail.organization], output);
                output.say("");
                crate::cli::credential::list(&detail.credentials, output);
                output.say("");
                list_limits(&detail.limits, output);
                output.say("");
                settings::list(&detail.settings, output);
            }
        }
        Command::Suspend { id } => {
            set_state(&admin, &id, OrganizationState::Suspended, output).await?;
            output.say(&format!(
                "Organization `{id}` is suspended: its calls are refused."
            ));
        }
        Command::Resume { id } => {
            set_state(&admin, &id, OrganizationState::Active, output).await?;
            output.say(&format!("Organization `{id}` is served again."));
        }
        Command::Delete(args) => delete::run(&args, &admin, output).await?,
    }
    app.close().await;
    Ok(())
}

async fn set(args: &SetArgs, admin: &Admin, output: &Output) -> Result<(), CliError> {
    let id = &args.id;
    let limits = LimitChange {
        per_minute: args.per_minute,
        per_day: args.per_day,
        concurrency: args.concurrency,
    };
    let settings = settings::change(args)?;
    let limits = (!limits.is_empty()).then_some(limits);
    let settings = (!settings.is_empty()).then_some(settings);
    let env = args.env.clone();
    let change = OrganizationChange {
        name: args.name.clone(),
        state: None,
        limits: env.clone().zip(limits).into_iter().collect(),
        settings: env.zip(settings).into_iter().collect(),
    };
    admin.change_organization(id, &change).await?;
    let detail = admin.organization_detail(id).await?;
    if let Some(name) = &args.name {
        output.say(&format!("Organization `{id}` is now called {name:?}."));
    }
    if args.env.is_some() {
        list_limits(&detail.limits, output);
        settings::list(&detail.settings, output);
    }
    output.data(&detail);
    Ok(())
}

async fn set_state(
    admin: &Admin,
    id: &OrganizationSlug,
    state: OrganizationState,
    output: &Output,
) -> Result<(), CliError> {
    let change = OrganizationChange {
        state: Some(state),
        ..OrganizationChange::default()
    };
    admin.change_organization(id, &change).await?;
    output.data(&admin.organization(id).await?);
    Ok(())
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
