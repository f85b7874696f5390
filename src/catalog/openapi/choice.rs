//! Which operations are wanted.

use super::node::Node;
use super::spec::{Refusal, Spec};
use super::words::line;
use crate::domain::document::near;

/// What names operations; without any, all are wanted.
#[derive(Debug, Default)]
pub struct Choice {
    pub tags: Vec<String>,
    /// A path, and everything below it.
    pub paths: Vec<String>,
    /// Operation ids.
    pub operations: Vec<String>,
}

/// A word that no operation has.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("no operation has the {kind} `{word}`{hint}")]
pub struct Unmatched {
    pub kind: &'static str,
    pub word: String,
    pub hint: String,
}

/// An operation of the file.
pub(super) struct Operation<'a> {
    pub path: &'a str,
    pub method: String,
    pub item: &'a Node,
    pub node: &'a Node,
}

impl Operation<'_> {
    /// `GET /pets (listPets)`.
    pub fn shown(&self) -> String {
        let id = self
            .node
            .text("operationId")
            .map(|id| format!(" ({})", line(id, 80)));
        format!(
            "{} {}{}",
            self.method,
            line(self.path, 200),
            id.unwrap_or_default()
        )
    }
}

const METHODS: [&str; 8] = [
    "get", "put", "post", "delete", "options", "head", "patch", "trace",
];

/// All operations in the file's order, and what cannot be read of paths and operations.
pub(super) fn operations(spec: &Spec) -> (Vec<Operation<'_>>, Vec<(String, Refusal)>) {
    let mut operations = Vec::new();
    let mut unread = Vec::new();
    let paths = spec.root.entries("paths");
    for (path, item) in paths.filter(|(path, _)| !path.starts_with("x-")) {
        let item = match spec.resolve(item) {
            Ok(item) => item,
            Err(refusal) => {
                unread.push((line(path, 200), refusal));
                continue;
            }
        };
        for (method, node) in item.table().into_iter().flatten() {
            if !METHODS.contains(&method.as_str()) {
                continue;
            }
            let method = method.to_ascii_uppercase();
            // Files that were split have references here too, where OpenAPI has none.
            match spec.resolve(node) {
                Ok(node) => operations.push(Operation {
                    path,
                    method,
                    item,
                    node,
                }),
                Err(refusal) => unread.push((format!("{method} {}", line(path, 200)), refusal)),
            }
        }
    }
    (operations, unread)
}

impl Choice {
    fn is_all(&self) -> bool {
        self.tags.is_empty() && self.paths.is_empty() && self.operations.is_empty()
    }

    pub(super) fn takes(&self, operation: &Operation<'_>) -> bool {
        self.is_all()
            || tags(operation).any(|tag| self.tags.iter().any(|wanted| wanted == tag))
            || self
                .paths
                .iter()
                .any(|wanted| is_below(operation.path, wanted))
            || self
                .operations
                .iter()
                .any(|wanted| has_id(operation, wanted))
    }

    /// Every word has to name something: a misspelt one would leave out what is wanted.
    pub(super) fn check(
        &self,
        operations: &[Operation<'_>],
        unread: &[(String, Refusal)],
    ) -> Result<(), Unmatched> {
        let all = operations.iter();
        for tag in &self.tags {
            let known = all.clone().flat_map(tags);
            find(("tag", tag), known, |own| own == tag, unread)?;
        }
        for path in &self.paths {
            let known = all.clone().map(|operation| operation.path);
            find(("path", path), known, |own| is_below(own, path), unread)?;
        }
        for id in &self.operations {
            let known = all.clone().filter_map(|one| one.node.text("operationId"));
            find(("operation id", id), known, |own| own == id, unread)?;
        }
        Ok(())
    }
}

fn find<'a>(
    (kind, word): (&'static str, &str),
    known: impl Iterator<Item = &'a str>,
    names: impl Fn(&str) -> bool,
    unread: &[(String, Refusal)],
) -> Result<(), Unmatched> {
    let mut known: Vec<&str> = known.collect();
    if known.iter().any(|own| names(own)) {
        return Ok(());
    }
    known.sort_unstable();
    known.dedup();
    let mut hint = near(word, &known);
    if let Some((_, Refusal { line, reason })) = unread.first() {
        let count = unread.len();
        hint.push_str(&format!("; {count} cannot be read: line {line}: {reason}"));
    }
    let word = word.to_owned();
    Err(Unmatched { kind, word, hint })
}

fn tags<'a>(operation: &Operation<'a>) -> impl Iterator<Item = &'a str> {
    operation
        .node
        .items("tags")
        .take(50)
        .filter_map(Node::as_text)
}

fn has_id(operation: &Operation<'_>, id: &str) -> bool {
    operation.node.text("operationId") == Some(id)
}

/// `/pets` and `/pets/{id}` are below `/pets`; `/petshops` is not.
fn is_below(path: &str, wanted: &str) -> bool {
    path.strip_prefix(wanted.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
}
