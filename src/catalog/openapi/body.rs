//! Bodies of requests and kinds of answers.

use super::node::Node;
use super::parameters::Parameters;
use super::spec::{Refusal, Spec};
use super::words::line;

/// The request's body as the argument `body`. What is no JSON cannot be sent.
pub(super) fn request<'a>(
    parameters: &mut Parameters<'a, '_>,
    operation: &'a Node,
) -> Result<(), Refusal> {
    let Some(body) = operation.get("requestBody") else {
        return Ok(());
    };
    let body = parameters.spec.resolve(body)?;
    let types: Vec<(&str, &Node)> = body.entries("content").take(20).collect();
    let Some((_, media)) = types.iter().find(|(name, _)| is_json(name)) else {
        let named: Vec<String> = types
            .iter()
            .map(|(name, _)| line(name, 60))
            .take(3)
            .collect();
        if named.is_empty() {
            return Ok(());
        }
        let reason = format!("its body is {}; a profile sends JSON", named.join(" or "));
        return Err(Refusal::at(body, reason));
    };
    let mut schema = match media.get("schema") {
        Some(schema) => parameters.schemas.turn(schema)?,
        None => super::schema::Schema::new(),
    };
    if let Some(text) = body.text("description") {
        schema.insert("description".to_owned(), line(text, 400).into());
    }
    let name = parameters.argument("body", schema, body.flag("required"));
    parameters.draft.body = Some(name);
    Ok(())
}

/// Whether a body of this type is sent as `application/json`.
fn is_json(media_type: &str) -> bool {
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    ["application/json", "*/*", "application/*"]
        .iter()
        .any(|json| essence.eq_ignore_ascii_case(json))
}

/// `text` or `bytes` and what to accept, where no good answer is JSON.
pub(super) fn answer<'a>(
    spec: &'a Spec,
    operation: &'a Node,
) -> Result<Option<(&'static str, &'a str)>, Refusal> {
    let mut other = None;
    for (status, response) in operation.entries("responses").take(100) {
        if !status.starts_with('2') {
            continue;
        }
        for (media_type, _) in spec.resolve(response)?.entries("content").take(20) {
            let name = media_type.to_ascii_lowercase();
            if name.contains("json") || name.starts_with("*/*") || name.starts_with("application/*")
            {
                return Ok(None);
            }
            other = other.or(Some(media_type));
        }
    }
    let Some(media_type) = other else {
        return Ok(None);
    };
    let is_text = media_type.starts_with("text/")
        || media_type.contains("xml")
        || media_type.contains("yaml");
    Ok(Some((if is_text { "text" } else { "bytes" }, media_type)))
}
