//! Schemas that are turned already, changed: null allowed, patterns taken out.

use serde_json::Value;

use super::Schema;

/// A schema that allows null too.
pub(super) fn nullable(mut schema: Schema) -> Schema {
    let bound = ["enum", "const", "allOf", "anyOf"];
    let is_bound = bound.iter().any(|key| schema.contains_key(*key));
    match schema.get_mut("type") {
        Some(Value::String(name)) if !is_bound && name != "null" => {
            let name = std::mem::take(name);
            schema.insert("type".to_owned(), vec![name, "null".to_owned()].into());
            schema
        }
        None if !is_bound => schema,
        _ => beside_null(schema),
    }
}

/// `anyOf` the schema or null; what is said about both stays outside.
fn beside_null(mut schema: Schema) -> Schema {
    let outer = ["description", "default"].map(|key| schema.shift_remove_entry(key));
    let null = Schema::from_iter([("type".to_owned(), "null".into())]);
    let either = ("anyOf".to_owned(), vec![schema, null].into());
    let outer = outer.into_iter().flatten();
    std::iter::once(either).chain(outer).collect()
}

/// Takes the patterns out; whether there were any.
pub(in crate::catalog::openapi) fn without_patterns(schema: &mut Schema) -> bool {
    let is_pattern = schema.get("pattern").is_some_and(Value::is_string);
    if is_pattern {
        schema.shift_remove("pattern");
    }
    schema
        .values_mut()
        .fold(is_pattern, |any, value| any | clear(value))
}

fn clear(value: &mut Value) -> bool {
    match value {
        Value::Object(members) => without_patterns(members),
        Value::Array(items) => items.iter_mut().fold(false, |any, item| any | clear(item)),
        _ => false,
    }
}
