//! Parameters of an operation: arguments of the tool, and their places in the request.

use http::HeaderName;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;

use super::draft::{Draft, Query};
use super::node::{Kind, Node};
use super::schema::{EACH, Schema, Schemas};
use super::spec::{Refusal, Spec};
use super::words::{Names, line, snake};
use crate::catalog::compile::usable_header;
use crate::domain::origin::REQUEST_ID;

/// Argument names are no longer than this.
const LONGEST: usize = 64;

/// Headers that are sent without an argument: OpenAPI 3.0.4, section 4.7.12.1, has the first three
/// elsewhere, and calls have an id of Locum's.
const OWN: [HeaderName; 4] = [ACCEPT, CONTENT_TYPE, AUTHORIZATION, REQUEST_ID];
/// Longer names of parameters are refused, and more of them.
const MAX_NAME: usize = 200;
const MAX_PARAMETERS: usize = 500;

/// What an operation's parameters become.
pub(super) struct Parameters<'a, 's> {
    pub spec: &'a Spec,
    pub schemas: &'s mut Schemas<'a>,
    pub names: Names,
    pub draft: Draft,
    /// Parameters of the path: as they are written, and what stands for them.
    pub in_path: Vec<(String, String)>,
}

/// How a parameter's value becomes text.
enum Form {
    Scalar,
    /// A list, its items separated by this.
    Joined(char),
    /// A list of which one item can be sent.
    OneOf,
    None(&'static str),
}

impl<'a> Parameters<'a, '_> {
    /// Those of the path item, unless the operation has one of the same name and place.
    pub fn take(&mut self, item: &'a Node, operation: &'a Node) -> Result<(), Refusal> {
        let mut all: Vec<&'a Node> = Vec::new();
        let same = |one: &Node, other: &Node| {
            one.text("name") == other.text("name") && one.text("in") == other.text("in")
        };
        for parameter in item
            .items("parameters")
            .chain(operation.items("parameters"))
        {
            let parameter = self.spec.resolve(parameter)?;
            let name = parameter.text("name").unwrap_or_default();
            let is_much = name.len() > MAX_NAME || all.len() == MAX_PARAMETERS;
            if is_much || !self.schemas.spend(EACH) {
                let reason = "its parameters are too many or too long";
                return Err(Refusal::at(parameter, reason));
            }
            all.retain(|earlier| !same(earlier, parameter));
            all.push(parameter);
        }
        all.into_iter()
            .try_for_each(|parameter| self.parameter(parameter))
    }

    fn parameter(&mut self, node: &'a Node) -> Result<(), Refusal> {
        let (Some(name), Some(place)) = (node.text("name"), node.text("in")) else {
            return Err(Refusal::at(node, "a parameter: expected `name` and `in`"));
        };
        let required = place == "path" || node.flag("required");
        if place == "header"
            && OWN
                .iter()
                .any(|own| name.eq_ignore_ascii_case(own.as_str()))
        {
            return Ok(());
        }
        let form = match place {
            "path" | "query" => self.form(node, place)?,
            "header" => match usable_header(name) {
                Ok(_) => self.form(node, place)?,
                Err(reason) => Form::None(reason),
            },
            _ => Form::None("a profile sends no cookies"),
        };
        if let Form::None(reason) = form {
            let shown = line(name, 60);
            if required {
                return Err(Refusal::at(
                    node,
                    format!("its parameter `{shown}`: {reason}"),
                ));
            }
            self.schemas
                .note(format!("without the parameter `{shown}`: {reason}"));
            return Ok(());
        }
        self.add(node, (name, place, required), &form)
    }

