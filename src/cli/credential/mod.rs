//! `locum credential …`

mod rotation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use secrecy::SecretString;

use super::CliError;
use super::context::{Context, read_secret_file};
use super::output::Output;
use crate::admin::{Admin, CredentialInput, NewCredential, parse_dotenv};
use crate::domain::credential::{CredentialMetadata, SecretFields};
use crate::domain::document::line_at;
use crate::domain::organization::OrganizationSlug;
use crate::domain::tenant::Environment;
use crate::domain::units::parse_time;

#[derive(clap::Args)]
pub(super) struct Place {
    /// The organization
    #[arg(long)]
    org: OrganizationSlug,
    /// The environment
    #[arg(long)]
    env: Environment,
    /// The provider
    #[arg(long)]
    provider: String,
}

#[derive(clap::Args)]
pub(super) struct Entry {
    #[command(flatten)]
    place: Place,
    /// The login flow; the provider's default when left out
    #[arg(long)]
    flow: Option<String>,
    /// When the provider issued the secret: YYYY-MM-DD, or an RFC 3339 time; now when left out
    #[arg(long, value_parser = parse_time)]
    issued: Option<Timestamp>,
}

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Store a new version, active at once, from a TOML file of fields (`-`: standard input). One
    /// that takes the place of another logs in first
    Set {
        #[command(flatten)]
        entry: Entry,
        /// A TOML file such as: client_id = "…"
        #[arg(long)]
        from_file: PathBuf,
        /// Do not log in first
        #[arg(long)]
        unverified: bool,
    },
    /// The same from a `.env` file (`-`: standard input)
    Import {
        #[command(flatten)]
        entry: Entry,
        /// The `.env` file
        file: PathBuf,
        /// Do not log in first
        #[arg(long)]
        unverified: bool,
    },
    /// List credentials: metadata, never values
    List {
        /// Only this organization's
        #[arg(long)]
        org: Option<OrganizationSlug>,
        /// Versions that are over too
        #[arg(long)]
        all: bool,
    },
    /// Show one credential with its versions
    Show(Place),
    /// Log in now with the active version
    Test(Place),
    /// Seal a new version that is not used before it is promoted
    Stage {
        #[command(flatten)]
        entry: Entry,
        /// A TOML file such as: client_id = "…" (`-`: standard input)
        #[arg(long)]
        from_file: PathBuf,
    },
    /// Log in with the staged version
    Verify(Place),
    /// Make the staged version the active one; the one before works on for `rotation.grace`
    Promote {
        #[command(flatten)]
        place: Place,
        /// Even if it has never logged in
        #[arg(long)]
        unverified: bool,
    },
    /// Take the last promotion back, while the version before works
    Rollback(Place),
    /// Give the staged version up; its values are gone
    Cancel(Place),
    /// End a version at once; its values are gone
    Revoke {
        #[command(flatten)]
        place: Place,
        /// Its number; the active version when left out
        #[arg(long)]
        version: Option<i64>,
    },
}

pub(super) async fn run(
    command: Command,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let app = context.open().await?;
    let admin = app.admin(context.actor());
    let result = act(command, &admin, output).await;
    app.close().await;
    result
}

async fn act(command: Command, admin: &Admin, output: &Output) -> Result<(), CliError> {
    match command {
        Command::Set {
            entry,
            from_file,
            unverified,
        } => {
            let fields = read_fields(&from_file)?;
            let stored = admin
                .set_credential(input(entry, !unverified), fields)
                .await?;
            stored_notice(&stored, output);
            Ok(())
        }
        Command::Import {
            entry,
            file,
            unverified,
        } => import(input(entry, !unverified), &file, admin, output).await,
        Command::List { org, all } => {
            let mut credentials = admin.credentials(org.as_ref()).await?;
            credentials.retain(|version| all || !version.state.is_over());
            list(&credentials, output);
            Ok(())
        }
        Command::Show(place) => show(admin, &place, output).await,
        Command::Test(place) => test(admin, &place, output).await,
        Command::Stage { entry, from_file } => {
            let fields = read_fields(&from_file)?;
            rotation::stage(input(entry, true), fields, admin, output).await
        }
        Command::Verify(place) => rotation::verify(&place, admin, output).await,
        Command::Promote { place, unverified } => {
            rotation::promote(&place, unverified, admin, output).await
        }
        Command::Rollback(place) => rotation::rollback(&place, admin, output).await,
        Command::Cancel(place) => rotation::cancel(&place, admin, output).await,
        Command::Revoke { place, version } => {
            rotation::revoke(&place, version, admin, output).await
        }
    }
}

