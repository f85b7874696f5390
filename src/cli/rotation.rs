//! `locum rotation …`: which credentials and keys somebody has to look after, and when.

use std::path::PathBuf;
use std::time::Duration;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::domain::notice::DueItem;
use crate::domain::reminder::ReminderReason;
use crate::domain::units::parse_duration;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// List what is due, overdue, never verified, refused, and keys and admin tokens that end
    Due {
        /// How far to look ahead, such as 30d; as far as reminders do when left out
        #[arg(long, value_parser = parse_duration)]
        within: Option<Duration>,
        /// Only what this person entered, and admin tokens of this name; without --within all of
        /// it, for the day when they leave
        #[arg(long, value_name = "WHO")]
        set_by: Option<String>,
    },
    /// Print a calendar (.ics) with the day of every credential, key and admin token
    Calendar {
        /// Write it to this file
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
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
        Command::Due { within, set_by } => {
            let due = admin.rotation_due(within, set_by.as_deref()).await?;
            list(&due, output);
        }
        Command::Calendar { output: file } => {
            if output.json {
                let all = admin.rotation_due(Some(Duration::MAX), None).await?;
                list(&all, output);
            }
            let text = admin.calendar().await?;
            match file {
                Some(file) => std::fs::write(&file, text)
                    .map_err(|error| CliError::Failed(format!("{}: {error}", file.display())))?,
                None => output.say(text.trim_end()),
            }
        }
    }
    app.close().await;
    Ok(())
}

fn list(due: &[DueItem], output: &Output) {
    if due.is_empty() && !output.json {
        output.say("Nothing is due.");
        return;
    }
    let columns = [
        "ORG",
        "ENV",
        "PROVIDER",
        "WHAT",
        "AGE",
        "DUE",
        "STATE",
        "ENTERED BY",
    ];
    output.list(due, columns, |item| {
        [
            match item.organizations.is_empty() {
                true => "all".to_owned(),
                false => item.organizations.join(","),
            },
            item.environment.clone().unwrap_or_else(dash),
            item.provider.clone().unwrap_or_else(dash),
            match item.reason {
                ReminderReason::KeyExpiry => format!("key {}", item.named()),
                ReminderReason::TokenExpiry => format!("admin token {}", item.named()),
                _ => format!("version {}", item.version.unwrap_or_default()),
            },
            format!("{}d", item.age_days),
            item.due
                .map_or_else(dash, |due| due.strftime("%F").to_string()),
            state(item),
            item.entered_by.clone(),
        ]
    });
}

fn state(item: &DueItem) -> String {
    match item.days_left {
        Some(0) => format!("{} (today)", item.urgency.as_str()),
        Some(days) if days < 0 => format!("{} ({} d ago)", item.urgency.as_str(), -days),
        Some(days) => format!("{} (in {days} d)", item.urgency.as_str()),
        None => item.urgency.as_str().to_owned(),
    }
}

fn dash() -> String {
    "-".to_owned()
}
