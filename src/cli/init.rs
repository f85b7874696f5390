//! `locum init`

use std::path::{Path, PathBuf};

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::app;
use crate::domain::bearer_secret::reveal;

#[derive(clap::Args)]
pub(super) struct Args {
    /// The folder to make it in; that of --config when left out
    #[arg(long)]
    dir: Option<PathBuf>,
}

pub(super) async fn run(args: Args, context: &Context, output: &Output) -> Result<(), CliError> {
    let name = context
        .config
        .file_name()
        .map(Path::new)
        .unwrap_or(Path::new("locum.toml"));
    let config = match args.dir {
        Some(folder) => folder.join(name),
        None => context.config.clone(),
    };
    let installed = app::install(&config, context.variables(), &context.clock).await?;
    output.data(&serde_json::json!({
        "config": installed.config,
        "master_key_file": installed.key_file,
        "database": installed.database,
        "admin_token": {
            "id": installed.admin_token_id,
            "token": reveal(&installed.admin_token),
            "role": "owner",
        },
    }));
    output.say(&format!(
        "Made {}\n     {}   keep a copy of this file apart from the database\n     {}\n\n\
         First admin token (owner), shown this once. It is for the admin API at /admin/v1 of the\n\
         admin listener, and no gateway key: `locum key create` makes those.\n  {}\n\n\
         Next: locum --config {} org create my-clinic --name \"My Clinic\"",
        installed.config.display(),
        installed.key_file.display(),
        installed.database.display(),
        reveal(&installed.admin_token),
        installed.config.display(),
    ));
    Ok(())
}
