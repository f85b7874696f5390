//! JSON to nodes. YAML readers take most JSON too, but not its surrogate pairs.

use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::node::{Kind, MAX_DEPTH, MAX_NODES, Mistake, Node, Table};

pub(super) fn read(text: &str) -> Result<Rc<Node>, Mistake> {
    let raw: &RawValue = serde_json::from_str(text).map_err(|error| Mistake {
        line: error.line().max(1),
        message: format!("expected JSON: {error}"),
    })?;
    let ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
    let mut reader = Reader {
        begins: text.as_ptr() as usize,
        ends: ends.map(|(at, _)| at).collect(),
        nodes: 0,
    };
    reader.node(raw, 0)
}

struct Reader {
    /// Where the text is in memory: what a value borrows from it says where the value is.
    begins: usize,
    ends: Vec<usize>,
    nodes: usize,
}

/// The entries of an object, not read further.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reading;
        impl<'de> Visitor<'de> for Reading {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some((key, value)) = map.next_entry::<Key<'de>, &'de RawValue>()? {
                    entries.push((key.0, value));
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(Reading)
    }
}

#[derive(serde::Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

impl Reader {
    fn node(&mut self, raw: &RawValue, depth: usize) -> Result<Rc<Node>, Mistake> {
        let text = raw.get();
        let at = (text.as_ptr() as usize).wrapping_sub(self.begins);
        let line = self.ends.partition_point(|end| *end < at) + 1;
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
            Some(b'{') => {
                let Entries(entries) = serde_json::from_str(text).map_err(unread)?;
                let mut table = Table::with_capacity(entries.len());
                for (key, value) in entries {
                    table.insert(key.into_owned(), self.node(value, depth + 1)?);
                }
                Kind::Table(Box::new(table))
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(text).map_err(unread)?;
                let items = items.into_iter().map(|item| self.node(item, depth + 1));
                Kind::List(items.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Kind::Text(serde_json::from_str(text).map_err(unread)?),
            Some(b't') => Kind::Bool(true),
            Some(b'f') => Kind::Bool(false),
            Some(b'n') => Kind::Null,
            _ => number(text),
        };
        Ok(Node::new(line, kind))
    }
}

fn number(text: &str) -> Kind {
    match text.parse() {
        Ok(number) => Kind::Integer(number),
        Err(_) => Kind::Float(text.parse().unwrap_or(f64::INFINITY)),
    }
}
