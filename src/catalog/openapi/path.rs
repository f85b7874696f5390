//! A path with parameters to a path whose segments are names of templates.

use super::draft::Query;
use super::node::Node;
use super::parameters::Parameters;
use super::schema::Schema;
use super::spec::Refusal;
use super::words::line;

/// Turns `/pets/{petId}` into `/pets/{pet_id}`; a segment such as `{id}.json` becomes a program, and
/// a query in the path constants.
pub(super) fn turn(
    parameters: &mut Parameters<'_, '_>,
    (node, path): (&Node, &str),
) -> Result<String, Refusal> {
    // A fragment, which some files tell operations apart with, is not sent.
    let path = path.split('#').next().unwrap_or_default();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if !path.starts_with('/') || query.contains(['{', '}']) {
        let reason = "its path has to start with /, and have no parameter after a ?";
        return Err(Refusal::at(node, reason));
    }
    let constants = url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| Query {
        name: name.into_owned(),
        value: value.replace('{', "{{").replace('}', "}}"),
        always: false,
    });
    parameters.draft.query.extend(constants);
    let segments = path.split('/').map(|text| segment(parameters, node, text));
    Ok(segments.collect::<Result<Vec<_>, _>>()?.join("/"))
}

fn segment(
    parameters: &mut Parameters<'_, '_>,
    node: &Node,
    text: &str,
) -> Result<String, Refusal> {
    let Some(parts) = parts(text) else {
        return Err(Refusal::at(
            node,
            format!("`{}`: its braces are not paired", line(text, 60)),
        ));
    };
    let mut written = String::new();
    let mut program = String::new();
    for part in &parts {
        match part {
            Part::Literal(text) => {
                written.push_str(text);
                program.push_str(text);
            }
            Part::Name(name) => {
                let value = known(parameters, node, name)?;
                written.push_str(&format!("{{{value}}}"));
                let from = parameters
                    .draft
                    .with
                    .iter()
                    .find(|(made, _)| *made == value);
                let from = from.map_or_else(|| format!("$args.{value}"), |(_, made)| made.clone());
                program.push_str(&format!("\\({from})"));
            }
        }
    }
    if matches!(parts.as_slice(), [] | [_]) {
        return Ok(written);
    }
    // Whatever a program makes is percent-encoded, so only what stands for itself can be beside it.
    let itself = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let sound = |part: &Part<'_>| matches!(part, Part::Name(_)) || part.text().chars().all(itself);
    if !parts.iter().all(sound) {
        let reason = format!(
            "`{}`: a parameter beside such characters cannot be sent",
            line(text, 60)
        );
        return Err(Refusal::at(node, reason));
    }
    let name = parameters.segment(format!("\"{program}\""));
    Ok(format!("{{{name}}}"))
}

/// What stands for a parameter. One that the file does not describe is a required text.
fn known(parameters: &mut Parameters<'_, '_>, node: &Node, name: &str) -> Result<String, Refusal> {
    if let Some((_, value)) = parameters.in_path.iter().find(|(known, _)| known == name) {
        return Ok(value.clone());
    }
    let plain = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    if !plain || name.is_empty() {
        let reason = format!("`{{{}}}` in its path names no parameter", line(name, 60));
        return Err(Refusal::at(node, reason));
    }
    parameters.schemas.note(format!(
        "the file does not describe `{name}`, which is in the path"
    ));
    let text = [
        ("type".to_owned(), "string".into()),
        ("minLength".to_owned(), 1.into()),
    ];
    let value = parameters.argument(name, Schema::from_iter(text), true);
    parameters.in_path.push((name.to_owned(), value.clone()));
    Ok(value)
}

enum Part<'a> {
    Literal(&'a str),
    Name(&'a str),
}

impl Part<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Literal(text) | Self::Name(text) => text,
        }
    }
}

fn parts(text: &str) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('{') {
        let end = at + rest[at..].find('}')?;
        if at > 0 {
            parts.push(Part::Literal(&rest[..at]));
        }
        parts.push(Part::Name(&rest[at + 1..end]));
        rest = &rest[end + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Literal(rest));
    }
    let sound = parts.iter().all(|part| !part.text().contains(['{', '}']));
    sound.then_some(parts)
}
