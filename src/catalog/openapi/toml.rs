//! TOML as a person would write it: short tables in a line, long ones under a head of their own.

use serde_json::{Map, Value};

/// What is longer gets lines or a table of its own.
const MAX_LINE: usize = 96;

/// A text on one line. JSON's escapes are TOML's; TOML has U+007F escaped too.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007f")
}

/// A text whose lines are kept.
pub(super) fn block(text: &str) -> String {
    if !text.contains('\n') {
        return quoted(text);
    }
    let text = text.replace('\\', "\\\\").replace("\"\"\"", "\"\"\\\"");
    format!("\"\"\"\n{}\n\"\"\"", text.replace('\u{7f}', "\\u007f"))
}

pub(super) fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    match !name.is_empty() && name.chars().all(bare) {
        true => name.to_owned(),
        false => quoted(name),
    }
}

/// A value on one line.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members = ordered(members).into_iter();
            let members: Vec<String> = members
                .map(|(name, value)| format!("{} = {}", key(name), inline(value)))
                .collect();
            format!("{{ {} }}", members.join(", "))
        }
        Value::Number(number) if number.is_f64() => float(number.as_f64().unwrap_or_default()),
        other => other.to_string(),
    }
}

/// TOML has a digit on either side of the point.
fn float(number: f64) -> String {
    format!("{number:?}")
}

/// Writes a table under its head, and what is long in it under heads of their own.
pub(super) fn table(head: &str, members: &Map<String, Value>, out: &mut String) {
    let (tables, short): (Vec<_>, Vec<_>) = ordered(members)
        .into_iter()
        .partition(|(name, value)| is_long_table(name, value));
    if !short.is_empty() || tables.is_empty() {
        out.push_str(&format!("\n[{head}]\n"));
    }
    for (name, value) in short {
        out.push_str(&format!("{} = {}\n", key(name), lines(value)));
    }
    for (name, value) in tables {
        let head = format!("{head}.{}", key(name));
        if let Value::Object(members) = value {
            table(&head, members, out);
        }
    }
}

fn is_long_table(name: &str, value: &Value) -> bool {
    match value {
        Value::Object(members) if members.is_empty() => false,
        // Arguments have a table each, so that a person finds them.
        Value::Object(_) => name == "properties" || inline(value).len() > MAX_LINE,
        _ => false,
    }
}

/// A list that is too long for one line has a line for each item.
pub(super) fn lines(value: &Value) -> String {
    let text = inline(value);
    match value {
        Value::Array(items) if text.len() > MAX_LINE => {
            let items: String = items
                .iter()
                .map(|item| format!("  {},\n", inline(item)))
                .collect();
            format!("[\n{items}]")
        }
        _ => text,
    }
}

/// What a schema is comes first, what is in it last.
fn ordered(members: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let rank = |name: &str| match name {
        "type" => 0,
        "description" => 1,
        "required" => 3,
        "additionalProperties" => 4,
        "properties" => 5,
        _ => 2,
    };
    let mut members: Vec<(&String, &Value)> = members.iter().collect();
    members.sort_by_key(|(name, _)| rank(name));
    members
}
