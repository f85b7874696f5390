//! An OpenAPI document: which version it is, and what its references lead to.

use std::path::Path;
use std::rc::Rc;

use percent_encoding::percent_decode_str;

use super::node::{Kind, Mistake, Node};
use super::{json, yaml};
use crate::domain::document::Complaint;

/// References that lead to references end here.
const MAX_HOPS: usize = 20;
const MAX_REFERENCE: usize = 1000;

/// The two dialects of schemas (OpenAPI 3.0.4, section 4.7.24; 3.1.1, section 4.8.24).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V30,
    V31,
}

pub(super) struct Spec {
    pub root: Rc<Node>,
    pub version: Version,
}

/// Why an operation cannot become a tool, and where the reason is.
#[derive(Debug)]
pub(super) struct Refusal {
    pub line: usize,
    pub reason: String,
}

impl Refusal {
    pub fn at(node: &Node, reason: impl Into<String>) -> Self {
        Self {
            line: node.line,
            reason: reason.into(),
        }
    }
}

impl Spec {
    pub fn read(file: &Path, text: &str) -> Result<Self, Complaint> {
        let complain = |mistake: Mistake| Complaint {
            file: file.to_owned(),
            // A line may end with \r alone; editors count as we do everywhere.
            line: Some(mistake.line.min(text.matches('\n').count() + 1)),
            column: None,
            field: None,
            message: mistake.message,
        };
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let root = match text.trim_start().starts_with('{') {
            true => json::read(text),
            false => yaml::read(text),
        };
        let root = root.map_err(complain)?;
        let version = version(&root).map_err(complain)?;
        let paths = root
            .get("paths")
            .is_none_or(|paths| paths.table().is_some());
        if !paths {
            let line = root.get("paths").map_or(1, |paths| paths.line);
            let message = "`paths`: expected a table of paths".to_owned();
            return Err(complain(Mistake { line, message }));
        }
        Ok(Self { root, version })
    }

    /// The node itself, or what its `$ref` leads to.
    pub fn resolve<'a>(&'a self, node: &'a Node) -> Result<&'a Node, Refusal> {
        let mut at = node;
        for _ in 0..MAX_HOPS {
            match at.text("$ref") {
                None => return Ok(at),
                Some(reference) => at = self.target(at, reference)?,
            }
        }
        Err(Refusal::at(node, "its references lead in a circle"))
    }

    /// What a reference leads to, which may be a reference itself.
    pub fn target<'a>(&'a self, from: &Node, reference: &str) -> Result<&'a Node, Refusal> {
        let refuse = |reason: &str| Refusal::at(from, format!("`{}` {reason}", short(reference)));
        if reference.len() > MAX_REFERENCE {
            return Err(refuse("is too long a reference"));
        }
        let pointer = reference.strip_prefix('#').ok_or_else(|| {
            refuse("is in another document; only local references (#/…) are followed, so bundle the files first")
        })?;
        let pointer = percent_decode_str(pointer).decode_utf8_lossy();
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(refuse("is no JSON pointer; expected #/…"));
        }
        let mut at = self.root.as_ref();
        for step in pointer.split('/').skip(1) {
            let step = step.replace("~1", "/").replace("~0", "~");
            let next = match &at.kind {
                Kind::List(items) => step
                    .parse()
                    .ok()
                    .and_then(|at: usize| items.get(at))
                    .map(Rc::as_ref),
                _ => at.get(&step),
            };
            at = next.ok_or_else(|| refuse("leads nowhere"))?;
        }
        Ok(at)
    }
}

fn short(text: &str) -> String {
    super::words::line(text, 120)
}

fn version(root: &Node) -> Result<Version, Mistake> {
    let expected = "expected `openapi: 3.0.x` or `3.1.x`";
    let line = |key: &str| root.get(key).map_or(root.line, |node| node.line);
    let Some(stated) = root.get("openapi") else {
        let found = match root.get("swagger") {
            Some(_) => "this is Swagger 2.0; convert it to OpenAPI 3 first",
            None => "there is no `openapi` at the top",
        };
        return Err(Mistake {
            line: line("swagger"),
            message: format!("{expected}; {found}"),
        });
    };
    let text = match &stated.kind {
        Kind::Text(text) => text.clone(),
        Kind::Float(number) => format!("{number:.1}"),
        _ => String::new(),
    };
    match text.get(..3) {
        Some("3.0") => Ok(Version::V30),
        Some("3.1") => Ok(Version::V31),
        _ => {
            let message = format!("{expected}; found `{}`", short(&text));
            Err(Mistake {
                line: stated.line,
                message,
            })
        }
    }
}
