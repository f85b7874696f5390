//! Schemas of OpenAPI to JSON Schema 2020-12, as a tool's `input` has it.
//!
//! What only documents, or has no meaning in a request, is left out. What cannot be said is said more
//! loosely, never more strictly: `oneOf` becomes `anyOf`, and `not` goes.

use serde_json::{Map, Value};

use super::node::{Kind, Node};
use super::spec::{Refusal, Spec, Version};
use super::words::line;

/// Schemas nested deeper become plain values: a model would not fill them in.
const MAX_DEPTH: usize = 10;
/// What one tool's schemas may take: bytes of text, and this for each schema and value.
pub(super) const ROOM: usize = 200_000;
pub(super) const EACH: usize = 40;
/// A pattern is compiled when the profile is loaded.
const PATTERN: usize = 5000;
/// Lists that are longer are left out.
const MAX_ITEMS: usize = 1000;
const MAX_PARTS: usize = 50;
/// A longer description of a property is cut.
const MAX_DESCRIPTION: usize = 400;
/// An example that is longer is left out.
const MAX_EXAMPLE: usize = 60;

pub(super) type Schema = Map<String, Value>;

/// Turns the schemas of one tool.
pub(super) struct Schemas<'a> {
    spec: &'a Spec,
    /// Referenced schemas that are around the present one.
    around: Vec<&'a Node>,
    room: usize,
    pub notes: Vec<String>,
}

impl<'a> Schemas<'a> {
    pub fn new(spec: &'a Spec) -> Self {
        Self {
            spec,
            around: Vec::new(),
            room: ROOM,
            notes: Vec::new(),
        }
    }

    pub fn turn(&mut self, node: &'a Node) -> Result<Schema, Refusal> {
        self.schema(node, 0)
    }

