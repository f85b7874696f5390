//! JSON to nodes. YAML readers take most JSON too, but not its surrogate pairs.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::node::{Kind, MAX_DEPTH, MAX_NODES, Mistake, Node, Table, twice};

pub(super) fn read(text: &str) -> Result<Rc<Node>, Mistake> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| Mistake {
        line: error.line().max(1),
        message: format!("expected JSON: {error}"),
    })?;
    let mut reader = Reader {
        text,
        at: 0,
        line: 1,
        nodes: 0,
        mistake: None,
    };
    reader.node(raw, 0)
}

/// Reads values in the order of the text.
struct Reader<'a> {
    text: &'a str,
    /// Where the last value begins, and its line.
    at: usize,
    line: usize,
    nodes: usize,
    /// What is wrong in a value, while serde's own errors lead out of it.
    mistake: Option<Mistake>,
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Reader<'_> {
    fn node(&mut self, raw: &RawValue, depth: usize) -> Result<Rc<Node>, Mistake> {
        let text = raw.get();
        let line = self.line_of(text);
        let mistake = |message: String| Mistake { line, message };
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(mistake(format!(
                "the file has more than {MAX_NODES} values"
            )));
        }
        if depth >= MAX_DEPTH {
            return Err(mistake(format!("nested more than {MAX_DEPTH} deep")));
        }
        let unread = |error: serde_json::Error| mistake(format!("expected JSON: {error}"));
        let kind = match text.as_bytes().first() {
            Some(b'{' | b'[') => {
                let inside = Inside {
                    reader: self,
                    depth: depth + 1,
                };
                let read = serde_json::Deserializer::from_str(text).deserialize_any(inside);
                read.map_err(|error| self.mistake.take().unwrap_or_else(|| unread(error)))?
            }
            Some(b'"') => Kind::Text(serde_json::from_str(text).map_err(unread)?),
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') => Kind::Null,
            _ => number(text),
        };
        Ok(Node::new(line, kind))
    }

    /// Where in memory a value is says where it is in the text, because it borrows from it.
    fn line_of(&mut self, value: &str) -> usize {
        let at = (value.as_ptr() as usize).wrapping_sub(self.text.as_ptr() as usize);
        let between = self.text.as_bytes().get(self.at..at).unwrap_or_default();
        self.line += between.iter().filter(|byte| **byte == b'\n').count();
        self.at = at;
        self.line
    }
}

/// What is in a list or an object.
struct Inside<'a, 'r> {
    reader: &'r mut Reader<'a>,
    depth: usize,
}

impl Inside<'_, '_> {
    fn node<E: Error>(&mut self, raw: &RawValue) -> Result<Rc<Node>, E> {
        let node = self.reader.node(raw, self.depth);
        node.map_err(|mistake| self.wrong(mistake))
    }

    fn wrong<E: Error>(&mut self, mistake: Mistake) -> E {
        self.reader.mistake = Some(mistake);
        E::custom("a mistake")
    }
}

impl<'de> Visitor<'de> for Inside<'_, '_> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut values: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(raw) = values.next_element::<&'de RawValue>()? {
            items.push(self.node(raw)?);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut entries: A) -> Result<Kind, A::Error> {
        let mut table = Table::new();
        while let Some((Key(key), raw)) = entries.next_entry::<Key<'de>, &'de RawValue>()? {
            let node = self.node(raw)?;
            let line = node.line;
            if table.insert(key.to_string(), node).is_some() {
                let message = twice(&key);
                return Err(self.wrong(Mistake { line, message }));
            }
        }
        Ok(Kind::Table(Box::new(table)))
    }
}

fn number(text: &str) -> Kind {
    match text.parse() {
        Ok(number) => Kind::Integer(number),
        Err(_) => Kind::Float(text.parse().unwrap_or(f64::INFINITY)),
    }
}
