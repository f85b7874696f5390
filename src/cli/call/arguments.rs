//! Arguments of a tool as they are written at a terminal.

use std::path::Path;
use std::str::FromStr;

use serde_json::Value;

use crate::catalog::Entry;
use crate::cli::CliError;
use crate::cli::context::read_secret_file;
use crate::domain::call::Arguments;

/// `NAME=VALUE`.
#[derive(Debug, Clone)]
pub(super) struct Argument {
    name: String,
    value: String,
}

impl FromStr for Argument {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("a name, `=`, and its value")?;
        if name.is_empty() {
            return Err("the name before `=` is missing");
        }
        Ok(Self {
            name: name.to_owned(),
            value: value.to_owned(),
        })
    }
}

/// The arguments in a file; without one, none.
pub(super) fn read_file(file: Option<&Path>) -> Result<Arguments, CliError> {
    let Some(file) = file else {
        return Ok(Arguments::new());
    };
    let text = read_secret_file(file)?;
    serde_json::from_str(&text).map_err(|error| {
        let name = file.display();
        CliError::Failed(format!("{name}: an object of arguments is needed: {error}"))
    })
}

/// Those of the file and, before them, those of the command line.
pub(super) fn all(
    mut given: Arguments,
    written: &[Argument],
    tool: Option<&std::sync::Arc<Entry>>,
) -> Arguments {
    for Argument { name, value } in written {
        let schema = tool.and_then(|entry| {
            let properties = entry.tool.input_schema.get("properties")?;
            properties.get(name)
        });
        given.insert(name.clone(), read(value, schema));
    }
    given
}

/// A text where the schema takes one; else what it says as JSON, if it is some.
fn read(text: &str, schema: Option<&Value>) -> Value {
    let literal = || Value::from(text);
    let takes_text = schema.is_some_and(|schema| match schema.get("type") {
        Some(Value::String(kind)) => kind == "string",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "string"),
        _ => false,
    });
    match takes_text {
        true => literal(),
        false => serde_json::from_str(text).unwrap_or_else(|_| literal()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_what_the_tool_wants() {
        let text = json!({"type": "string"});
        let either = json!({"type": ["string", "null"]});
        let number = json!({"type": "integer"});
        for (written, schema, value) in [
            ("7", Some(&text), json!("7")),
            ("7", Some(&either), json!("7")),
            ("7", Some(&number), json!(7)),
            ("7", None, json!(7)),
            ("seven", Some(&number), json!("seven")),
            ("{\"a\": [1]}", None, json!({"a": [1]})),
            ("", None, json!("")),
            ("true", Some(&text), json!("true")),
        ] {
            assert_eq!(read(written, schema), value, "{written} for {schema:?}");
        }
        assert!("name".parse::<Argument>().is_err() && "=1".parse::<Argument>().is_err());
        let equals: Argument = "a=b=c".parse().unwrap();
        assert_eq!((equals.name.as_str(), equals.value.as_str()), ("a", "b=c"));
    }
}
