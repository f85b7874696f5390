//! Keywords that need no other schema: types, bounds, descriptions.

use serde_json::Value;

use super::Schema;
use crate::catalog::openapi::node::{Kind, Node};
use crate::catalog::openapi::words::line;

const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "array", "object", "null",
];
/// Bounds that are counts.
const COUNTS: [&str; 6] = [
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
];
/// An example that is longer is left out.
const MAX_EXAMPLE: usize = 60;
const MAX_FORMAT: usize = 60;

pub(super) fn texts(nodes: Vec<&Node>) -> Vec<&str> {
    nodes.into_iter().filter_map(Node::as_text).collect()
}

pub(super) fn types(node: &Node, out: &mut Schema) {
    let mut named: Vec<&str> = match node.text("type") {
        Some(only) => vec![only],
        None => texts(node.few("type", TYPES.len())),
    };
    named.retain(|name| TYPES.contains(name));
    named.sort_unstable_by_key(|name| *name == "null");
    named.dedup();
    match named.as_slice() {
        [] if node.get("properties").is_some() => out.insert("type".to_owned(), "object".into()),
        [] => None,
        [only] => out.insert("type".to_owned(), (*only).into()),
        several => out.insert("type".to_owned(), several.into()),
    };
}

/// What stands for a schema that is not written out.
pub(super) fn plain(node: &Node) -> Schema {
    let is_object = node.text("type") == Some("object") || node.get("properties").is_some();
    let kind = is_object.then(|| ("type".to_owned(), "object".into()));
    kind.into_iter().collect()
}

/// What limits numbers, texts and lists. 3.0 says with a flag that a limit is not in the range.
pub(super) fn bounds(node: &Node, out: &mut Schema) {
    for (key, exclusive) in [
        ("minimum", "exclusiveMinimum"),
        ("maximum", "exclusiveMaximum"),
    ] {
        let target = if node.flag(exclusive) { exclusive } else { key };
        for (key, value) in [
            (target, number(node, key)),
            (exclusive, number(node, exclusive)),
        ] {
            if let Some(value) = value {
                out.insert(key.to_owned(), value);
            }
        }
    }
    for key in COUNTS {
        if let Some(Kind::Integer(count @ 0..)) = node.get(key).map(|node| &node.kind) {
            out.insert(key.to_owned(), (*count).into());
        }
    }
    let multiple = number(node, "multipleOf");
    if let Some(multiple) = multiple.filter(|value| value.as_f64().is_some_and(|n| n > 0.0)) {
        out.insert("multipleOf".to_owned(), multiple);
    }
    if node.flag("uniqueItems") {
        out.insert("uniqueItems".to_owned(), true.into());
    }
    if let Some(text) = node.text("format").filter(|text| text.len() <= MAX_FORMAT) {
        out.insert("format".to_owned(), text.into());
    }
}

fn number(node: &Node, key: &str) -> Option<Value> {
    let value = node.get(key).and_then(Node::scalar);
    value.filter(Value::is_number)
}

/// A description; an example becomes its last words.
pub(super) fn describe(out: &mut Schema, mut text: String, node: &Node) {
    let example = node
        .get("example")
        .or_else(|| node.items("examples").next());
    let example = match example.and_then(Node::scalar) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    if !example.is_empty() && example.len() <= MAX_EXAMPLE {
        let is_ended = text.is_empty() || text.ends_with(['.', '!', '?']);
        let dot = if is_ended { "" } else { "." };
        text = format!("{text}{dot} Example: {}", line(&example, MAX_EXAMPLE));
    }
    let text = text.trim();
    if !text.is_empty() {
        out.insert("description".to_owned(), text.into());
    }
}
