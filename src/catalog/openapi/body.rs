//! Bodies of requests and kinds of answers.

use super::node::Node;
use super::parameters::Parameters;
use super::schema::Schema;
use super::spec::{Refusal, Spec};
use super::words::line;

/// More media types of a body or an answer, and more answers, are not looked at.
const MAX_TYPES: usize = 20;
const MAX_ANSWERS: usize = 100;

/// The request's body as the argument `body`. What is no JSON cannot be sent; a GET or DELETE is as
/// good without it (RFC 9110, section 9.3.1).
pub(super) fn request<'a>(
    parameters: &mut Parameters<'a, '_>,
    (method, operation): (&str, &'a Node),
) -> Result<(), Refusal> {
    let Some(body) = operation.get("requestBody") else {
        return Ok(());
    };
    let body = parameters.spec.resolve(body)?;
    let types: Vec<(&str, &Node)> = body.entries("content").take(MAX_TYPES).collect();
    if types.is_empty() {
        return Ok(());
    }
    let named = |is: fn(&str) -> bool| types.iter().find(|(name, _)| is(essence(name)));
    let Some((media_type, media)) = named(is_usual).or_else(|| named(is_json)) else {
        let names: Vec<String> = types.iter().map(|(name, _)| line(name, 60)).collect();
        let names = names[..names.len().min(3)].join(" or ");
        let reason = format!("its body is {names}; a profile sends JSON");
        if !matches!(method, "GET" | "DELETE") || body.flag("required") {
            return Err(Refusal::at(body, reason));
        }
        parameters.schemas.note(format!("without a body: {reason}"));
        return Ok(());
    };
    let mut schema = match media.get("schema") {
        Some(schema) => parameters.schemas.turn(schema)?,
        None => Schema::new(),
    };
    if let Some(text) = body.text("description") {
        schema.insert("description".to_owned(), line(text, 400).into());
    }
    let name = parameters.argument("body", schema, body.flag("required"));
    parameters.draft.body = Some(name);
    if !is_usual(essence(media_type)) {
        let own = ("Content-Type".to_owned(), essence(media_type).to_owned());
        parameters.draft.headers.push(own);
    }
    Ok(())
}

/// What the answer to an operation is, where that is not `application/json`.
#[derive(Default)]
pub(super) struct Answer<'a> {
    /// `text` or `bytes`.
    pub kind: Option<&'static str>,
    /// What to accept.
    pub accept: Option<&'a str>,
}

/// JSON where one of the good answers is JSON.
pub(super) fn answer<'a>(spec: &'a Spec, operation: &'a Node) -> Result<Answer<'a>, Refusal> {
    let mut types = Vec::new();
    let answers = operation.entries("responses").take(MAX_ANSWERS);
    for (_, answer) in answers.filter(|(status, _)| status.starts_with('2')) {
        let content = spec.resolve(answer)?.entries("content").take(MAX_TYPES);
        types.extend(content.map(|(name, _)| essence(name)));
    }
    if types.iter().any(|name| is_usual(name)) {
        return Ok(Answer::default());
    }
    let json = types.iter().find(|name| is_json(name));
    let Some(first) = json.or(types.first()) else {
        return Ok(Answer::default());
    };
    let is_text = first.starts_with("text/")
        || ["json", "xml", "yaml"]
            .iter()
            .any(|kind| first.contains(kind));
    let kind = match (json, is_text) {
        (Some(_), _) => None,
        (None, true) => Some("text"),
        (None, false) => Some("bytes"),
    };
    let accept = (kind != Some("bytes") && is_plain(first)).then_some(*first);
    Ok(Answer { kind, accept })
}

/// A media type without its parameters (RFC 9110, section 8.3.1).
fn essence(media_type: &str) -> &str {
    media_type.split(';').next().unwrap_or_default().trim()
}

/// What is sent and accepted without a word about it.
fn is_usual(essence: &str) -> bool {
    ["application/json", "*/*", "application/*"]
        .iter()
        .any(|usual| essence.eq_ignore_ascii_case(usual))
}

/// JSON under a name of its own, such as `application/fhir+json` (RFC 6839, section 3.1).
fn is_json(essence: &str) -> bool {
    let name = essence.to_ascii_lowercase();
    is_plain(essence) && (name.ends_with("+json") || name == "text/json")
}

/// What can be a header's value as it stands, in a template too.
fn is_plain(essence: &str) -> bool {
    let sound = |c: char| c.is_ascii_graphic() && !"{}".contains(c);
    (1..=100).contains(&essence.len()) && essence.chars().all(sound)
}
