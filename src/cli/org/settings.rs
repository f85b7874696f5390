//! Settings of a tenant at the command line: its tools, and the values that they work with.

use std::collections::BTreeSet;
use std::str::FromStr;

use super::SetArgs;
use crate::admin::{SettingsChange, SettingsSummary};
use crate::cli::CliError;
use crate::cli::output::Output;
use crate::domain::principal::Scope;
use crate::domain::tenant_settings::TenantSettings;
use crate::domain::tool::{InvalidToolName, ToolName};

/// `all`, `none`, or names with commas between them.
#[derive(Debug, Clone)]
pub(super) struct ToolList(Scope<ToolName>);

/// `NAME=VALUE`; without a value there is to be none.
#[derive(Debug, Clone)]
pub(super) struct NamedValue(String, Option<String>);

impl FromStr for ToolList {
    type Err = InvalidToolName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(match text {
            "all" => Scope::All,
            "none" => Scope::Only(BTreeSet::new()),
            names => {
                let names = names.split(',').map(|name| ToolName::parse(name.trim()));
                Scope::Only(names.collect::<Result<_, _>>()?)
            }
        }))
    }
}

impl FromStr for NamedValue {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("a name, `=`, and its value")?;
        let value = (!value.is_empty()).then(|| value.to_owned());
        Ok(Self(name.to_owned(), value))
    }
}

/// What the arguments of `org set` change.
pub(super) fn change(args: &SetArgs) -> Result<SettingsChange, CliError> {
    let denied = match &args.deny_tools {
        Some(ToolList(Scope::All)) => {
            let message =
                "--deny-tools names tools, or `none`; `--allow-tools none` leaves it none";
            return Err(CliError::Usage(message.to_owned()));
        }
        Some(ToolList(Scope::Only(names))) => Some(names.clone()),
        None => None,
    };
    let values = args.value.iter();
    Ok(SettingsChange {
        allow_tools: args.allow_tools.as_ref().map(|list| list.0.clone()),
        deny_tools: denied,
        read_only: args.read_only,
        values: values
            .map(|value| (value.0.clone(), value.1.clone()))
            .collect(),
    })
}

/// Nothing where it has all tools and no values.
pub(super) fn list(all: &[SettingsSummary], output: &Output) {
    if output.json || all.is_empty() {
        return;
    }
    output.list(all, ["ENVIRONMENT", "TOOLS", "VALUES"], |one| {
        let values = one.settings.values.iter();
        let values: Vec<_> = values
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let environment = one.environment.to_string();
        [environment, tools(&one.settings), values.join(", ")]
    });
}

fn tools(settings: &TenantSettings) -> String {
    let names = |names: &BTreeSet<ToolName>| {
        let names: Vec<_> = names.iter().map(ToolName::as_str).collect();
        names.join(", ")
    };
    let allowed = match &settings.allow_tools {
        None => "all".to_owned(),
        Some(none) if none.is_empty() => "none".to_owned(),
        Some(some) => names(some),
    };
    let reads = if settings.read_only {
        ", only those that read"
    } else {
        ""
    };
    let denied = match settings.deny_tools.is_empty() {
        true => String::new(),
        false => format!(", without {}", names(&settings.deny_tools)),
    };
    format!("{allowed}{reads}{denied}")
}
