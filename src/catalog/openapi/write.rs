//! Drafts to the text of a profile.

use serde_json::{Map, Value, json};

use super::access::{Access, Login};
use super::draft::Draft;
use super::servers::Environment;
use super::toml::{block, inline, key, lines, quoted, table};

/// What begins a line that a person has to look at.
pub(super) const COMPLETE: &str = "# COMPLETE:";

/// A login that is still to be described.
const UNKNOWN_PATH: &str = "/complete/this/path";

/// What a profile has before its tools.
pub(super) fn head(
    (from, name, title): (&str, &str, &str),
    environments: &[Environment],
    access: &Access,
) -> String {
    let mut out = format!(
        "# Made by `locum catalog import-openapi` from {from}.\n\
         # A line that begins with `{COMPLETE}` says what the file does not, or a profile cannot.\n\
         format = 1\nname = {}\ntitle = {}\n",
        quoted(name),
        quoted(title)
    );
    for environment in environments {
        out.push('\n');
        if let Some(complete) = &environment.complete {
            out.push_str(&format!("{COMPLETE} {complete}\n"));
        }
        let url = quoted(environment.base_url.as_str());
        out.push_str(&format!(
            "[environments.{}]\nbase_url = {url}\n",
            key(&environment.name)
        ));
    }
    for (name, description) in &access.fields {
        let description = quoted(description);
        out.push_str(&format!(
            "\n[credential.fields.{name}]\nrequired = true\ndescription = {description}\n"
        ));
    }
    login(access, &mut out);
    if let Some(fields) = &access.basic {
        let basic = basic(fields, false);
        out.push_str(&format!(
            "\n[[headers]]\nname = \"Authorization\"\n{basic}\n"
        ));
    }
    for (name, value) in &access.headers {
        let (name, value) = (quoted(name), quoted(value));
        out.push_str(&format!("\n[[headers]]\nname = {name}\nvalue = {value}\n"));
    }
    out
}

fn login(access: &Access, out: &mut String) {
    out.push_str("\n[login]\ndefault = \"main\"\n\n");
    for complete in &access.complete {
        out.push_str(&format!("{COMPLETE} {complete}\n"));
    }
    let (path, how) = match &access.login {
        // What requests carry is what was entered.
        Login::None => return out.push_str("[login.flows.main]\n"),
        Login::Client { path, fields } => {
            let basic = basic(fields, true);
            let form = r#"form = { grant_type = "client_credentials" }"#;
            (path.as_str(), format!("{basic}\n{form}"))
        }
        Login::Unknown => {
            let fields = access.fields.iter();
            let fields = fields.map(|(name, _)| (name.clone(), format!("{{{name}}}").into()));
            let json: Map<String, Value> = fields.collect();
            (UNKNOWN_PATH, format!("json = {}", inline(&json.into())))
        }
    };
    out.push_str(&format!(
        "[login.flows.main.request]\nmethod = \"POST\"\npath = {}\n{how}\n\n\
         [login.flows.main.response]\naccess_token = \"/access_token\"\nexpires_in = \"/expires_in\"\n",
        quoted(path),
    ));
}

/// HTTP Basic out of two fields; OAuth encodes them as forms do (RFC 6749, section 2.3.1).
fn basic((user, password): &(String, String), is_oauth: bool) -> String {
    let encoded = if is_oauth {
        ", form_encoded = true"
    } else {
        ""
    };
    let (user, password) = (format!("{{{user}}}"), format!("{{{password}}}"));
    let (user, password) = (quoted(&user), quoted(&password));
    format!("basic = {{ user = {user}, password = {password}{encoded} }}")
}

/// A tool under a comment that says where it comes from.
pub(super) fn tool(draft: &Draft, from: &str) -> String {
    let mut out = format!("\n# {from}\n");
    for note in &draft.notes {
        out.push_str(&format!("# Note: {note}.\n"));
    }
    out.push_str(&format!(
        "[[tools]]\nname = {}\ntitle = {}\ndescription = {}\nannotations = {}\n",
        quoted(&draft.name),
        quoted(&draft.title),
        block(&draft.description),
        inline(&annotations(draft.method))
    ));
    if !draft.arguments.is_empty() {
        table("tools.input", &input(draft), &mut out);
    }
    request(draft, &mut out);
    if let Some(kind) = draft.kind {
        out.push_str(&format!("\n[tools.response]\nkind = {}\n", quoted(kind)));
    }
    out
}

/// What a method promises (RFC 9110, section 9.2).
fn annotations(method: &str) -> Value {
    match method {
        "GET" => json!({"read_only": true}),
        "DELETE" => json!({"read_only": false, "destructive": true, "idempotent": true}),
        "PUT" => json!({"read_only": false, "idempotent": true}),
        _ => json!({"read_only": false}),
    }
}

fn input(draft: &Draft) -> Map<String, Value> {
    let required = draft.arguments.iter().filter(|(_, _, required)| *required);
    let required: Vec<&str> = required.map(|(name, _, _)| name.as_str()).collect();
    let properties = draft.arguments.iter();
    let properties: Map<String, Value> = properties
        .map(|(name, schema, _)| (name.clone(), schema.clone().into()))
        .collect();
    let mut input = Map::from_iter([("type".to_owned(), "object".into())]);
    if !required.is_empty() {
        input.insert("required".to_owned(), required.into());
    }
    input.insert("additionalProperties".to_owned(), false.into());
    input.insert("properties".to_owned(), properties.into());
    input
}

fn request(draft: &Draft, out: &mut String) {
    let (method, path) = (quoted(draft.method), quoted(&draft.path));
    out.push_str(&format!(
        "\n[tools.request]\nmethod = {method}\npath = {path}\n"
    ));
    if !draft.query.is_empty() {
        let rules = draft.query.iter().map(|query| match query.always {
            true => json!({"name": query.name, "value": query.value, "always": true}),
            false => json!({"name": query.name, "value": query.value}),
        });
        out.push_str(&format!("query = {}\n", lines(&rules.collect())));
    }
    if let Some(body) = &draft.body {
        out.push_str(&format!("body = {}\n", quoted(&format!("{{{body}}}"))));
    }
    for (name, entries) in [("headers", &draft.headers), ("with", &draft.with)] {
        if !entries.is_empty() {
            let entries = entries
                .iter()
                .map(|(name, value)| (name.clone(), value.as_str().into()));
            let entries: Map<String, Value> = entries.collect();
            table(&format!("tools.request.{name}"), &entries, out);
        }
    }
}
