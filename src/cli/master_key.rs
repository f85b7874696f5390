//! `locum master-key …`

use std::time::Duration;

use tokio::time::Instant;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{Admin, AdminError, KeyRotation, KeyRotationReport};
use crate::app::{KekState, KeyRingStatus};

/// The shortest pause between two steps of a rotation.
const PAUSE: Duration = Duration::from_millis(2);
/// Progress is shown this often.
const SHOWN: Duration = Duration::from_secs(1);

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show the key ring, and what is sealed under which of its keys
    Status,
    /// Bring everything under a new key, while the server serves; finish what was interrupted
    Rotate,
    /// Remove a retired key from the key file: backups made before the rotation need it
    Prune {
        /// The key's id
        kek: String,
    },
}

pub(super) async fn run(
    command: Command,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    if let Command::Status = command {
        return status(&context.key_ring_status().await?, output);
    }
    let app = context.open().await?;
    let admin = app.admin(context.actor());
    let result = match command {
        Command::Status => Ok(()),
        Command::Rotate => rotate(&admin, output).await,
        Command::Prune { kek } => prune(&kek, &admin, output).await,
    };
    app.close().await;
    result
}

fn status(status: &KeyRingStatus, output: &Output) -> Result<(), CliError> {
    output.data(status);
    if !output.json {
        output.say(&format!("The key ring is in {}.\n", status.source));
        let columns = ["KEY", "STATE", "ORGANIZATION KEYS", "AUDIT LOG", "IN USE"];
        output.list(&status.keys, columns, |key| {
            let yes = |yes: bool| if yes { "yes" } else { "-" }.to_owned();
            let state = match key.state {
                KekState::Active => "active",
                KekState::Retired => "retired",
                KekState::Missing => "MISSING",
            };
            [
                key.id.clone(),
                state.to_owned(),
                key.organization_keys.to_string(),
                yes(key.audit_key),
                yes(key.in_use),
            ]
        });
    }
    for warning in warnings(status) {
        output.notice(&warning);
    }
    match status.fits && status.missing().next().is_none() {
        true => Ok(()),
        false => Err(CliError::Reported),
    }
}

fn warnings(status: &KeyRingStatus) -> Vec<String> {
    let missing = status.missing().map(|key| {
        format!(
            "The key ring lacks `{}`, and what is sealed under it cannot be opened: put its line \
             back into the key file, from a copy of it.",
            key.id
        )
    });
    let mut all: Vec<String> = missing.collect();
    if !status.fits && all.is_empty() {
        all.push(
            "The key ring does not fit the database: its key in use is another one of the same \
             name. Use the key file that was made with this database, or a copy of it."
                .to_owned(),
        );
    }
    if !status.complete && all.is_empty() {
        all.push(
            "Not everything is sealed under the active key: a rotation is under way, or was \
             interrupted. `locum master-key rotate` finishes it and makes no other key."
                .to_owned(),
        );
    }
    if let Some(draft) = &status.draft {
        all.push(format!(
            "{} was left by a rotation that was interrupted. Nothing uses it; the next \
             `locum master-key rotate` replaces it.",
            draft.display()
        ));
    }
    all
}

async fn rotate(admin: &Admin, output: &Output) -> Result<(), CliError> {
    let rotation = admin.begin_key_rotation().await?;
    let kek = rotation.kek().clone();
    let report = carry_out(rotation, output).await;
    let report = report.map_err(|error| error.in_rotation_to(&kek))?;
    output.data(&report);
    output.say(&summary(&report));
    for key in &report.unopened {
        output.notice(&format!(
            "The key of organization `{}` in {} stays under `{}`: {}. Its credentials cannot be \
             read: restore a backup, or delete the organization and enter it anew.",
            key.organization, key.environment, key.kek, key.reason
        ));
    }
    match report.unopened.is_empty() {
        true => Ok(()),
        false => Err(CliError::Reported),
    }
}

/// Step by step, and says how far it is.
async fn carry_out(
    mut rotation: KeyRotation,
    output: &Output,
) -> Result<KeyRotationReport, AdminError> {
    let mut shown = Instant::now();
    loop {
        let started = Instant::now();
        if !rotation.step().await? {
            break;
        }
        if shown.elapsed() >= SHOWN {
            shown = Instant::now();
            let (done, all) = rotation.progress();
            output.notice(&format!("re-wrapped {done} of {all} organization keys …"));
        }
        // Half of the time is for the changes of others.
        tokio::time::sleep(started.elapsed().max(PAUSE)).await;
    }
    rotation.finish().await
}

fn summary(report: &KeyRotationReport) -> String {
    let KeyRotationReport {
        kek,
        organization_keys,
        ..
    } = report;
    let how = match report.added {
        true => "is new and in use",
        false => "is in use: the rotation to it is finished",
    };
    let mut text = format!(
        "Master key `{kek}` {how}. Re-wrapped: {organization_keys} organization keys and the key \
         of the audit log.\nCopy the key file anew to where its copy is kept, apart from the \
         database's backups."
    );
    if !report.retired.is_empty() {
        text += &format!(
            "\nRetired, and kept because backups made before this still need it: {}.\n\
             When no such backup is left: locum master-key prune {}",
            report.retired.join(", "),
            report.retired[0],
        );
    }
    text
}

async fn prune(kek: &str, admin: &Admin, output: &Output) -> Result<(), CliError> {
    admin.remove_retired_key(kek).await?;
    output.data(&serde_json::json!({"kek": kek, "state": "removed"}));
    output.say(&format!(
        "Master key `{kek}` is out of the key file. Backups made while it was in use open only \
         with a copy of the key file that still has it."
    ));
    Ok(())
}
