//! `locum org delete`: asks before, and shows the receipt.

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use crate::admin::{Admin, Patience, Receipt};
use crate::cli::CliError;
use crate::cli::output::Output;
use crate::domain::organization::OrganizationSlug;

/// Attempts to empty the database's log, and the pause between two of them.
const ATTEMPTS: u32 = 40;
const PAUSE: Duration = Duration::from_millis(250);

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Its id
    id: OrganizationSlug,
    /// Its id once more, instead of being asked for it
    #[arg(long, value_name = "ID")]
    confirm: Option<OrganizationSlug>,
}

pub(super) async fn run(args: &Args, admin: &Admin, output: &Output) -> Result<(), CliError> {
    let organization = admin.organization(&args.id).await?;
    confirm(args, &organization.name, output)?;
    let patience = Patience {
        attempts: ATTEMPTS,
        pause: || tokio::time::sleep(PAUSE),
    };
    let receipt = admin.delete_organization(&args.id, patience).await?;
    output.data(&receipt);
    output.say(&shown(&receipt));
    Ok(())
}

fn confirm(args: &Args, name: &str, output: &Output) -> Result<(), CliError> {
    let id = &args.id;
    let said = match &args.confirm {
        Some(said) => said.to_string(),
        None if std::io::stdin().is_terminal() => {
            output.notice(&format!(
                "This deletes {name:?}, its credentials and its keys for good. To go on, type its \
                 id, {id}:"
            ));
            let mut line = String::new();
            let read = std::io::stdin().lock().read_line(&mut line);
            read.map_err(|error| CliError::Failed(format!("standard input: {error}")))?;
            line.trim().to_owned()
        }
        None => {
            let message = format!("this deletes {name:?} for good; to go on, add --confirm {id}");
            return Err(CliError::Usage(message));
        }
    };
    match said == id.as_str() {
        true => Ok(()),
        false => Err(CliError::Usage(format!(
            "nothing was deleted: `{said}` is not `{id}`"
        ))),
    }
}

fn shown(receipt: &Receipt) -> String {
    let Receipt {
        organization,
        uuid,
        name,
        removed,
        ..
    } = receipt;
    let list = |ids: &[String]| match ids {
        [] => "none".to_owned(),
        ids => ids.join(", "),
    };
    let log = match receipt.log_emptied {
        true => "emptied",
        false => {
            "NOT emptied, because somebody is reading in it: it has bytes of what was removed \
             until a running server, which tries every minute, has emptied it, or has stopped"
        }
    };
    format!(
        "Organization `{organization}` ({name:?}, {}) is deleted.\n\
         \x20 removed         {} organization keys, {} credential versions with {} sealed values,\n\
         \x20                 {} grants, {} limits, {} settings, {} days of usage, {} reminders\n\
         \x20 revoked         gateway keys: {}; admin tokens: {}\n\
         \x20 write-ahead log {log}\n\
         \x20 audit record    {} at {}, by {}\n{}",
        uuid.0,
        removed.organization_keys,
        removed.credential_versions,
        removed.sealed_fields,
        removed.grants,
        removed.limits,
        removed.settings,
        removed.days_of_usage,
        removed.reminders,
        list(&receipt.revoked_keys),
        list(&receipt.revoked_tokens),
        receipt.audit_seq,
        receipt.deleted_at,
        receipt.deleted_by,
        receipt.note,
    )
}
