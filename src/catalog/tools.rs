//! Raw tools to domain types: schemas compiled, templates checked against them.

use std::time::Duration;

use serde_json::{Map, Value};

use super::compile::{Place, hints, plain_json};
use super::steps::run;
use super::{Entry, Schema, raw};
use crate::domain::document::{Complaint, suggestion};
use crate::domain::provider::ProviderName;
use crate::domain::tool::{Annotations, Keep, KeptFor, Tool, ToolName};
use crate::domain::units::parse_duration;

/// A read's answer is kept no longer: others change what it says.
const LONGEST_CACHE: Duration = Duration::from_secs(600);

pub(super) fn compile(
    place: &Place<'_>,
    provider: &ProviderName,
    raw: Vec<raw::Tool>,
) -> Result<Vec<Entry>, Complaint> {
    let entries = raw.into_iter().enumerate();
    let entries = entries.map(|(index, raw)| tool(&place.at(index), provider, raw));
    let entries = entries.collect::<Result<Vec<_>, _>>()?;
    check_forgotten(place, &entries)?;
    Ok(entries)
}

/// What a tool forgets has to be an answer that some tool of the profile keeps.
fn check_forgotten(place: &Place<'_>, entries: &[Entry]) -> Result<(), Complaint> {
    let keeping = entries.iter().filter(|entry| entry.tool.keep.is_some());
    let keeping: Vec<&str> = keeping.map(|entry| entry.tool.name.as_str()).collect();
    for (index, entry) in entries.iter().enumerate() {
        for (at, name) in entry.tool.forgets.iter().enumerate() {
            if !keeping.contains(&name.as_str()) {
                let hint = suggestion(name.as_str(), &keeping);
                let message = format!("no tool `{name}` here has `idempotency` or `cache`{hint}");
                return Err(place.at(index).at("forgets").at(at).complain(message));
            }
        }
    }
    Ok(())
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
    let keep = keep(place, &raw, &known)?;
    let run = run(place, &mut raw, &known)?;
    let tool = Tool {
        name,
        provider: provider.clone(),
        title: raw.title,
        description: raw.description.trim().to_owned(),
        annotations: annotations(&place.at("annotations"), &raw.annotations)?,
        keep,
        forgets: forgets(&place.at("forgets"), &raw.forgets)?,
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

/// Whether an answer is given again: a write's by `idempotency`, a read's by `cache`.
fn keep(place: &Place<'_>, raw: &raw::Tool, known: &[&str]) -> Result<Option<Keep>, Complaint> {
    let read_only = raw.annotations.read_only;
    match (&raw.idempotency, &raw.cache) {
        (None, None) => Ok(None),
        (Some(_), _) if read_only => {
            let message = "only for tools that write; a read has `cache`";
            Err(place.at("idempotency").complain(message))
        }
        (_, Some(_)) if !read_only => {
            let message = "only for tools that read; a write has `idempotency`";
            Err(place.at("cache").complain(message))
        }
        (Some(raw), _) => {
            let place = place.at("idempotency");
            let pointers = raw.key.iter().enumerate();
            let pointers =
                pointers.map(|(at, text)| argument(&place.at("key").at(at), text, known));
            Ok(Some(Keep {
                kept_for: KeptFor::Principal,
                arguments: pointers.collect::<Result<_, _>>()?,
                window: window(&place.at("window"), &raw.window, Keep::LONGEST)?,
            }))
        }
        (None, Some(text)) => Ok(Some(Keep {
            kept_for: KeptFor::Tenant,
            arguments: Vec::new(),
            window: window(&place.at("cache"), text, LONGEST_CACHE)?,
        })),
    }
}

/// A JSON pointer (RFC 6901) to an argument, or to a part of one.
fn argument(place: &Place<'_>, text: &str, known: &[&str]) -> Result<String, Complaint> {
    let name = text
        .strip_prefix('/')
        .and_then(|rest| rest.split('/').next());
    let Some(name) = name else {
        return Err(place.complain("a JSON pointer to an argument, such as /patient_id"));
    };
    if !known.contains(&name) {
        let hint = suggestion(name, known);
        return Err(place.complain(format!("`{name}` is no argument of this tool{hint}")));
    }
    Ok(text.to_owned())
}

fn window(place: &Place<'_>, text: &str, longest: Duration) -> Result<Duration, Complaint> {
    let window = parse_duration(text).map_err(|error| place.complain(error))?;
    match window {
        Duration::ZERO => Err(place.complain("at least 1ms; to keep nothing, leave it out")),
        window if window > longest => {
            let longest = longest.as_secs() / 60;
            Err(place.complain(format!("at most {longest}m")))
        }
        window => Ok(window),
    }
}

fn forgets(place: &Place<'_>, names: &[String]) -> Result<Vec<ToolName>, Complaint> {
    let names = names.iter().enumerate();
    names
        .map(|(at, name)| ToolName::parse(name).map_err(|error| place.at(at).complain(error)))
        .collect()
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
