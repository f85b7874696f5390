//! Request templates: texts and JSON with `{name}` in them.
//!
//! A template is compiled when a profile is loaded and rendered once a request. The values come
//! through [`Values`], so that the same template serves a tool's arguments and a login's secrets,
//! and a secret is written straight into the request's buffer. `{{` and `}}` are literal braces.

use std::borrow::Cow;
use std::fmt;

use serde_json::Value;

/// Where a rendering takes its values from.
pub trait Values {
    /// The value as text: a string as it is, an integer in decimal, a boolean as `true`/`false`.
    /// `None` when there is none or when it has no such form.
    fn text(&self, name: &str) -> Option<Cow<'_, str>>;

    /// Writes the value as JSON and says whether there was one.
    fn write_json(&self, name: &str, out: &mut Vec<u8>) -> bool;
}

/// Why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    #[error("`{0}` has an opening brace without its closing one; write {{{{ for a literal brace")]
    Unclosed(String),
    #[error("`{0}` has a closing brace without its opening one; write }}}} for a literal brace")]
    Unopened(String),
    #[error("`{{{0}}}` is not a name: a-z, 0-9 and _ are, starting with a letter")]
    Name(String),
    #[error("a date or time has no place in a JSON template; write it as a string")]
    Datetime,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    Name(String),
}

/// A text with `{name}` in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTemplate(Vec<Part>);

impl TextTemplate {
    pub fn parse(source: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            literal.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                literal.push_str(brace);
                rest = after;
                continue;
            }
            if brace == "}" {
                return Err(TemplateError::Unopened(source.to_owned()));
            }
            let end = rest
                .find('}')
                .ok_or_else(|| TemplateError::Unclosed(source.to_owned()))?;
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(Part::Name(checked_name(&rest[..end])?));
            rest = &rest[end + 1..];
        }
        literal.push_str(rest);
        if !literal.is_empty() || parts.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Ok(Self(parts))
    }

    /// The names that the template takes values for, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|part| match part {
            Part::Name(name) => Some(name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// The name, if the template is nothing but one.
    pub fn sole_name(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Name(name)] => Some(name),
            _ => None,
        }
    }

    /// The text, or `None` when a value is missing.
    pub fn render(&self, values: &dyn Values) -> Option<String> {
        let mut out = String::new();
        for part in &self.0 {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Name(name) => out.push_str(&values.text(name)?),
            }
        }
        Some(out)
    }
}

/// As a profile has it.
impl fmt::Display for TextTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|part| match part {
            Part::Literal(text) => f.write_str(&text.replace('{', "{{").replace('}', "}}")),
            Part::Name(name) => write!(f, "{{{name}}}"),
        })
    }
}

fn checked_name(name: &str) -> Result<String, TemplateError> {
    let starts = name.starts_with(|c: char| c.is_ascii_lowercase());
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if starts && name.chars().all(allowed) {
        Ok(name.to_owned())
    } else {
        Err(TemplateError::Name(name.to_owned()))
    }
}

/// JSON with `{name}` in its strings. A string that is nothing but `{name}` becomes that value
/// with its type; an object entry whose value is missing is left out.
#[derive(Debug, Clone, PartialEq)]
pub enum JsonTemplate {
    Literal(Value),
    Text(TextTemplate),
    Array(Vec<JsonTemplate>),
    Object(Vec<(String, JsonTemplate)>),
}

impl JsonTemplate {
    /// Compiles a TOML value.
    pub fn compile(source: &toml::Value) -> Result<Self, TemplateError> {
        Ok(match source {
            toml::Value::String(text) => Self::text(TextTemplate::parse(text)?),
            toml::Value::Integer(number) => Self::Literal((*number).into()),
            toml::Value::Float(number) => Self::Literal((*number).into()),
            toml::Value::Boolean(flag) => Self::Literal((*flag).into()),
            toml::Value::Datetime(_) => return Err(TemplateError::Datetime),
            toml::Value::Array(items) => {
                Self::Array(items.iter().map(Self::compile).collect::<Result<_, _>>()?)
            }
            toml::Value::Table(entries) => Self::Object(
                entries
                    .iter()
                    .map(|(key, value)| Ok((key.clone(), Self::compile(value)?)))
                    .collect::<Result<_, TemplateError>>()?,
            ),
        })
    }

    fn text(template: TextTemplate) -> Self {
        match template.0.as_slice() {
            [Part::Literal(literal)] => Self::Literal(Value::String(literal.clone())),
            _ => Self::Text(template),
        }
    }

