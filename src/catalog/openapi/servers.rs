//! Servers to environments.

use url::Url;

use super::node::Node;
use super::spec::Spec;
use super::words::{Names, line};
use crate::domain::destination::Destinations;

/// Where nothing better is known; a domain that cannot exist (RFC 2606).
const NOWHERE: &str = "https://api.example";
const MAX_SERVERS: usize = 10;
const MAX_URL: usize = 1000;

pub(super) struct Environment {
    pub name: String,
    pub base_url: Url,
    /// What a person has to do about it.
    pub complete: Option<String>,
}

pub(super) fn environments(spec: &Spec) -> Vec<Environment> {
    let mut names = Names::default();
    let servers = spec.root.items("servers").take(MAX_SERVERS);
    let mut environments: Vec<Environment> = servers
        .filter_map(|server| environment(server, &mut names))
        .collect();
    if environments.is_empty() {
        environments.extend(nowhere("/", "the file names no server", &mut names));
    }
    environments
}

fn environment(server: &Node, names: &mut Names) -> Option<Environment> {
    let url = filled(server);
    if url.starts_with('/') || url.is_empty() || url.starts_with('.') {
        return nowhere(
            &url,
            "the file names a path alone, so the host is missing",
            names,
        );
    }
    let Ok(mut base_url) = Url::parse(&url) else {
        return nowhere(
            "/",
            &format!("the file names `{}`, which is no URL", line(&url, 100)),
            names,
        );
    };
    let mut complete = None;
    let allowed = |url: &Url| Destinations::default().check_base(url);
    if let Err(reason) = allowed(&base_url) {
        let said = line(&url, 100);
        complete = Some(format!("the file names `{said}`: {reason}"));
        if base_url.set_scheme("https").is_err() || allowed(&base_url).is_err() {
            return nowhere(
                base_url.path(),
                complete.as_deref().unwrap_or_default(),
                names,
            );
        }
    }
    let name = name(server, &url, names);
    Some(Environment {
        name,
        base_url,
        complete,
    })
}

fn nowhere(path: &str, complete: &str, names: &mut Names) -> Option<Environment> {
    let mut base_url = Url::parse(NOWHERE).ok()?;
    base_url.set_path(path);
    let name = slug("prod", names);
    Some(Environment {
        name,
        base_url,
        complete: Some(complete.to_owned()),
    })
}

/// The URL with the defaults of its variables (OpenAPI 3.0.4, section 4.7.6).
fn filled(server: &Node) -> String {
    let mut url = server.text("url").unwrap_or_default().to_owned();
    for (name, variable) in server.entries("variables").take(20) {
        let value = variable.get("default").and_then(Node::scalar);
        let text = match value {
            Some(serde_json::Value::String(text)) => text,
            Some(other) => other.to_string(),
            None => continue,
        };
        if url.len() <= MAX_URL && text.len() <= MAX_URL {
            url = url.replace(&format!("{{{name}}}"), &text);
        }
    }
    match url.len() <= MAX_URL {
        true => url,
        false => String::new(),
    }
}

/// `dev`, `staging` and the like where the server says so; else `prod`.
fn name(server: &Node, url: &str, names: &mut Names) -> String {
    let said = line(server.text("description").unwrap_or_default(), 200);
    let said = format!("{said} {url}").to_ascii_lowercase();
    let words: Vec<&str> = said.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    let known = [
        ("sandbox", "sandbox"),
        ("staging", "staging"),
        ("stage", "staging"),
        ("test", "test"),
        ("testing", "test"),
        ("dev", "dev"),
        ("development", "dev"),
        ("localhost", "dev"),
        ("uat", "uat"),
        ("qa", "qa"),
    ];
    let named = known.iter().find(|(word, _)| words.contains(word));
    slug(named.map_or("prod", |(_, name)| name), names)
}

fn slug(name: &str, names: &mut Names) -> String {
    names.unique(name, 20).replace('_', "-")
}
