//! `locum reminders …`: whether they arrive, and what became of them.

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{Admin, ReminderSummary};
use crate::domain::reminder::ReminderState;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Send a test through every channel; exit 1 if one fails
    Test,
    /// List what was sent, waits, was left out or given up, newest first
    List {
        /// Only those that were given up
        #[arg(long)]
        dead: bool,
        /// How many at most
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Let a dead reminder be tried again, with what went in the same message
    Retry {
        /// Its id
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
    let result = match command {
        Command::Test => test(&admin, output).await,
        Command::List { dead, limit } => {
            let state = dead.then_some(ReminderState::Dead);
            list(&admin.reminders(state, limit).await?, output);
            Ok(())
        }
        Command::Retry { id } => {
            let revived = admin.retry_reminder(&id).await?;
            output.data(&serde_json::json!({"id": id, "state": "pending", "reminders": revived}));
            output.say(&format!(
                "A running server sends {revived} again within a minute."
            ));
            Ok(())
        }
    };
    app.close().await;
    result
}

async fn test(admin: &Admin, output: &Output) -> Result<(), CliError> {
    let tests = admin.test_reminders().await?;
    output.list(&tests, ["CHANNEL", "RESULT", "DETAIL"], |test| {
        let result = if test.ok { "ok" } else { "FAILED" };
        [
            test.channel.clone(),
            result.to_owned(),
            test.message.clone(),
        ]
    });
    match tests.iter().all(|test| test.ok) {
        true => Ok(()),
        false => Err(CliError::Reported),
    }
}

fn list(reminders: &[ReminderSummary], output: &Output) {
    let columns = [
        "ID", "ORG", "WHAT", "REASON", "DAY", "CHANNEL", "STATE", "CREATED", "DETAIL",
    ];
    output.list(reminders, columns, |row| {
        let time = |time: jiff::Timestamp| time.strftime("%F %R").to_string();
        let detail = match (row.state, row.sent_at, row.next_attempt) {
            (ReminderState::Sent, Some(at), _) => format!("at {}", time(at)),
            (ReminderState::Pending, _, Some(next)) if row.attempts > 0 => {
                let error = row.last_error.as_deref().unwrap_or_default();
                format!("{} attempts, next {}: {error}", row.attempts, time(next))
            }
            _ => row.last_error.clone().unwrap_or_default(),
        };
        [
            row.id.clone(),
            row.organization.clone().unwrap_or_else(|| "-".to_owned()),
            row.what.clone().unwrap_or_else(|| row.subject.clone()),
            row.reason.to_string(),
            format!("{:+}", -row.threshold),
            row.channel.clone(),
            row.state.as_str().to_owned(),
            time(row.created_at),
            detail,
        ]
    });
}
