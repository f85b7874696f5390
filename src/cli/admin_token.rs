//! `locum admin-token …`

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{TokenRequest, TokenSummary};
use crate::domain::actor::Role;
use crate::domain::bearer_secret::reveal;
use crate::domain::organization::OrganizationSlug;
use crate::domain::units::parse_end;

#[derive(clap::Args)]
pub(super) struct Create {
    /// What it may do: `owner` everything, `operator` change organizations, credentials and keys,
    /// `auditor` read
    #[arg(long)]
    role: Role,
    /// The one organization that it is for; all when left out
    #[arg(long)]
    org: Option<OrganizationSlug>,
    /// Who will use it: stands beside what is entered with it
    #[arg(long, default_value = "")]
    name: String,
    /// When it ends: a date (YYYY-MM-DD) or a duration from now (90d); never when left out
    #[arg(long)]
    expires: Option<String>,
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Issue a token for the admin API; it is shown this once
    Create(Create),
    /// List all tokens
    List,
    /// Revoke a token: refused from now on
    Revoke {
        /// The token's id
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
            let issued = admin.create_token(&request(args, context)?).await?;
            let mut data = serde_json::to_value(&issued.summary).unwrap_or_default();
            data["token"] = reveal(&issued.token).into();
            output.data(&data);
            output.say(&format!(
                "Admin token {} ({}), shown this once:\n{}",
                issued.summary.id,
                issued.summary.role,
                reveal(&issued.token)
            ));
        }
        Command::List => list(&admin.tokens().await?, output),
        Command::Revoke { id } => {
            admin.revoke_token(&id).await?;
            output.data(&serde_json::json!({"id": id, "state": "revoked"}));
            output.say(&format!("Admin token {id} is revoked."));
        }
    }
    app.close().await;
    Ok(())
}

fn request(args: Create, context: &Context) -> Result<TokenRequest, CliError> {
    let now = context.clock.now();
    let end = args.expires.map(|text| parse_end(&text, now)).transpose();
    Ok(TokenRequest {
        name: args.name,
        role: args.role,
        organization: args.org,
        expires: end.map_err(|error| CliError::Usage(format!("--expires: {error}")))?,
    })
}

fn list(tokens: &[TokenSummary], output: &Output) {
    let columns = ["ID", "ROLE", "FOR", "NAME", "STATE", "EXPIRES", "MADE BY"];
    output.list(tokens, columns, |token| {
        let all = "all organizations";
        [
            token.id.clone(),
            token.role.to_string(),
            token.organization.as_deref().unwrap_or(all).to_owned(),
            token.name.clone(),
            token.state.to_owned(),
            token.expires.map_or("never".to_owned(), |time| {
                time.strftime("%F %R").to_string()
            }),
            token.created_by.clone(),
        ]
    });
}
