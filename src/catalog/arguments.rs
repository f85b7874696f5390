//! Arguments against a tool's JSON Schema, with messages that a model can act on.

use serde_json::{Map, Value};

use crate::domain::call::Arguments;

/// More mistakes than this are not listed.
const MAX_MISTAKES: usize = 5;
/// A longer mistake is cut: it repeats the argument.
const MAX_MISTAKE: usize = 300;

/// A tool's input schema, compiled; and the defaults of its top-level properties.
#[derive(Debug)]
pub struct Schema {
    validator: jsonschema::Validator,
    defaults: Vec<(String, Value)>,
}

/// Arguments that do not fit, one sentence a mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidArguments(pub Vec<String>);

impl Schema {
    /// Compiles a schema (2020-12); references outside of it are refused.
    pub fn compile(schema: &Map<String, Value>) -> Result<Self, String> {
        if schema.get("type").and_then(Value::as_str) != Some("object") {
            return Err("the input of a tool is an object: write type = \"object\"".to_owned());
        }
        let defaults = schema
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .filter_map(|(name, property)| Some((name.clone(), property.get("default")?.clone())))
            .collect();
        let validator = jsonschema::options()
            .with_draft(jsonschema::Draft::Draft202012)
            .build(&Value::Object(schema.clone()))
            .map_err(|error| error.to_string())?;
        Ok(Self {
            validator,
            defaults,
        })
    }

    /// Checks the arguments and fills in defaults.
    pub fn check(&self, arguments: Arguments) -> Result<Arguments, InvalidArguments> {
        let value = Value::Object(arguments);
        if !self.validator.is_valid(&value) {
            return Err(self.mistakes(&value));
        }
        let Value::Object(mut arguments) = value else {
            return Ok(Arguments::new());
        };
        for (name, default) in &self.defaults {
            if !arguments.contains_key(name) {
                arguments.insert(name.clone(), default.clone());
            }
        }
        Ok(arguments)
    }

    fn mistakes(&self, value: &Value) -> InvalidArguments {
        let mistakes = self
            .validator
            .iter_errors(value)
            .take(MAX_MISTAKES)
            .map(|error| {
                let path = error.instance_path().to_string();
                let text: String = error.to_string().chars().take(MAX_MISTAKE).collect();
                match path.strip_prefix('/') {
                    Some(name) if !name.is_empty() => format!("argument `{name}`: {text}"),
                    _ => text,
                }
            });
        InvalidArguments(mistakes.collect())
    }
}
