//! The command line: one file per command, each a thin layer over a use case.
//!
//! Exit codes: 0 done, 1 failed, 2 usage, 78 configuration or key refused (sysexits.h, EX_CONFIG).

mod admin_token;
mod audit;
mod backup;
mod call;
mod catalog;
mod check;
mod client_config;
mod context;
mod credential;
mod demo;
mod health;
mod init;
mod key;
mod log_writer;
mod master_key;
mod notify;
mod org;
mod output;
mod reminders;
mod rotation;
mod sandbox;
mod serve;
mod status;
mod telemetry;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use context::Context;
use output::Output;

use crate::admin::AdminError;
use crate::app::{self, AppError};

/// Every organization's credentials, tokens and tools behind one MCP URL.
#[derive(Parser)]
#[command(name = "locum", version, about, max_term_width = 100)]
struct Cli {
    /// The configuration file
    #[arg(
        long,
        global = true,
        env = "LOCUM_CONFIG",
        default_value = "locum.toml",
        help_heading = "Global options"
    )]
    config: PathBuf,
    /// Machine-readable output of commands that list, show or create
    #[arg(long, global = true, help_heading = "Global options")]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything in one process and a temporary folder: sandbox, gateway, two organizations, keys
    Demo(demo::Args),
    /// Make a configuration, a master key and a database
    Init(init::Args),
    /// Run the gateway
    Serve,
    /// Ask a running gateway whether it is ready; for container health checks
    Health,
    /// Run the Eka-shaped upstream simulator alone
    Sandbox(sandbox::Args),
    /// Check configuration, profiles, keys and database
    Check(check::Args),
    /// Show how every credential does: age, logins, token, traffic
    Status(status::StatusArgs),
    /// Organizations
    #[command(subcommand)]
    Org(org::Command),
    /// Credentials of organizations at providers
    #[command(subcommand)]
    Credential(credential::Command),
    /// Gateway keys, which MCP clients present
    #[command(subcommand)]
    Key(key::Command),
    /// Tokens for the admin API
    #[command(subcommand)]
    AdminToken(admin_token::Command),
    /// The audit log: what was changed and called, by whom
    #[command(subcommand)]
    Audit(audit::Command),
    /// The key ring that everything is sealed under
    #[command(subcommand)]
    MasterKey(master_key::Command),
    /// Copy the database into a file, while the server serves, and check the copy
    Backup(backup::BackupArgs),
    /// Put a backup in the database's place, while no server has it open
    Restore(backup::RestoreArgs),
    /// Which credentials and keys are due
    #[command(subcommand)]
    Rotation(rotation::Command),
    /// Reminders of what is due
    #[command(subcommand)]
    Reminders(reminders::Command),
    /// Calls and upstream requests of a month, by organization
    Usage(status::UsageArgs),
    /// Providers and tools
    #[command(subcommand)]
    Catalog(catalog::Command),
    /// Call a tool from here, as a client of the gateway would
    Call(call::Args),
    /// Print the snippet that connects an MCP client
    ClientConfig(client_config::Args),
}

/// Why a command failed; `main` prints it.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    App(#[from] AppError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Failed(String),
    /// The output says what failed already.
    #[error("")]
    Reported,
}

impl From<crate::config::ConfigError> for CliError {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::App(error.into())
    }
}

impl From<crate::catalog::CatalogError> for CliError {
    fn from(error: crate::catalog::CatalogError) -> Self {
        Self::App(error.into())
    }
}

impl From<app::LocalCallError> for CliError {
    fn from(error: app::LocalCallError) -> Self {
        match error {
            app::LocalCallError::App(error) => Self::App(error),
            other => Self::Failed(other.to_string()),
        }
    }
}

impl CliError {
    fn code(&self) -> u8 {
        match self {
            Self::App(error) if error.is_configuration() => 78,
            Self::Usage(_) => 2,
            _ => 1,
        }
    }
}

/// Reads the command line and runs the command.
pub async fn main() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.json);
    let context = Context::from_process(cli.config);
    match run(cli.command, &context, &output).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if !matches!(error, CliError::Reported) {
                output.error(&error.to_string());
            }
            ExitCode::from(error.code())
        }
    }
}

async fn run(command: Command, context: &Context, output: &Output) -> Result<(), CliError> {
    match command {
        Command::Demo(args) => Box::pin(demo::run(args, context, output)).await,
        Command::Init(args) => init::run(args, context, output).await,
        Command::Serve => serve::run(context).await,
        Command::Health => health::run(context, output).await,
        Command::Sandbox(args) => sandbox::run(args, context, output).await,
        Command::Check(args) => check::run(args, context, output).await,
        Command::Status(args) => status::run(args, context, output).await,
        Command::Rotation(command) => rotation::run(command, context, output).await,
        Command::Reminders(command) => reminders::run(command, context, output).await,
        Command::Usage(args) => status::usage(args, context, output).await,
        Command::Org(command) => org::run(command, context, output).await,
        Command::Credential(command) => credential::run(command, context, output).await,
        Command::Key(command) => key::run(command, context, output).await,
        Command::AdminToken(command) => admin_token::run(command, context, output).await,
        Command::Audit(command) => audit::run(command, context, output).await,
        Command::MasterKey(command) => master_key::run(command, context, output).await,
        Command::Backup(args) => backup::backup(args, context, output).await,
        Command::Restore(args) => backup::restore(args, context, output).await,
        Command::Catalog(command) => catalog::run(command, context, output).await,
        Command::Call(args) => call::run(args, context, output).await,
        Command::ClientConfig(args) => client_config::run(&args, context, output),
    }
}