    fn add(
        &mut self,
        node: &'a Node,
        (name, place, required): (&str, &str, bool),
        form: &Form,
    ) -> Result<(), Refusal> {
        let mut schema = self.schema(node, form)?;
        if place == "path" && schema.get("type") == Some(&Value::from("string")) {
            schema.entry("minLength").or_insert(1.into());
        }
        let kind = schema.get("type").and_then(Value::as_str);
        let always = matches!(kind, Some("integer" | "number" | "boolean"));
        let argument = self.argument(name, schema, required);
        let value = match form {
            Form::Joined(separator) => self.joined(&argument, *separator),
            _ => argument,
        };
        match place {
            "path" => self.in_path.push((name.to_owned(), value)),
            "query" => {
                let (name, value) = (name.to_owned(), format!("{{{value}}}"));
                self.draft.query.push(Query {
                    name,
                    value,
                    always,
                });
            }
            _ => self
                .draft
                .headers
                .push((name.to_owned(), format!("{{{value}}}"))),
        }
        Ok(())
    }

    /// A new argument; its name.
    pub fn argument(&mut self, name: &str, schema: Schema, required: bool) -> String {
        let name = self.free(name);
        self.draft.arguments.push((name.clone(), schema, required));
        name
    }

    fn free(&mut self, name: &str) -> String {
        let snake = match snake(name, LONGEST) {
            empty if empty.is_empty() => "argument".to_owned(),
            name => name,
        };
        self.names.unique(&snake, LONGEST)
    }

    fn joined(&mut self, argument: &str, separator: char) -> String {
        let name = self.free(&format!("{argument}_text"));
        let program = format!(
            "$args.{argument} | if . == null then null else map(tostring) | join(\"{separator}\") end"
        );
        self.draft.with.push((name.clone(), program));
        name
    }

    /// A segment of the path that is more than one parameter.
    pub fn segment(&mut self, program: String) -> String {
        let name = self.free("segment");
        self.draft.with.push((name.clone(), program));
        name
    }

    fn schema(&mut self, node: &'a Node, form: &Form) -> Result<Schema, Refusal> {
        let mut schema = match node.get("schema") {
            Some(schema) => self.schemas.turn(schema)?,
            None => Schema::new(),
        };
        if matches!(form, Form::OneOf) {
            let name = line(node.text("name").unwrap_or_default(), 60);
            self.schemas.note(format!(
                "`{name}` takes one value: a query key that repeats cannot be sent"
            ));
            schema = match schema.shift_remove("items") {
                Some(Value::Object(items)) => items,
                _ => Schema::new(),
            };
        }
        if let Some(text) = node.text("description") {
            schema.insert("description".to_owned(), line(text, 400).into());
        }
        Ok(schema)
    }

    /// Styles of OpenAPI 3.0.4, section 4.7.12.3, as far as a template can say them.
    fn form(&self, node: &'a Node, place: &str) -> Result<Form, Refusal> {
        let style = node.text("style");
        if place == "path" && style.is_some_and(|style| style != "simple") {
            return Ok(Form::None("a value in this style cannot be sent"));
        }
        if node.get("schema").is_none() && node.get("content").is_some() {
            return Ok(Form::None("its value is a document in a text"));
        }
        let Some(schema) = node.get("schema") else {
            return Ok(Form::Scalar);
        };
        let schema = self.spec.resolve(schema)?;
        let is = |name: &str| {
            schema.text("type") == Some(name)
                || schema
                    .items("type")
                    .any(|item| item.as_text() == Some(name))
        };
        if is("object") || schema.get("properties").is_some() {
            return Ok(Form::None("an object has no text in a request"));
        }
        if !is("array") {
            return Ok(Form::Scalar);
        }
        let explode = node
            .get("explode")
            .map(|node| matches!(node.kind, Kind::Bool(true)));
        Ok(match (place, style, explode) {
            ("query", None | Some("form"), None | Some(true)) => Form::OneOf,
            ("query", None | Some("form"), _) => Form::Joined(','),
            ("query", Some("spaceDelimited"), Some(false)) => Form::Joined(' '),
            ("query", Some("pipeDelimited"), Some(false)) => Form::Joined('|'),
            ("query", _, _) => Form::OneOf,
            _ => Form::Joined(','),
        })
    }
}
