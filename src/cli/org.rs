//! `locum org …`

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::domain::organization::{Organization, OrganizationSlug, OrganizationState};

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
    /// Change an organization
    Set {
        /// Its id
        id: OrganizationSlug,
        /// Its new name for people
        #[arg(long)]
        name: String,
    },
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

pub(super) async fn run(
    command: Command,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let app = context.open().await?;
    let admin = app.admin();
    match command {
        Command::Create { id, name } => {
            let organization = admin.create_organization(id, &name).await?;
            output.data(&organization);
            output.say(&format!("Organization `{}` created.", organization.slug));
        }
        Command::Set { id, name } => {
            let organization = admin.rename_organization(&id, &name).await?;
            output.data(&organization);
            output.say(&format!("Organization `{id}` is now called {name:?}."));
        }
        Command::List => list(&admin.organizations().await?, output),
        Command::Show { id } => {
            let organization = admin.organization(&id).await?;
            let credentials = admin.credentials(Some(&id)).await?;
            let mut data = serde_json::to_value(&organization).unwrap_or_default();
            data["credentials"] = serde_json::to_value(&credentials).unwrap_or_default();
            output.data(&data);
            if !output.json {
                list(&[organization], output);
                output.say("");
                super::credential::list(&credentials, output);
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
