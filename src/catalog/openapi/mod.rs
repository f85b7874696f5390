//! OpenAPI documents to profiles, for a person to complete.
//!
//! ```text
//! text ─ yaml|json → nodes with lines ─ spec → operations ─ choice → drafts of tools ─ write → TOML
//! ```
//!
//! An operation that a profile cannot say faithfully is left out, with a reason and its line. What is
//! written has been loaded before it is handed out: each tool by itself, and the whole.
//!
//! The file may be hostile. Its size, depth and values are bounded, and so is what one tool and all
//! tools together may take; references are followed within the document only.

mod access;
mod body;
mod choice;
mod draft;
mod json;
mod node;
mod operation;
mod parameters;
mod path;
mod schema;
mod servers;
mod spec;
mod toml;
mod words;
mod write;
mod yaml;

use std::path::Path;

pub use choice::{Choice, Unmatched};

use choice::Operation;
use draft::Draft;
use schema::Schemas;
use spec::{Refusal, Spec};
use words::{Names, line};

use super::Catalog;
use crate::domain::destination::Destinations;
use crate::domain::document::Complaint;
use crate::domain::provider::ProviderName;

/// A larger file is not read. The largest public descriptions have 12 MB.
pub const MAX_FILE: u64 = 32 << 20;
/// A profile does not become larger; further operations are left out.
const MAX_PROFILE: usize = 8 << 20;
/// What all schemas of a file may take, in the units of one tool's room.
const WORK: usize = 200_000_000;
/// What an operation takes besides its schemas.
const OPERATION: usize = 1000;

/// What became of a file.
#[derive(Debug)]
pub struct Import {
    /// The text of the profile.
    pub profile: String,
    pub provider: ProviderName,
    pub tools: Vec<Imported>,
    pub left_out: Vec<LeftOut>,
    /// Operations that the choice does not name.
    pub not_chosen: usize,
}

/// An operation that became a tool.
#[derive(Debug)]
pub struct Imported {
    pub tool: String,
    /// `GET /pets (listPets)`.
    pub operation: String,
    pub line: usize,
}

/// An operation that did not.
#[derive(Debug)]
pub struct LeftOut {
    pub operation: String,
    pub line: usize,
    pub reason: String,
}

