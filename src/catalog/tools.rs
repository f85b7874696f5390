//! Raw tools to domain types: schemas compiled, templates checked against them.

use serde_json::{Map, Value};

use super::compile::{Place, hints, plain_json};
use super::steps::run;
use super::{Entry, Schema, raw};
use crate::domain::document::Complaint;
use crate::domain::provider::ProviderName;
use crate::domain::tool::{Annotations, Tool, ToolName};

pub(super) fn compile(
    place: &Place<'_>,
    provider: &ProviderName,
    raw: Vec<raw::Tool>,
) -> Result<Vec<Entry>, Complaint> {
    raw.into_iter()
        .enumerate()
        .map(|(index, raw)| tool(&place.at(index), provider, raw))
        .collect()
}

fn tool(
    place: &Place<'_>,
    provider: &ProviderName,
    mut raw: raw::Tool,
) -> Result<Entry, Complaint> {
    let name = ToolName::parse(&raw.name).map_err(|e| place.at("name").complain(e))?;
    if raw.description.trim().is_empty() {
        let message = "a description tells the model when to use the tool";
        return Err(place.at("description").complain(message));
    }
    let input = input_schema(&place.at("input"), std::mem::take(&mut raw.input))?;
    let schema = Schema::compile(&input).map_err(|e| place.at("input").complain(e))?;
    let properties = input.get("properties").and_then(Value::as_object);
    let known: Vec<&str> = properties
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    let run = run(place, &mut raw, &known)?;
    let tool = Tool {
        name,
        provider: provider.clone(),
        title: raw.title,
        description: raw.description.trim().to_owned(),
        annotations: annotations(&place.at("annotations"), &raw.annotations)?,
        run,
        hints: hints(&place.at("hints"), raw.hints)?,
        input_schema: input,
    };
    Ok(Entry { tool, schema })
}

fn input_schema(place: &Place<'_>, raw: toml::Table) -> Result<Map<String, Value>, Complaint> {
    if raw.is_empty() {
        let mut schema = Map::new();
        schema.insert("type".to_owned(), "object".into());
        schema.insert("properties".to_owned(), Value::Object(Map::new()));
        return Ok(schema);
    }
    match plain_json(place, toml::Value::Table(raw))? {
        schema if is_mirrored(&schema) => {
            Err(place.complain("x-mcp-header is not supported; leave it out"))
        }
        Value::Object(schema) => Ok(schema),
        _ => Err(place.complain("a JSON Schema is a table")),
    }
}

/// Whether some property asks clients to mirror it into a header (MCP 2026-07-28,
/// `x-mcp-header`), wherever in the schema it is.
fn is_mirrored(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.contains_key("x-mcp-header") || members.values().any(is_mirrored)
        }
        Value::Array(items) => items.iter().any(is_mirrored),
        _ => false,
    }
}

fn annotations(place: &Place<'_>, raw: &raw::Annotations) -> Result<Annotations, Complaint> {
    if raw.read_only && raw.destructive {
        return Err(place.complain("a tool that only reads destroys nothing"));
    }
    Ok(Annotations {
        read_only: raw.read_only,
        destructive: raw.destructive,
        idempotent: raw.idempotent || raw.read_only,
        open_world: raw.open_world,
    })
}
