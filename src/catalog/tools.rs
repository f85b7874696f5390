//! Raw tools to domain types: schemas compiled, templates checked against them.

use serde_json::{Map, Value};

use super::compile::{Place, hints, json, known_name, method, plain_json, text};
use super::{Entry, Schema, raw};
use crate::domain::document::Complaint;
use crate::domain::provider::ProviderName;
use crate::domain::template::TextTemplate;
use crate::domain::tool::{
    Annotations, PathSegment, QueryRule, RequestTemplate, ResponseRule, Tool, ToolName,
};

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

fn tool(place: &Place<'_>, provider: &ProviderName, raw: raw::Tool) -> Result<Entry, Complaint> {
    let name = ToolName::parse(&raw.name).map_err(|e| place.at("name").complain(e))?;
    if raw.description.trim().is_empty() {
        let message = "a description tells the model when to use the tool";
        return Err(place.at("description").complain(message));
    }
    let input = input_schema(&place.at("input"), raw.input)?;
    let schema = Schema::compile(&input).map_err(|e| place.at("input").complain(e))?;
    let properties = input.get("properties").and_then(Value::as_object);
    let known: Vec<&str> = properties
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    let request = request(&place.at("request"), &raw.request, &known)?;
    let empty = raw.response.empty;
    let empty = empty.map(|value| plain_json(&place.at("response").at("empty"), value));
    let tool = Tool {
        name,
        provider: provider.clone(),
        title: raw.title,
        description: raw.description.trim().to_owned(),
        annotations: annotations(&place.at("annotations"), &raw.annotations)?,
        request,
        response: ResponseRule {
            kind: raw.response.kind,
            empty: empty.transpose()?,
        },
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

fn request(
    place: &Place<'_>,
    raw: &raw::Request,
    known: &[&str],
) -> Result<RequestTemplate, Complaint> {
    let query = raw.query.iter().enumerate().map(|(index, rule)| {
        let place = place.at("query").at(index);
        Ok(QueryRule {
            name: rule.name.clone(),
            value: text(&place.at("value"), &rule.value, known)?,
            always: rule.always,
            alone: rule.alone,
        })
    });
    let body = raw
        .body
        .as_ref()
        .map(|body| json(&place.at("body"), body, known));
    Ok(RequestTemplate {
        method: method(&place.at("method"), &raw.method)?,
        prefix: raw.path.split('{').next().unwrap_or_default().to_owned(),
        path: path(&place.at("path"), &raw.path, known)?,
        query: query.collect::<Result<_, Complaint>>()?,
        body: body.transpose()?,
    })
}

fn path(place: &Place<'_>, raw: &str, known: &[&str]) -> Result<Vec<PathSegment>, Complaint> {
    let Some(relative) = raw.strip_prefix('/') else {
        return Err(place.complain("a path starts with /"));
    };
    if raw.contains(['?', '#']) {
        return Err(place.complain("a path has no ? and no #; query keys go into `query`"));
    }
    relative
        .split('/')
        .map(|segment| path_segment(place, segment, known))
        .collect()
}

fn path_segment(
    place: &Place<'_>,
    segment: &str,
    known: &[&str],
) -> Result<PathSegment, Complaint> {
    let template = TextTemplate::parse(segment).map_err(|e| place.complain(e))?;
    if let Some(name) = template.sole_name() {
        known_name(place, name, known)?;
        return Ok(PathSegment::Argument(name.to_owned()));
    }
    if template.names().next().is_some() {
        let message = format!("`{segment}`: an argument fills a whole segment of the path");
        return Err(place.complain(message));
    }
    // Characters that stand for themselves in a segment (RFC 3986, section 3.3).
    let literal = |c: char| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@".contains(c);
    if matches!(segment, "." | "..") || !segment.chars().all(literal) {
        let message = format!("`{segment}`: use letters, digits and -._~ in fixed segments");
        return Err(place.complain(message));
    }
    Ok(PathSegment::Literal(segment.to_owned()))
}
