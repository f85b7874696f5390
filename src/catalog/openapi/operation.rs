//! One operation to the draft of a tool.

use super::body;
use super::choice::Operation;
use super::draft::Draft;
use super::node::Node;
use super::parameters::Parameters;
use super::path;
use super::schema::Schemas;
use super::spec::{Refusal, Spec};
use super::words::{Names, line, paragraphs, snake};

const MAX_TITLE: usize = 80;
const MAX_DESCRIPTION: usize = 1200;
/// More notes are not written.
const MAX_NOTES: usize = 12;
/// Names of tools are no longer; clients put names of servers before them.
pub(super) const MAX_NAME: usize = 64;
/// A longer path is refused.
const MAX_PATH: usize = 1000;

/// What the operation becomes; the schemas' notes become its own.
pub(super) fn draft<'a>(
    spec: &'a Spec,
    operation: &Operation<'a>,
    schemas: &mut Schemas<'a>,
) -> Result<Draft, Refusal> {
    let node = operation.node;
    let method = method(operation)?;
    if operation.path.len() > MAX_PATH {
        return Err(Refusal::at(node, "its path is too long"));
    }
    own_server(spec, operation)?;
    let (names, draft, in_path) = (Names::default(), Draft::default(), Vec::new());
    let mut parameters = Parameters {
        spec,
        schemas,
        names,
        draft,
        in_path,
    };
    parameters.take(operation.item, node)?;
    let written = path::turn(&mut parameters, (node, operation.path))?;
    body::request(&mut parameters, (method, node))?;
    let mut draft = parameters.draft;
    let answer = body::answer(spec, node)?;
    draft.kind = answer.kind;
    let accept = answer.accept.map(str::to_owned);
    draft
        .headers
        .extend(accept.map(|accept| ("Accept".to_owned(), accept)));
    draft.method = method;
    draft.path = written;
    texts(operation, &mut draft);
    draft.notes = std::mem::take(&mut schemas.notes);
    draft.notes.truncate(MAX_NOTES);
    Ok(draft)
}

fn method(operation: &Operation<'_>) -> Result<&'static str, Refusal> {
    let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let method = known.into_iter().find(|known| *known == operation.method);
    let reason = "a profile sends GET, POST, PUT, PATCH and DELETE";
    method.ok_or_else(|| Refusal::at(operation.node, reason))
}

/// A path or operation with a server of its own would be asked at the wrong place.
fn own_server(spec: &Spec, operation: &Operation<'_>) -> Result<(), Refusal> {
    let first = |node: &'_ Node| {
        node.items("servers")
            .next()
            .and_then(|s| s.text("url").map(str::to_owned))
    };
    let own = first(operation.node).or_else(|| first(operation.item));
    match own {
        Some(url) if Some(&url) != first(&spec.root).as_ref() => {
            let reason = format!(
                "it has a server of its own, `{}`; a profile has one",
                line(&url, 80)
            );
            Err(Refusal::at(operation.node, reason))
        }
        _ => Ok(()),
    }
}

fn texts(operation: &Operation<'_>, draft: &mut Draft) {
    let node = operation.node;
    let place = format!(
        "{} {}",
        operation.method.to_ascii_lowercase(),
        operation.path
    );
    let id = node.text("operationId").unwrap_or_default();
    draft.name = match snake(id, MAX_NAME) {
        empty if empty.is_empty() => snake(&place, MAX_NAME),
        name => name,
    };
    let text = |key: &str| node.text(key).map(|text| paragraphs(text, MAX_DESCRIPTION));
    let text = |key: &str| text(key).filter(|text| !text.is_empty());
    let summary = text("summary");
    draft.title = match &summary {
        Some(summary) => line(summary, MAX_TITLE),
        None => capitalized(&draft.name.replace('_', " ")),
    };
    let description = text("description")
        .or(summary)
        .unwrap_or_else(|| draft.title.clone());
    draft.description = match node.flag("deprecated") {
        true => format!("Deprecated. {description}"),
        false => description,
    };
}

fn capitalized(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map_or_else(String::new, |first| {
        first.to_ascii_uppercase().to_string() + rest.as_str()
    })
}
