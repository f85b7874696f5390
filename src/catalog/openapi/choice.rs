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

/// All operations in the file's order, and path items that cannot be read.
pub(super) fn operations(spec: &Spec) -> (Vec<Operation<'_>>, Vec<(String, Refusal)>) {
    let mut operations = Vec::new();
    let mut unread = Vec::new();
    for (path, item) in spec
        .root
        .entries("paths")
        .filter(|(path, _)| !path.starts_with("x-"))
    {
        let item = match spec.resolve(item) {
            Ok(item) => item,
            Err(refusal) => {
                unread.push((line(path, 200), refusal));
                continue;
            }
        };
        for (method, node) in item.table().into_iter().flatten() {
            if METHODS.contains(&method.as_str()) {
                let method = method.to_ascii_uppercase();
                operations.push(Operation {
                    path,
                    method,
                    item,
                    node,
                });
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
    pub(super) fn check(&self, operations: &[Operation<'_>]) -> Result<(), Unmatched> {
        let unmatched = |kind, word: &str, mut known: Vec<&str>| {
            known.sort_unstable();
            known.dedup();
            let (word, hint) = (word.to_owned(), near(word, &known));
            Err(Unmatched { kind, word, hint })
        };
        for tag in &self.tags {
            if !operations
                .iter()
                .any(|operation| tags(operation).any(|own| own == tag))
            {
                return unmatched("tag", tag, operations.iter().flat_map(tags).collect());
            }
        }
        for path in &self.paths {
            if !operations
                .iter()
                .any(|operation| is_below(operation.path, path))
            {
                return unmatched(
                    "path",
                    path,
                    operations.iter().map(|one| one.path).collect(),
                );
            }
        }
        for id in &self.operations {
            if !operations.iter().any(|operation| has_id(operation, id)) {
                let known = operations
                    .iter()
                    .filter_map(|one| one.node.text("operationId"));
                return unmatched("operation id", id, known.collect());
            }
        }
        Ok(())
    }
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
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