/// Why there is no profile.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("{0}")]
    Document(#[from] Complaint),
    #[error("{0}")]
    Unmatched(#[from] Unmatched),
    #[error("`info.title` makes no name for the provider; say --name")]
    NoName,
    #[error("what was made of the file does not load, which is a defect of Locum's: {0}")]
    Defect(Complaint),
}

/// Makes a profile of the operations that are wanted.
pub fn import(
    (file, text): (&Path, &str),
    choice: &Choice,
    name: Option<ProviderName>,
) -> Result<Import, ImportError> {
    let spec = Spec::read(file, text)?;
    let (mut operations, unread) = choice::operations(&spec);
    choice.check(&operations, &unread)?;
    let all = operations.len();
    operations.retain(|operation| choice.takes(operation));
    let provider = match name {
        Some(name) => name,
        None => provider_name(&spec).ok_or(ImportError::NoName)?,
    };
    let environments = servers::environments(&spec);
    let base_url = environments.first().map(|first| &first.base_url);
    let access = base_url
        .map(|url| access::access(&spec, url))
        .unwrap_or_default();
    let file_name = line(&file.file_name().unwrap_or_default().to_string_lossy(), 100);
    let title = title(&spec, &provider);
    let about = (file_name.as_str(), provider.as_str(), title.as_str());
    let mut import = Import {
        profile: write::head(about, &environments, &access),
        not_chosen: all - operations.len(),
        provider,
        tools: Vec::new(),
        left_out: Vec::new(),
    };
    for (operation, Refusal { line, reason }) in unread {
        import.left_out.push(LeftOut {
            operation,
            line,
            reason,
        });
    }
    import.take(&spec, &operations, &file_name);
    loaded(file, &import.profile).map_err(ImportError::Defect)?;
    Ok(import)
}

impl Import {
    fn take(&mut self, spec: &Spec, operations: &[Operation<'_>], file_name: &str) {
        let mut names = Names::default();
        let mut work = WORK;
        for operation in operations {
            let shown = operation.shown();
            let from = format!("{shown}, {file_name}:{}", operation.node.line);
            match self.tool((spec, operation, &from), &mut names, &mut work) {
                Ok((tool, text)) => {
                    self.profile.push_str(&text);
                    let line = operation.node.line;
                    self.tools.push(Imported {
                        tool,
                        operation: shown,
                        line,
                    });
                }
                Err(Refusal { line, reason }) => {
                    self.left_out.push(LeftOut {
                        operation: shown,
                        line,
                        reason,
                    });
                }
            }
        }
    }

    /// Name and text of the tool that an operation becomes.
    fn tool<'a>(
        &self,
        (spec, operation, from): (&'a Spec, &Operation<'a>, &str),
        names: &mut Names,
        work: &mut usize,
    ) -> Result<(String, String), Refusal> {
        let refuse = |reason: &str| Refusal::at(operation.node, reason);
        let too_much = "the operations together are too large; choose fewer";
        if *work == 0 {
            return Err(refuse(too_much));
        }
        let mut schemas = Schemas::new(spec);
        let drafted = operation::draft(spec, operation, &mut schemas);
        *work = work.saturating_sub(schema::ROOM - schemas.left() + OPERATION);
        let mut draft = drafted?;
        draft.name = names.unique(&draft.name, operation::MAX_NAME);
        let text = sound(&mut draft, from).map_err(|complaint| {
            let field = complaint.field.unwrap_or_default();
            let field = field.trim_start_matches("tools[0].");
            refuse(&line(
                &format!("as a tool's `{field}`: {}", complaint.message),
                300,
            ))
        })?;
        if self.profile.len() + text.len() > MAX_PROFILE {
            *work = 0;
            return Err(refuse(too_much));
        }
        Ok((draft.name, text))
    }
}

/// The text of a tool that loads. Patterns of other dialects are what most often does not.
fn sound(draft: &mut Draft, from: &str) -> Result<String, Complaint> {
    let load = |text: &str| loaded(Path::new("profile"), &[ALONE, text].concat());
    let text = write::tool(draft, from);
    let Err(complaint) = load(&text) else {
        return Ok(text);
    };
    let schemas = draft.arguments.iter_mut().map(|(_, schema, _)| schema);
    // All of them, not only the first that has one.
    let cleared = schemas.map(schema::without_patterns);
    if cleared.filter(|any| *any).count() == 0 {
        return Err(complaint);
    }
    draft
        .notes
        .push("without patterns: one is no regular expression here".to_owned());
    let text = write::tool(draft, from);
    load(&text).map(|()| text)
}

/// A profile to load one tool with.
const ALONE: &str = r#"
format = 1
name = "alone"
title = "Alone"
environments.prod.base_url = "https://api.example"
credential.fields.id = { description = "Id" }
login.default = "main"
login.flows.main.request = { method = "POST", path = "/", json = {} }
login.flows.main.response = { access_token = "" }
"#;

fn loaded(file: &Path, text: &str) -> Result<(), Complaint> {
    Catalog::default().add(file, text, &Destinations::default())
}

/// `Swagger Petstore` → `swagger-petstore`.
fn provider_name(spec: &Spec) -> Option<ProviderName> {
    let title = spec.root.get("info").and_then(|info| info.text("title"));
    let title = title.unwrap_or_default().to_ascii_lowercase();
    let slug = words::snake(&title, 63).replace('_', "-");
    ProviderName::parse(&slug).ok()
}

fn title(spec: &Spec, provider: &ProviderName) -> String {
    let title = spec.root.get("info").and_then(|info| info.text("title"));
    match line(title.unwrap_or_default(), 80) {
        empty if empty.is_empty() => provider.to_string(),
        title => title,
    }
}

#[cfg(test)]
mod tests;