    /// The names that the template takes values for.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Text(text) => text.names().collect(),
            Self::Array(items) => items.iter().flat_map(Self::names).collect(),
            Self::Object(entries) => entries
                .iter()
                .flat_map(|(_, value)| value.names())
                .collect(),
        }
    }

    /// Appends the JSON to `out` and says whether there was a value to write.
    pub fn render(&self, values: &dyn Values, out: &mut Vec<u8>) -> bool {
        match self {
            Self::Literal(value) => write_value(value, out),
            Self::Text(text) => match text.sole_name() {
                Some(name) => values.write_json(name, out),
                None => text
                    .render(values)
                    .is_some_and(|text| write_value(&text.into(), out)),
            },
            Self::Array(items) => render_array(items, values, out),
            Self::Object(entries) => render_object(entries, values, out),
        }
    }
}

fn write_value(value: &Value, out: &mut Vec<u8>) -> bool {
    serde_json::to_writer(out, value).is_ok()
}

fn render_array(items: &[JsonTemplate], values: &dyn Values, out: &mut Vec<u8>) -> bool {
    out.push(b'[');
    let mut separator = false;
    for item in items {
        separator |= separated(out, separator, |out| item.render(values, out));
    }
    out.push(b']');
    true
}

fn render_object(
    entries: &[(String, JsonTemplate)],
    values: &dyn Values,
    out: &mut Vec<u8>,
) -> bool {
    out.push(b'{');
    let mut separator = false;
    for (key, value) in entries {
        separator |= separated(out, separator, |out| {
            serde_json::to_writer(&mut *out, key).is_ok() && {
                out.push(b':');
                value.render(values, out)
            }
        });
    }
    out.push(b'}');
    true
}

/// Writes one element, after a comma where one is due; takes everything back if it has no value.
fn separated(out: &mut Vec<u8>, comma: bool, write: impl FnOnce(&mut Vec<u8>) -> bool) -> bool {
    let start = out.len();
    if comma {
        out.push(b',');
    }
    let written = write(out);
    if !written {
        out.truncate(start);
    }
    written
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, json};

    use super::*;

    struct Given(Map<String, Value>);

    impl Values for Given {
        fn text(&self, name: &str) -> Option<Cow<'_, str>> {
            self.0.get(name)?.as_str().map(Cow::Borrowed)
        }

        fn write_json(&self, name: &str, out: &mut Vec<u8>) -> bool {
            self.0
                .get(name)
                .is_some_and(|value| write_value(value, out))
        }
    }

    fn render(template: &str, values: Value) -> Value {
        let source: toml::Value = toml::from_str(template).unwrap();
        let Value::Object(values) = values else {
            panic!("an object")
        };
        let mut out = Vec::new();
        assert!(
            JsonTemplate::compile(&source)
                .unwrap()
                .render(&Given(values), &mut out)
        );
        serde_json::from_slice(&out).unwrap()
    }

    #[test]
    fn fills_in_values_with_their_types_and_leaves_out_the_missing() {
        let template = r#"id = "{id}"
            key = "{missing}"
            text = "a {id} {{b}}"
            list = ["{id}", "{missing}", 1]
            deep = { x = "{object}", y = "{missing}" }"#;
        let rendered = render(template, json!({"id": "7\"", "object": {"n": 1}}));
        assert_eq!(
            rendered,
            json!({"id": "7\"", "text": "a 7\" {b}", "list": ["7\"", 1], "deep": {"x": {"n": 1}}})
        );
    }

    #[test]
    fn says_what_is_wrong_with_a_template() {
        assert!(matches!(
            TextTemplate::parse("a{b"),
            Err(TemplateError::Unclosed(_))
        ));
        assert!(matches!(
            TextTemplate::parse("a}b"),
            Err(TemplateError::Unopened(_))
        ));
        assert!(matches!(
            TextTemplate::parse("{A}"),
            Err(TemplateError::Name(_))
        ));
        assert!(matches!(
            TextTemplate::parse("{}"),
            Err(TemplateError::Name(_))
        ));
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_literals_survive(text in "\\PC{0,40}") {
            let escaped = text.replace('{', "{{").replace('}', "}}");
            let parsed = TextTemplate::parse(&escaped).unwrap();
            prop_assert_eq!(parsed.render(&Given(Map::new())), Some(text.clone()));
            let _ = TextTemplate::parse(&text);
        }

        #[test]
        fn a_rendered_value_is_the_value(value in "\\PC{0,40}") {
            let given = json!({"v": value});
            prop_assert_eq!(render(r#"v = "{v}""#, given.clone()), given);
        }
    }
}
