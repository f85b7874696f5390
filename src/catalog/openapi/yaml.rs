//! YAML to nodes. An alias shares what it names instead of copying it, so a small file stays small.

use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, ScalarStyle, Tag};

use super::node::{Kind, MAX_DEPTH, MAX_NODES, Mistake, Node, Table, twice};

/// Reads the one document of a text.
pub(super) fn read(text: &str) -> Result<Rc<Node>, Mistake> {
    let mut reader = Reader::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| Mistake {
            line: error.marker().line().max(1),
            message: format!("expected YAML: {}", error.info()),
        })?;
        let line = span.start.line().max(1);
        reader
            .take(event, line)
            .map_err(|message| Mistake { line, message })?;
    }
    reader.root.ok_or_else(|| Mistake {
        line: 1,
        message: "expected an OpenAPI document; the file is empty".to_owned(),
    })
}

/// A list or table whose end has not come yet.
struct Open {
    line: usize,
    anchor: usize,
    content: Content,
}

enum Content {
    List(Vec<Rc<Node>>),
    Table {
        entries: Table,
        key: Option<String>,
        /// What `<<` names: it gives way to the table's own entries.
        merged: Vec<Rc<Node>>,
    },
}

#[derive(Default)]
struct Reader {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    nodes: usize,
    root: Option<Rc<Node>>,
}

impl Reader {
    fn take(&mut self, event: Event<'_>, line: usize) -> Result<(), String> {
        match event {
            Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag, line),
            Event::SequenceStart(anchor, _) => self.begin(line, anchor, Content::List(Vec::new())),
            Event::MappingStart(anchor, _) => {
                let (entries, merged) = (Table::new(), Vec::new());
                let key = None;
                self.begin(
                    line,
                    anchor,
                    Content::Table {
                        entries,
                        key,
                        merged,
                    },
                )
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
            Event::Alias(anchor) => match self.anchors.get(&anchor).cloned() {
                Some(node) => self.put(node),
                None => Err("an alias names a value that comes later or is around it".to_owned()),
            },
            Event::DocumentStart(_) if self.root.is_some() => {
                Err("expected one document; a second one begins here".to_owned())
            }
            _ => Ok(()),
        }
    }

    fn begin(&mut self, line: usize, anchor: usize, content: Content) -> Result<(), String> {
        if self.open.len() >= MAX_DEPTH {
            return Err(too_deep());
        }
        if let Some(Open {
            content: Content::Table { key: None, .. },
            ..
        }) = self.open.last()
        {
            return Err("expected a text as key".to_owned());
        }
        self.open.push(Open {
            line,
            anchor,
            content,
        });
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Open {
            line,
            anchor,
            content,
        }) = self.open.pop()
        else {
            return Ok(());
        };
        let kind = match content {
            Content::List(items) => Kind::List(items),
            Content::Table {
                mut entries,
                merged,
                ..
            } => {
                for node in merged {
                    self.merge(&node, &mut entries)?;
                }
                Kind::Table(Box::new(entries))
            }
        };
        let node = Node::new(line, kind);
        self.name(anchor, &node);
        self.put(node)
    }

    fn merge(&mut self, node: &Node, entries: &mut Table) -> Result<(), String> {
        let tables = match &node.kind {
            Kind::List(items) => items.iter().filter_map(|item| item.table()).collect(),
            _ => Vec::from_iter(node.table()),
        };
        for (key, value) in tables.into_iter().flatten() {
            self.count()?;
            entries.entry(key.clone()).or_insert_with(|| value.clone());
        }
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<Cow<'_, Tag>>,
        line: usize,
    ) -> Result<(), String> {
        let is_text = style != ScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
        let node = Node::new(
            line,
            if is_text {
                Kind::Text(text.to_owned())
            } else {
                plain(text)
            },
        );
        self.name(anchor, &node);
        match self.open.last_mut().map(|open| &mut open.content) {
            Some(Content::Table {
                key: key @ None, ..
            }) => {
                *key = Some(text.to_owned());
                Ok(())
            }
            _ => self.put(node),
        }
    }

    fn name(&mut self, anchor: usize, node: &Rc<Node>) {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
    }

    fn put(&mut self, node: Rc<Node>) -> Result<(), String> {
        self.count()?;
        if self.open.len() + node.height > MAX_DEPTH {
            return Err(too_deep());
        }
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(node),
            Some(Content::List(items)) => items.push(node),
            Some(Content::Table {
                entries,
                key,
                merged,
            }) => match key.take() {
                None => *key = Some(node.as_text().ok_or("expected a text as key")?.to_owned()),
                Some(name) if name == "<<" => merged.push(node),
                Some(name) if entries.contains_key(&name) => return Err(twice(&name)),
                Some(name) => drop(entries.insert(name, node)),
            },
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), String> {
        self.nodes += 1;
        match self.nodes > MAX_NODES {
            true => Err(format!("the file has more than {MAX_NODES} values")),
            false => Ok(()),
        }
    }
}

fn too_deep() -> String {
    format!("nested more than {MAX_DEPTH} deep")
}

/// A plain scalar (YAML 1.2.2, section 10.3.2, the core schema).
fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        _ => {}
    }
    let numeric = text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c));
    let spelled = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    if numeric && text.chars().all(spelled) {
        if let Ok(number) = text.parse() {
            return Kind::Integer(number);
        }
        if let Ok(number) = text.parse() {
            return Kind::Float(number);
        }
    }
    Kind::Text(text.to_owned())
}
