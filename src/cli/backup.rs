//! `locum backup` and `locum restore`

use std::path::PathBuf;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{Backup, Contents, CopyStep};
use crate::app::{AppError, Restored};

#[derive(clap::Args)]
pub(super) struct BackupArgs {
    /// The new file; it is never overwritten
    file: PathBuf,
}

#[derive(clap::Args)]
pub(super) struct RestoreArgs {
    /// A file that `locum backup` made
    file: PathBuf,
}

pub(super) async fn backup(
    args: BackupArgs,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let app = context.open().await?;
    let database = app.loaded.database().map_err(AppError::from)?;
    let bytes = database.metadata().map_or(0, |file| file.len());
    let what = format!("{} ({})", database.display(), size(bytes));
    let on_step = |step| output.notice(&doing(step, &what));
    let admin = app.admin(context.actor());
    let made = admin.back_up(&args.file, &on_step).await;
    app.close().await;
    let Backup { bytes, contents } = made?;
    let mut data = serde_json::to_value(&contents).unwrap_or_default();
    data["file"] = args.file.to_string_lossy().into();
    data["bytes"] = bytes.into();
    output.data(&data);
    output.say(&format!(
        "{} ({}) is a good backup: {}.\nIt opens with master key `{}`, which is not in it: keep \
         copies of both, apart from each other.",
        args.file.display(),
        size(bytes),
        found(&contents),
        contents.kek,
    ));
    Ok(())
}

pub(super) async fn restore(
    args: RestoreArgs,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let bytes = args.file.metadata().map_or(0, |file| file.len());
    let what = format!("{} ({})", args.file.display(), size(bytes));
    let on_step = |step| output.notice(&doing(step, &what));
    let restored = context.restore(&args.file, &on_step).await?;
    output.data(&restored);
    let Restored {
        database,
        replaced,
        contents,
    } = &restored;
    let former = match replaced {
        Some(path) => format!("The former one is {}.", path.display()),
        None => "There was none before.".to_owned(),
    };
    output.say(&format!(
        "{} is now what {} was: {}. {former}\nWhat was changed after the backup was made is \
         undone: keys and tokens that were revoked since work again, organizations that were \
         deleted since are back, and credentials are those of then. See `locum key list`, \
         `locum admin-token list`, `locum org list` and `locum status`.",
        database.display(),
        args.file.display(),
        found(contents),
    ));
    Ok(())
}

fn doing(step: CopyStep, what: &str) -> String {
    match step {
        CopyStep::Copying => format!("copying {what} and checking its pages …"),
        CopyStep::FollowingRecords => "following the audit log from record to record …".to_owned(),
        CopyStep::OpeningSecrets => "opening every secret …".to_owned(),
    }
}

fn found(contents: &Contents) -> String {
    format!(
        "{} organizations, {} organization keys and {} secrets that open, {} audit records in order",
        contents.organizations,
        contents.opened.organization_keys,
        contents.opened.secrets,
        contents.audit_records,
    )
}

/// As people say it: 12.3 MB.
fn size(bytes: u64) -> String {
    let mut tenths = bytes.saturating_mul(10) / 1_000;
    for unit in ["kB", "MB", "GB"] {
        if tenths < 10_000 || unit == "GB" {
            return format!("{}.{} {unit}", tenths / 10, tenths % 10);
        }
        tenths /= 1_000;
    }
    format!("{bytes} bytes")
}
