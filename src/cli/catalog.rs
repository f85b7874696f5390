//! `locum catalog …`

mod import_openapi;

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::{Value, json};

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::OrganizationDetail;
use crate::app;
use crate::catalog::{Catalog, Entry};
use crate::config::Loaded;
use crate::domain::credential::CredentialState;
use crate::domain::organization::OrganizationSlug;
use crate::domain::tenant::Environment;
use crate::domain::tool::Tool;

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Check profiles: those of the configuration, or the files that are named
    Check {
        /// Profile files to check by themselves
        files: Vec<PathBuf>,
    },
    /// Show tools: of all profiles, or those that an organization has
    Show {
        /// Only what this organization has: by its credentials and its settings
        #[arg(long)]
        org: Option<OrganizationSlug>,
        /// Only this environment's; with --org
        #[arg(long, requires = "org")]
        env: Option<Environment>,
    },
    /// Make a profile from an OpenAPI file, for a person to complete
    ImportOpenapi(import_openapi::Args),
}

pub(super) async fn run(
    command: Command,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    match command {
        Command::Check { files } => check(&files, context, output),
        Command::ImportOpenapi(args) => import_openapi::run(args, output),
        Command::Show { org: None, .. } => {
            show(app::load_catalog(&loaded(context)?)?.tools(), output);
            Ok(())
        }
        Command::Show {
            org: Some(org),
            env,
        } => {
            let app = context.open().await?;
            let detail = app.admin(context.actor()).organization_detail(&org).await?;
            let provided = |entry: &&Arc<Entry>| has(&detail, env.as_ref(), &entry.tool);
            show(app.catalog.now().tools().filter(provided), output);
            app.close().await;
            Ok(())
        }
    }
}

/// Whether an organization has a tool in some environment, or in that one.
fn has(org: &OrganizationDetail, env: Option<&Environment>, tool: &Tool) -> bool {
    let active = org.credentials.iter().filter(|version| {
        version.state == CredentialState::Active && version.provider == tool.provider
    });
    let mut here = active
        .map(|version| &version.environment)
        .filter(|name| env.is_none_or(|env| env == *name));
    here.any(|name| {
        let mut settings = org.settings.iter();
        let settings = settings.find(|settings| settings.environment == *name);
        settings.is_none_or(|settings| settings.settings.admits(tool))
    })
}

/// The configuration; its defaults where there is none yet, so that profiles can be written first.
fn loaded(context: &Context) -> Result<Loaded, CliError> {
    if context.config.exists() {
        return context.load();
    }
    Ok(Loaded::parse(&context.config, "", [])?)
}

fn check(files: &[PathBuf], context: &Context, output: &Output) -> Result<(), CliError> {
    let catalog = if files.is_empty() {
        app::load_catalog(&loaded(context)?)?
    } else {
        let mut catalog = Catalog::default();
        let destinations = loaded(context)?.destinations();
        for file in files {
            let text = std::fs::read_to_string(file)
                .map_err(|error| CliError::Failed(format!("{}: {error}", file.display())))?;
            catalog
                .add(file, &text, &destinations)
                .map_err(crate::catalog::CatalogError::from)?;
        }
        catalog
    };
    let providers: Vec<Value> = catalog
        .providers()
        .map(|provider| {
            let tools = catalog
                .tools()
                .filter(|entry| entry.tool.provider == provider.name);
            json!({
                "provider": provider.name,
                "title": provider.title,
                "environments": provider.environments.iter().map(|(name, upstream)| {
                    json!({"name": name, "base_url": upstream.base_url.as_str()})
                }).collect::<Vec<_>>(),
                "flows": provider.login.flows.keys().collect::<Vec<_>>(),
                "tools": tools.count(),
            })
        })
        .collect();
    output.list(
        &providers,
        ["PROVIDER", "ENVIRONMENTS", "FLOWS", "TOOLS"],
        |provider| {
            let names = |key: &str, inner: &str| {
                let items = provider[key].as_array().cloned().unwrap_or_default();
                let name = |item: &Value| match item.get(inner) {
                    Some(name) => name.as_str().unwrap_or_default().to_owned(),
                    None => item.as_str().unwrap_or_default().to_owned(),
                };
                items.iter().map(name).collect::<Vec<_>>().join(", ")
            };
            [
                provider["provider"].as_str().unwrap_or_default().to_owned(),
                names("environments", "name"),
                names("flows", ""),
                provider["tools"].to_string(),
            ]
        },
    );
    Ok(())
}

fn show<'a>(entries: impl Iterator<Item = &'a Arc<Entry>>, output: &Output) {
    let tools: Vec<Value> = entries
        .map(|entry| {
            let tool = &entry.tool;
            json!({
                "name": tool.name,
                "provider": tool.provider,
                "title": tool.title,
                "description": tool.description,
                "read_only": tool.annotations.read_only,
                "destructive": tool.annotations.destructive,
                "input_schema": tool.input_schema,
            })
        })
        .collect();
    output.list(&tools, ["TOOL", "PROVIDER", "KIND", "TITLE"], |tool| {
        let text = |key: &str| tool[key].as_str().unwrap_or_default().to_owned();
        let kind = match (tool["read_only"].as_bool(), tool["destructive"].as_bool()) {
            (Some(true), _) => "reads",
            (_, Some(true)) => "destroys",
            _ => "writes",
        };
        [
            text("name"),
            text("provider"),
            kind.to_owned(),
            text("title"),
        ]
    });
}
