//! `LOCUM__SECTION__KEY` over the file: one variable at a time, so that a mistake names its own.
//!
//! The value is TOML where it reads as the key's type (`["a"]`, `true`), and plain text otherwise.

use toml::{Table, Value};

use super::{Config, ConfigError};
use crate::domain::document::{Document, UnknownWord, unknown_word};

const PREFIX: &str = "LOCUM__";
/// Sections whose keys are names that people choose; there `_` stands for `-`.
const NAMED: [&str; 2] = ["providers", "environments"];

pub(super) fn apply(
    document: &Document<'_>,
    config: Config,
    variables: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    let variables: Vec<_> = variables.into_iter().collect();
    if let Some(variable) = variables
        .iter()
        .map(|(name, _)| name)
        .find(|name| is_misspelt(name))
    {
        let meant = variable.replacen("LOCUM_", PREFIX, 1);
        let message = format!("there is no such variable; did you mean {meant}?");
        return Err(ConfigError::Variable {
            variable: variable.clone(),
            message,
        });
    }
    let mut variables: Vec<_> = variables
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    if variables.is_empty() {
        return Ok(config);
    }
    variables.sort();
    let mut table: Table = document.read()?;
    let mut config = config;
    for (variable, text) in variables {
        let path = path(&variable);
        let parsed = toml::from_str::<Table>(&format!("v = {text}"))
            .ok()
            .and_then(|mut table| table.remove("v"));
        let plain = Value::String(text);
        let attempt = |value: Value| {
            let mut table = table.clone();
            set(&mut table, &path, value)?;
            let config: Config = Value::Table(table.clone()).try_into()?;
            Ok::<_, toml::de::Error>((table, config))
        };
        let result = match parsed {
            Some(value) => attempt(value).or_else(|first| attempt(plain).map_err(|_| first)),
            None => attempt(plain),
        };
        let failed = |message: String| ConfigError::Variable {
            variable: variable.clone(),
            message,
        };
        (table, config) = result.map_err(|error| failed(explain(error.message())))?;
        super::validate::check(&config).map_err(|(_, message)| failed(message))?;
    }
    Ok(config)
}

/// `LOCUM_SERVER__LISTEN`: one underscore too few.
fn is_misspelt(name: &str) -> bool {
    !name.starts_with(PREFIX)
        && name
            .strip_prefix("LOCUM_")
            .is_some_and(|rest| rest.contains("__"))
}

fn path(variable: &str) -> Vec<String> {
    let mut path: Vec<String> = Vec::new();
    for part in variable[PREFIX.len()..].split("__") {
        let lower = part.to_ascii_lowercase();
        let named = path
            .last()
            .is_some_and(|section| NAMED.contains(&section.as_str()));
        path.push(if named {
            lower.replace('_', "-")
        } else {
            lower
        });
    }
    path
}

fn set(table: &mut Table, path: &[String], value: Value) -> Result<(), toml::de::Error> {
    let Some((key, rest)) = path.split_first() else {
        return Ok(());
    };
    if rest.is_empty() {
        table.insert(key.clone(), value);
        return Ok(());
    }
    let inner = table
        .entry(key.clone())
        .or_insert_with(|| Value::Table(Table::new()));
    match inner {
        Value::Table(inner) => set(inner, rest, value),
        _ => Err(serde::de::Error::custom(format!(
            "`{key}` is a value and not a section"
        ))),
    }
}

fn explain(message: &str) -> String {
    match unknown_word(message) {
        Some(UnknownWord {
            is_key: true,
            word,
            hint,
        }) => format!("there is no key `{word}`{hint}"),
        _ => message.trim().to_owned(),
    }
}
