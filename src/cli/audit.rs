//! `locum audit …`

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::ValueEnum;
use jiff::Timestamp;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{
    Admin, AuditEntry, AuditFilter, AuditOrder, Checkpoint, CheckpointVerdict, ExportFormat,
    MAX_AUDIT_PAGE, Verification,
};
use crate::domain::units::parse_time;

/// How often `--follow` looks for new records.
const PERIOD: Duration = Duration::from_millis(500);

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show the last records
    Tail(TailArgs),
    /// Check that nothing in the log was changed, removed, inserted or reordered
    Verify {
        /// A checkpoint that was kept elsewhere: shows whether the end was cut off
        #[arg(long, value_name = "FILE")]
        checkpoint: Option<PathBuf>,
    },
    /// Write records to a file or to standard output
    Export(ExportArgs),
    /// Remove records that `audit.retention` does not cover, however many are old at once
    Retain {
        /// Those from before this date or time
        #[arg(long, value_parser = parse_time, value_name = "TIME")]
        before: Timestamp,
    },
    /// Sign the end of the log; keep the result elsewhere
    Checkpoint {
        /// Where to write it; standard output when left out
        #[arg(long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
}

#[derive(clap::Args)]
pub(super) struct TailArgs {
    /// How many
    #[arg(short = 'n', long, default_value_t = 50, value_name = "N")]
    lines: u32,
    /// Wait for more, until interrupted
    #[arg(long)]
    follow: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(clap::Args)]
