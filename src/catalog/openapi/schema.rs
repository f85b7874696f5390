//! Schemas of OpenAPI to JSON Schema 2020-12, as a tool's `input` has it.
//!
//! What only documents, or has no meaning in a request, is left out. What cannot be said is said more
//! loosely, never more strictly: `oneOf` becomes `anyOf`, and `not` goes.

mod changed;
mod keywords;

use serde_json::{Map, Value};

pub(super) use changed::without_patterns;

use super::node::{Kind, Node};
use super::spec::{Refusal, Spec, Version};
use super::words::line;
use changed::nullable;
use keywords::{bounds, describe, plain, texts, types};

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
        let is_around = |around: &&Node| std::ptr::eq(*around, target);
        if self.around.iter().any(is_around) {
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
        let is_whole = self.properties(node, &mut out, depth)?;
        self.others(node, &mut out, (depth, is_whole))?;
        self.combinations(node, &mut out, depth)?;
        let text = node.text("description").or_else(|| node.text("title"));
        let text = text.map(|text| line(text, MAX_DESCRIPTION));
        let text = text.filter(|text| self.spend(text.len()));
        describe(&mut out, text.unwrap_or_default(), node);
        if self.spec.version == Version::V30 && node.flag("nullable") {
            out = nullable(out);
        }
        Ok(out)
    }

    /// `enum`, `const` and `default`. TOML has no null, so a list with it allows null by `anyOf`.
    fn values(&mut self, node: &'a Node, out: &mut Schema) {
        let listed = node.few("enum", MAX_ITEMS);
        let kept: Vec<Value> = listed.iter().filter_map(|item| item.scalar()).collect();
        let nulls = listed.iter().filter(|item| item.is_null()).count();
        let is_sound = !kept.is_empty() && kept.len() + nulls == listed.len();
        if is_sound && self.spend(kept.iter().map(size).sum()) {
            out.insert("enum".to_owned(), Value::Array(kept));
            let flagged = self.spec.version == Version::V30 && node.flag("nullable");
            if nulls > 0 && !flagged {
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

    /// `properties` and `required`; whether no property is missing for want of room.
    fn properties(
        &mut self,
        node: &'a Node,
        out: &mut Schema,
        depth: usize,
    ) -> Result<bool, Refusal> {
        let mut properties = Schema::new();
        let mut given_back = Vec::new();
        let mut is_whole = true;
        for (at, (name, property)) in node.entries("properties").enumerate() {
            if at == MAX_ITEMS || !self.spend(name.len()) {
                is_whole = false;
                break;
            }
            let resolved = self.spec.resolve(property)?;
            if resolved.flag("readOnly") || property.flag("readOnly") {
                given_back.push(name);
            } else {
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
        Ok(is_whole)
    }

    /// `items` and `additionalProperties`, unless they are about what others leave, which are not there.
    fn others(
        &mut self,
        node: &'a Node,
        out: &mut Schema,
        (depth, is_whole): (usize, bool),
    ) -> Result<(), Refusal> {
        let has_properties = is_whole && node.get("patternProperties").is_none();
        for (key, has_others) in [
            ("items", node.get("prefixItems").is_none()),
            ("additionalProperties", has_properties),
        ] {
            let value = match node.get(key).filter(|_| has_others) {
                Some(part) if part.table().is_some() => self.schema(part, depth + 1)?.into(),
                Some(part) if matches!(part.kind, Kind::Bool(_)) => Value::Bool(node.flag(key)),
                _ => continue,
            };
            out.insert(key.to_owned(), value);
        }
        Ok(())
    }

    /// What is in `allOf` knows the others' properties as little as they know its own.
    fn combinations(
        &mut self,
        node: &'a Node,
        out: &mut Schema,
        depth: usize,
    ) -> Result<(), Refusal> {
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

fn size(value: &Value) -> usize {
    EACH + value.as_str().map_or(0, str::len)
}
