//! What a file says, as a tree whose nodes know their line. JSON and YAML become the same.

use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::Value;

use super::words::line;

/// Nothing is nested deeper.
pub(super) const MAX_DEPTH: usize = 100;
/// A file has no more values than this; the largest public descriptions have half as many.
pub(super) const MAX_NODES: usize = 1_500_000;

pub(super) type Table = IndexMap<String, Rc<Node>>;

/// A value and where it begins. YAML's aliases make it be in several places at once.
pub(super) struct Node {
    /// Counted from 1.
    pub line: usize,
    /// How deeply nested what is in it is; 0 for a scalar.
    pub height: usize,
    pub kind: Kind,
}

pub(super) enum Kind {
    Null,
    Bool(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Rc<Node>>),
    Table(Box<Table>),
}

/// Why a file cannot be read: a line and what is wrong there.
pub(super) struct Mistake {
    pub line: usize,
    pub message: String,
}

/// What is said about a key that a table has already.
pub(super) fn twice(key: &str) -> String {
    format!("the key `{}` is here twice", line(key, 100))
}

impl Node {
    pub fn new(line: usize, kind: Kind) -> Rc<Self> {
        let deepest = |items: &mut dyn Iterator<Item = &Rc<Node>>| {
            1 + items.map(|item| item.height).max().unwrap_or(0)
        };
        let height = match &kind {
            Kind::List(items) => deepest(&mut items.iter()),
            Kind::Table(entries) => deepest(&mut entries.values()),
            _ => 0,
        };
        Rc::new(Self { line, height, kind })
    }

    pub fn table(&self) -> Option<&Table> {
        match &self.kind {
            Kind::Table(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.table()?.get(key).map(Rc::as_ref)
    }

    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_text()
    }

    /// Whether the value at `key` is `true`.
    pub fn flag(&self, key: &str) -> bool {
        matches!(self.get(key).map(|node| &node.kind), Some(Kind::Bool(true)))
    }

    /// The entries of the table at `key`; none where there is no table.
    pub fn entries(&self, key: &str) -> impl Iterator<Item = (&str, &Node)> {
        let entries = self.get(key).and_then(Node::table).into_iter().flatten();
        entries.map(|(name, node)| (name.as_str(), node.as_ref()))
    }

    /// The items of the list at `key`; none where there is no list.
    pub fn items(&self, key: &str) -> impl Iterator<Item = &Node> {
        let items: &[Rc<Node>] = match self.get(key).map(|node| &node.kind) {
            Some(Kind::List(items)) => items,
            _ => &[],
        };
        items.iter().map(Rc::as_ref)
    }

    /// Those items, or none where there are more than `most`: a part of them would say too much.
    pub fn few(&self, key: &str, most: usize) -> Vec<&Node> {
        let items: Vec<&Node> = self.items(key).take(most + 1).collect();
        if items.len() > most {
            Vec::new()
        } else {
            items
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self.kind, Kind::Null)
    }

    /// A scalar as JSON; TOML has no `null`, and JSON no infinity.
    pub fn scalar(&self) -> Option<Value> {
        match &self.kind {
            Kind::Bool(flag) => Some((*flag).into()),
            Kind::Integer(number) => Some((*number).into()),
            Kind::Float(number) => serde_json::Number::from_f64(*number).map(Value::Number),
            Kind::Text(text) => Some(text.as_str().into()),
            Kind::Null | Kind::List(_) | Kind::Table(_) => None,
        }
    }
}