async fn import(
    input: CredentialInput,
    file: &Path,
    admin: &Admin,
    output: &Output,
) -> Result<(), CliError> {
    let text = read_secret_file(file)?;
    let variables = parse_dotenv(&text)
        .map_err(|error| CliError::Failed(format!("{}: {error}", file.display())))?;
    let stored = admin.import_credential(input, variables).await?;
    for notice in &stored.notices {
        output.notice(&format!("{}: {}", notice.variable, notice.notice));
    }
    stored_notice(&stored, output);
    Ok(())
}

const COLUMNS: [&str; 9] = [
    "ORG", "ENV", "PROVIDER", "VERSION", "STATE", "ISSUED", "VERIFIED", "FIELDS", "NOTE",
];

pub(super) fn list(credentials: &[CredentialMetadata], output: &Output) {
    output.list(credentials, COLUMNS, row);
}

fn row(version: &CredentialMetadata) -> [String; 9] {
    let fields = version.fields.iter();
    let fields: Vec<_> = fields
        .map(|field| format!("{} {}", field.name, field.fingerprint))
        .collect();
    let verified = version.verified_at;
    [
        version.organization.clone(),
        version.environment.to_string(),
        version.provider.to_string(),
        version.version.to_string(),
        version.state.as_str().to_owned(),
        version.issued.strftime("%Y-%m-%d").to_string(),
        verified.map_or("never".to_owned(), |time| time.strftime("%F").to_string()),
        fields.join(", "),
        note(version),
    ]
}

/// When a version ends, or what the provider said to it last.
fn note(version: &CredentialMetadata) -> String {
    if let Some(end) = version.grace_ends {
        return format!("works until {}", time(end));
    }
    match &version.refused {
        Some(refusal) if version.verified_at.is_none_or(|at| at <= refusal.at) => {
            format!("refused {}: {}", time(refusal.at), refusal.message)
        }
        _ => String::new(),
    }
}

fn time(time: Timestamp) -> String {
    time.strftime("%F %R UTC").to_string()
}

async fn show(admin: &Admin, place: &Place, output: &Output) -> Result<(), CliError> {
    let profile = admin.credential(&place.org, &place.env, &place.provider);
    let profile = profile.await?;
    output.data(&profile);
    output.table(&profile.versions, COLUMNS, row);
    Ok(())
}

async fn test(admin: &Admin, place: &Place, output: &Output) -> Result<(), CliError> {
    let report = admin
        .test_credential(&place.org, &place.env, &place.provider)
        .await?;
    output.data(&report);
    output.say(&report.message);
    if report.ok {
        Ok(())
    } else {
        Err(CliError::Reported)
    }
}

fn input(entry: Entry, verify: bool) -> CredentialInput {
    CredentialInput {
        organization: entry.place.org,
        environment: entry.place.env,
        provider: entry.place.provider,
        flow: entry.flow,
        issued: entry.issued,
        verify,
    }
}

fn stored_notice(stored: &NewCredential, output: &Output) {
    output.data(stored);
    let options = format!(
        "--org {} --env {} --provider {}",
        stored.organization, stored.environment, stored.provider,
    );
    let mut text = format!(
        "Version {} of `{}` for {}/{} is active.",
        stored.version, stored.provider, stored.organization, stored.environment,
    );
    if stored.verified_at.is_none() {
        text += &format!(" Try it: locum credential test {options}");
    }
    if let Some(former) = &stored.retiring {
        let end = former.grace_ends.map(time).unwrap_or_default();
        text += &format!(
            "\nVersion {} works on until {end}. Back to it: locum credential rollback {options}",
            former.version,
        );
    }
    output.say(&text);
}

/// A TOML file of texts. Its errors name a line, never what is in it.
fn read_fields(path: &Path) -> Result<SecretFields, CliError> {
    let text = read_secret_file(path)?;
    let raw: BTreeMap<String, String> = toml::from_str(&text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_at(&text, span.start));
        let form = "expected lines such as: client_id = \"…\"";
        CliError::Failed(format!("{}:{line}: {form}", path.display()))
    })?;
    Ok(raw
        .into_iter()
        .map(|(name, value)| (name, SecretString::from(value)))
        .collect())
}