    pub fn note(&mut self, note: String) {
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    fn schema(&mut self, node: &'a Node, depth: usize) -> Result<Schema, Refusal> {
        let Some(reference) = node.text("$ref") else {
            return self.written(node, depth);
        };
        let name = line(reference.rsplit('/').next().unwrap_or_default(), 60);
        let target = self.spec.resolve(node)?;
        if self
            .around
            .iter()
            .any(|around| std::ptr::eq(*around, target))
        {
            self.note(format!(
                "`{name}` refers to itself; in there it is a plain value"
            ));
            return Ok(plain(target));
        }
        self.around.push(target);
        let turned = self.written(target, depth);
        self.around.pop();
        let mut turned = turned?;
        // Beside a reference 3.1 allows other keywords; 3.0 ignores them.
        if self.spec.version == Version::V31
            && let Some(text) = node.text("description")
        {
            describe(&mut turned, line(text, MAX_DESCRIPTION), node);
        }
        Ok(turned)
    }

    fn written(&mut self, node: &'a Node, depth: usize) -> Result<Schema, Refusal> {
        if depth > MAX_DEPTH || !self.spend(EACH) {
            self.note("schemas that are too large or too deep are cut to plain values".to_owned());
            return Ok(plain(node));
        }
        let mut out = Schema::new();
        types(node, &mut out);
        self.values(node, &mut out);
        bounds(node, &mut out);
        let pattern = node.text("pattern").filter(|text| text.len() <= 300);
        if let Some(pattern) = pattern.filter(|_| self.spend(PATTERN)) {
            out.insert("pattern".to_owned(), pattern.into());
        }
        self.parts(node, &mut out, depth)?;
        if let Some(text) = node.text("description").or_else(|| node.text("title")) {
            let text = line(text, MAX_DESCRIPTION);
            if self.spend(text.len()) {
                describe(&mut out, text, node);
            }
        } else {
            describe(&mut out, String::new(), node);
        }
        if self.spec.version == Version::V30 && node.flag("nullable") {
            out = nullable(out);
        }
        Ok(out)
    }

    /// `enum`, `const` and `default`. TOML has no null, so a list with it allows null by `anyOf`.
    fn values(&mut self, node: &'a Node, out: &mut Schema) {
        let listed = node.few("enum", MAX_ITEMS);
        let kept: Vec<Value> = listed.iter().filter_map(|item| item.scalar()).collect();
        let is_sound = listed
            .iter()
            .all(|item| item.scalar().is_some() || item.is_null());
        if is_sound && !kept.is_empty() && self.spend(kept.iter().map(size).sum()) {
            out.insert("enum".to_owned(), Value::Array(kept));
            let flagged = self.spec.version == Version::V30 && node.flag("nullable");
            if !flagged && listed.iter().any(|item| item.is_null()) {
                *out = nullable(std::mem::take(out));
            }
        }
        for key in ["const", "default"] {
            let value = node.get(key).and_then(Node::scalar);
            if let Some(value) = value.filter(|value| self.spend(size(value))) {
                out.insert(key.to_owned(), value);
            }
        }
    }

    fn parts(&mut self, node: &'a Node, out: &mut Schema, depth: usize) -> Result<(), Refusal> {
        let mut properties = Schema::new();
        let mut given_back = Vec::new();
        for (name, property) in node.entries("properties").take(MAX_ITEMS) {
            if self.room == 0 {
                break;
            }
            let resolved = self.spec.resolve(property)?;
            if resolved.flag("readOnly") || property.flag("readOnly") {
                given_back.push(name);
            } else if self.spend(name.len()) {
                properties.insert(name.to_owned(), self.schema(property, depth + 1)?.into());
            }
        }
        if !properties.is_empty() {
            out.insert("properties".to_owned(), properties.into());
        }
        let mut required: Vec<&str> = texts(node.few("required", MAX_ITEMS));
        required.retain(|name| !given_back.contains(name));
        required.sort_unstable();
        required.dedup();
        let size = required.iter().map(|name| name.len() + EACH).sum();
        if !required.is_empty() && self.spend(size) {
            out.insert("required".to_owned(), required.into());
        }
        for key in ["items", "additionalProperties"] {
            match node.get(key) {
                Some(Node {
                    kind: Kind::Bool(flag),
                    ..
                }) => {
                    out.insert(key.to_owned(), (*flag).into());
                }
                Some(part) if part.table().is_some() => {
                    out.insert(key.to_owned(), self.schema(part, depth + 1)?.into());
                }
                _ => {}
            }
        }
        // What is in `allOf` knows the others' properties as little as they know its own.
        for (key, kept) in [("allOf", "allOf"), ("anyOf", "anyOf"), ("oneOf", "anyOf")] {
            let parts = node.few(key, MAX_PARTS).into_iter();
            let parts = parts.map(|part| Ok(self.schema(part, depth + 1)?.into()));
            let parts = parts.collect::<Result<Vec<Value>, Refusal>>()?;
            if !parts.is_empty() && !out.contains_key(kept) {
                out.insert(kept.to_owned(), parts.into());
            }
        }
        Ok(())
    }

    /// What is left of the room.
    pub fn left(&self) -> usize {
        self.room
    }

    pub fn spend(&mut self, size: usize) -> bool {
        let left = self.room.checked_sub(size);
        self.room = left.unwrap_or(0);
        left.is_some()
    }
}

fn texts(nodes: Vec<&Node>) -> Vec<&str> {
    nodes.into_iter().filter_map(Node::as_text).collect()
}

fn size(value: &Value) -> usize {
    EACH + value.as_str().map_or(0, str::len)
}

const TYPES: [&str; 7] = [
    "string", "number", "integer", "boolean", "array", "object", "null",
];

fn types(node: &Node, out: &mut Schema) {
    let mut named: Vec<&str> = match node.get("type").map(|node| &node.kind) {
        Some(Kind::Text(text)) => vec![text],
        _ => texts(node.few("type", TYPES.len())),
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

/// What limits numbers, texts and lists. 3.0 says with a flag that a limit is not in the range.
fn bounds(node: &Node, out: &mut Schema) {
    for (key, exclusive) in [
        ("minimum", "exclusiveMinimum"),
        ("maximum", "exclusiveMaximum"),
    ] {
        let number = |key: &str| {
            node.get(key)
                .and_then(Node::scalar)
                .filter(Value::is_number)
        };
        let target = if node.flag(exclusive) { exclusive } else { key };
        for (key, value) in [(target, number(key)), (exclusive, number(exclusive))] {
            if let Some(value) = value {
                out.insert(key.to_owned(), value);
            }
        }
    }
    for key in [
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "minProperties",
        "maxProperties",
    ] {
        if let Some(Node {
            kind: Kind::Integer(number @ 0..),
            ..
        }) = node.get(key)
        {
            out.insert(key.to_owned(), (*number).into());
        }
    }
    let multiple = node.get("multipleOf").and_then(Node::scalar);
    if let Some(multiple) = multiple.filter(|value| value.as_f64().is_some_and(|n| n > 0.0)) {
        out.insert("multipleOf".to_owned(), multiple);
    }
    if node.flag("uniqueItems") {
        out.insert("uniqueItems".to_owned(), true.into());
    }
    if let Some(text) = node.text("format").filter(|text| text.len() <= 60) {
        out.insert("format".to_owned(), text.into());
    }
}

/// A description; an example becomes its last words.
fn describe(out: &mut Schema, mut text: String, node: &Node) {
    let example = node
        .get("example")
        .or_else(|| node.items("examples").next());
    let example = match example.and_then(Node::scalar) {
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
        None => String::new(),
    };
    if !example.is_empty() && example.len() <= MAX_EXAMPLE {
        let dot = if text.is_empty() || text.ends_with(['.', '!', '?']) {
            ""
        } else {
            "."
        };
        text = format!("{text}{dot} Example: {}", line(&example, MAX_EXAMPLE));
    }
    let text = text.trim();
    if !text.is_empty() {
        out.insert("description".to_owned(), text.into());
    }
}

/// A schema that allows null too.
fn nullable(mut schema: Schema) -> Schema {
    let bound = ["enum", "const", "allOf", "anyOf"]
        .iter()
        .any(|key| schema.contains_key(*key));
    match schema.get_mut("type") {
        Some(Value::String(name)) if !bound && name != "null" => {
            let name = std::mem::take(name);
            schema.insert("type".to_owned(), vec![name, "null".to_owned()].into());
            schema
        }
        None if !bound => schema,
        _ => {
            let outer = ["description", "default"].map(|key| (key, schema.shift_remove(key)));
            let null = Schema::from_iter([("type".to_owned(), "null".into())]);
            let mut out = Schema::new();
            out.insert("anyOf".to_owned(), vec![schema, null].into());
            let outer = outer
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), value?)));
            out.extend(outer);
            out
        }
    }
}

/// What stands for a schema that is not written out.
fn plain(node: &Node) -> Schema {
    let is_object = node.text("type") == Some("object") || node.get("properties").is_some();
    let kind = is_object.then(|| ("type".to_owned(), "object".into()));
    kind.into_iter().collect()
}

/// Takes the patterns out; whether there were any.
pub(super) fn without_patterns(schema: &mut Schema) -> bool {
    let is_pattern = schema.get("pattern").is_some_and(Value::is_string);
    if is_pattern {
        schema.shift_remove("pattern");
    }
    schema
        .values_mut()
        .fold(is_pattern, |any, value| clear(value) || any)
}

fn clear(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => without_patterns(members),
        Value::Array(items) => items.iter_mut().map(clear).filter(|any| *any).count() > 0,
        _ => false,
    }
}