pub(super) struct ExportArgs {
    #[arg(long)]
    format: Format,
    /// Where to write it, a new file; standard output when left out
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    filter: FilterArgs,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

#[derive(clap::Args)]
struct FilterArgs {
    /// Records of this organization: its id, or its UUID
    #[arg(long)]
    org: Option<String>,
    /// Records of this environment
    #[arg(long)]
    env: Option<String>,
    /// Records of this provider
    #[arg(long)]
    provider: Option<String>,
    /// Records of whom: local:USER, token:ID, key:ID, locum
    #[arg(long)]
    actor: Option<String>,
    /// Records of what: credential.set, `call *`
    #[arg(long)]
    action: Option<String>,
    /// ok, or the code of a failure
    #[arg(long)]
    outcome: Option<String>,
    /// Not before this date or time
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    since: Option<Timestamp>,
    /// Before this date or time
    #[arg(long, value_parser = parse_time, value_name = "TIME")]
    until: Option<Timestamp>,
}

impl From<FilterArgs> for AuditFilter {
    fn from(args: FilterArgs) -> Self {
        Self {
            organization: args.org,
            environment: args.env,
            provider: args.provider,
            actor: args.actor,
            action: args.action,
            outcome: args.outcome,
            since: args.since,
            until: args.until,
        }
    }
}

pub(super) async fn run(
    command: Command,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let app = context.open().await?;
    let admin = app.admin(context.actor());
    let result = match command {
        Command::Tail(args) => tail(args, &admin, output).await,
        Command::Verify { checkpoint } => verify(checkpoint.as_deref(), &admin, output).await,
        Command::Export(args) => export(args, &admin, output).await,
        Command::Retain { before } => {
            let retention = app.loaded.config.audit.retention;
            retain(before, retention, &admin, output).await
        }
        Command::Checkpoint { output: file } => {
            let checkpoint = admin.audit_checkpoint().await?;
            let text = serde_json::to_string_pretty(&checkpoint).unwrap_or_default() + "\n";
            put(file.as_deref(), &text, output)
        }
    };
    app.close().await;
    result
}

async fn tail(args: TailArgs, admin: &Admin, output: &Output) -> Result<(), CliError> {
    let filter = AuditFilter::from(args.filter);
    let wanted = usize::try_from(args.lines).unwrap_or(usize::MAX);
    // Before the records are read: none is missed between.
    let of_organization = AuditFilter {
        organization: filter.organization.clone(),
        ..AuditFilter::default()
    };
    let last = admin.audit_search(&of_organization).await?;
    let last = last.page(AuditOrder::NewestFirst(None), 1).await?;
    let search = admin.audit_search(&filter).await?;
    let mut seen = last.items.first().map_or(0, |entry| entry.seq);
    let mut found = Vec::new();
    let mut place = Some(seen.saturating_add(1));
    while let Some(before) = place.filter(|_| found.len() < wanted) {
        let missing = u32::try_from(wanted - found.len()).unwrap_or(MAX_AUDIT_PAGE);
        let order = AuditOrder::NewestFirst(Some(before));
        let page = search.page(order, missing).await?;
        place = page.next;
        found.extend(page.items);
    }
    found.reverse();
    if !args.follow {
        list(&found, output);
        return Ok(());
    }
    found.iter().for_each(|entry| line(entry, output));
    loop {
        tokio::time::sleep(PERIOD).await;
        loop {
            let order = AuditOrder::OldestFirst(seen);
            let page = search.page(order, MAX_AUDIT_PAGE).await?;
            page.items.iter().for_each(|entry| line(entry, output));
            seen = page.items.last().map_or(seen, |entry| entry.seq);
            match page.next {
                Some(next) => seen = next,
                None => break,
            }
        }
    }
}

fn list(entries: &[AuditEntry], output: &Output) {
    let columns = [
        "SEQ", "AT", "ACTOR", "TENANT", "ACTION", "OUTCOME", "TARGET",
    ];
    output.list(entries, columns, row);
}

/// One record as it comes: a line of text, or of JSON.
fn line(entry: &AuditEntry, output: &Output) {
    if output.json {
        output.raw(&(serde_json::to_string(entry).unwrap_or_default() + "\n"));
    }
    output.say(&row(entry).join("  "));
}

fn row(entry: &AuditEntry) -> [String; 7] {
    let parts = [&entry.organization, &entry.environment, &entry.provider];
    let tenant: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
    [
        entry.seq.to_string(),
        entry.at.strftime("%F %T").to_string(),
        entry.actor.clone(),
        tenant.join("/"),
        entry.action.clone(),
        entry.outcome.clone(),
        entry.target.clone().unwrap_or_default(),
    ]
}

async fn verify(checkpoint: Option<&Path>, admin: &Admin, output: &Output) -> Result<(), CliError> {
    let checkpoint = checkpoint.map(read_checkpoint).transpose()?;
    let found = admin.audit_verify(checkpoint.as_ref()).await?;
    output.data(&found);
    output.say(&sentence(&found));
    match found.ok {
        true => Ok(()),
        false => Err(CliError::Reported),
    }
}

async fn retain(
    before: Timestamp,
    retention: Duration,
    admin: &Admin,
    output: &Output,
) -> Result<(), CliError> {
    let removed = admin.audit_retain_before(before, retention).await?;
    output.data(&serde_json::json!({ "removed": removed }));
    output.say(&format!("Audit records removed: {removed}."));
    Ok(())
}

fn read_checkpoint(path: &Path) -> Result<Checkpoint, CliError> {
    let failed = |error: &dyn std::fmt::Display| {
        CliError::Failed(format!("the checkpoint {}: {error}", path.display()))
    };
    let text = std::fs::read_to_string(path).map_err(|error| failed(&error))?;
    serde_json::from_str(&text).map_err(|error| failed(&error))
}

fn sentence(found: &Verification) -> String {
    let mut text = match (&found.message, found.first, found.last) {
        (Some(message), ..) => format!("BROKEN: {message}."),
        (None, Some(first), Some(last)) => format!(
            "The log is as it was written: {} records, {first} to {last}.",
            found.records
        ),
        _ => "The log is as it was written: it has no records.".to_owned(),
    };
    if let (None, Some(removed)) = (&found.message, found.removed_to) {
        text += &format!(" Records up to {removed} were removed when they were old enough.");
    }
    match found.checkpoint {
        Some(CheckpointVerdict::Agrees) => text += " The checkpoint agrees.",
        Some(CheckpointVerdict::Anchor) => {
            text += " The checkpoint saw the last record that was removed: nothing was cut before \
                     it, but what the removed records said cannot be told any more.";
        }
        Some(CheckpointVerdict::Older) => {
            text += " The checkpoint is older than all of them: it says nothing of this log.";
        }
        Some(CheckpointVerdict::Unreached) => {
            text += " What the checkpoint saw comes after that.";
        }
        Some(CheckpointVerdict::Disagrees) | None => {}
    }
    text
}

async fn export(args: ExportArgs, admin: &Admin, output: &Output) -> Result<(), CliError> {
    let format = match args.format {
        Format::Csv => ExportFormat::Csv,
        Format::Jsonl => ExportFormat::JsonLines,
    };
    let mut export = admin.audit_export(&args.filter.into(), format).await?;
    let Some(path) = &args.output else {
        while let Some(text) = export.next().await? {
            output.raw(&text);
        }
        return Ok(());
    };
    let mut file = create(path)?;
    let written = async {
        while let Some(text) = export.next().await? {
            file.write_all(text.as_bytes())
                .map_err(|error| failed(path, error))?;
        }
        file.sync_all().map_err(|error| failed(path, error))
    };
    let written = written.await;
    if written.is_err() {
        // Half of an export looks like a whole one.
        let _ = std::fs::remove_file(path);
    }
    written
}

/// Writes a text to a new file, or to standard output.
fn put(path: Option<&Path>, text: &str, output: &Output) -> Result<(), CliError> {
    let Some(path) = path else {
        output.raw(text);
        return Ok(());
    };
    let mut file = create(path)?;
    let written = file.write_all(text.as_bytes());
    written
        .and_then(|()| file.sync_all())
        .map_err(|error| failed(path, error))
}

fn create(path: &Path) -> Result<File, CliError> {
    let mut options = OpenOptions::new();
    let new = options.write(true).create_new(true).mode(0o600);
    new.open(path).map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: std::io::Error) -> CliError {
    CliError::Failed(format!("{}: {error}", path.display()))
}
