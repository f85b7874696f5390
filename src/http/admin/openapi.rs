//! The contract: `GET /admin/v1/openapi.json` for programs, `GET /admin/v1` the same for people.
//! Both are public: they say what there is, not what is in it.

use std::fmt::Write;
use std::sync::LazyLock;

use axum::Router;
use axum::response::Response;
use axum::routing::get;
use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value};

use crate::http::json;

/// OpenAPI 3.1. Written by hand: it is what the endpoints are tested against.
const DOCUMENT: &str = include_str!("openapi.json");

static PAGE: LazyLock<String> = LazyLock::new(|| page(&document()));

pub(super) fn routes() -> Router {
    Router::new()
        .route(
            "/openapi.json",
            get(async || json(StatusCode::OK, DOCUMENT)),
        )
        .route("/", get(async || html(&PAGE)))
}

fn document() -> Value {
    serde_json::from_str(DOCUMENT).unwrap_or_default()
}

fn html(page: &str) -> Response {
    let mut response = Response::new(page.to_owned().into());
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'");
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    response
}

const HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8>\
<meta name=viewport content='width=device-width'><title>Locum admin API</title><style>\
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1b2733}\
h2{margin-top:2.5rem;border-bottom:1px solid #ccd5de}h3{margin:1.5rem 0 .3rem}\
code{background:#eef2f6;border-radius:.2rem;padding:.1rem .3rem}\
table{border-collapse:collapse;margin:.5rem 0}td,th{text-align:left;padding:.15rem .9rem .15rem 0;vertical-align:top}\
.m{display:inline-block;min-width:4.2rem;font-weight:600}</style>";

/// A page of the document: every operation with its parameters, body and answers.
fn page(document: &Value) -> String {
    let mut out = String::from(HEAD);
    let info = &document["info"];
    let _ = write!(out, "<h1>{}</h1>", text(&info["title"]));
    for paragraph in info["description"]
        .as_str()
        .unwrap_or_default()
        .split("\n\n")
    {
        let _ = write!(out, "<p>{}", escaped(paragraph));
    }
    for tag in items(&document["tags"]) {
        let name = tag["name"].as_str().unwrap_or_default();
        let _ = write!(
            out,
            "<h2>{}</h2><p>{}",
            escaped(name),
            text(&tag["description"])
        );
        for (path, method, operation) in operations(document) {
            if items(&operation["tags"]).any(|tag| tag == name) {
                write_operation(&mut out, path, method, operation, document);
            }
        }
    }
    out
}

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    entries(&document["paths"]).flat_map(|(path, methods)| {
        let methods = entries(methods).filter(|(name, _)| *name != "parameters");
        methods.map(move |(method, operation)| (path, method, operation))
    })
}

fn write_operation(
    out: &mut String,
    path: &str,
    method: &str,
    operation: &Value,
    document: &Value,
) {
    let _ = write!(
        out,
        "<h3><span class=m>{}</span> <code>{}</code></h3><p>{}",
        escaped(&method.to_uppercase()),
        escaped(path),
        text(&operation["summary"])
    );
    if let Some(description) = operation["description"].as_str() {
        let _ = write!(out, " {}", escaped(description));
    }
    let body = resolved(&operation["requestBody"], document);
    let schema = &body["content"]["application/json"]["schema"];
    let fields = resolved(schema, document);
    let parameters = items(&operation["parameters"]).map(|item| resolved(item, document));
    let parameters = parameters.map(|item| (&item["name"], &item["description"]));
    let properties = entries(&fields["properties"]);
    out.push_str("<table>");
    for (name, description) in parameters {
        row(out, name.as_str().unwrap_or_default(), description);
    }
    for (name, property) in properties {
        row(out, name, &resolved(property, document)["description"]);
    }
    for (status, answer) in entries(&operation["responses"]) {
        row(out, status, &resolved(answer, document)["description"]);
    }
    out.push_str("</table>");
}

fn row(out: &mut String, name: &str, description: &Value) {
    let _ = write!(
        out,
        "<tr><td><code>{}</code><td>{}",
        escaped(name),
        text(description)
    );
}

/// What a `$ref` of the document points to.
fn resolved<'a>(value: &'a Value, document: &'a Value) -> &'a Value {
    let pointer = value["$ref"]
        .as_str()
        .and_then(|link| link.strip_prefix('#'));
    pointer
        .and_then(|pointer| document.pointer(pointer))
        .unwrap_or(value)
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn entries(object: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = object.as_object().into_iter().flat_map(Map::iter);
    entries.map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> String {
    escaped(value.as_str().unwrap_or_default())
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
