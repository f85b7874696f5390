//! A million hostile values: none changes method, host, shape of the path or the keys of the query
//! of any request that a tool makes.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use locum::catalog::{Catalog, Overrides};
use locum::domain::call::Arguments;
use locum::domain::clock::SystemClock;
use locum::domain::destination::Destinations;
use locum::domain::provider::Provider;
use locum::domain::steps::Action;
use locum::domain::tool::{PathSegment, RequestTemplate, Run};
use locum::net::{Net, NetSettings, SystemResolver};
use locum::upstream::{Asked, Rest};
use serde_json::{Value, json};
use url::Url;

const VALUES: usize = 1_000_000;

/// Parts of values that mean something to URLs, headers, templates and JSON.
const PARTS: &[&str] = &[
    "/",
    "..",
    ".",
    "%2e",
    "%2F",
    "%",
    "?",
    "&",
    "=",
    "#",
    ";",
    "\\",
    "@",
    ":",
    "//",
    "\r\n",
    "\n",
    "\t",
    "\0",
    "\u{7f}",
    " ",
    "+",
    "{",
    "}",
    "{{",
    "}}",
    "{id}",
    "\"",
    "'",
    "<",
    "[",
    "]",
    "|",
    "\u{2025}",
    "\u{ff0e}",
    "\u{ff0f}",
    "\u{202e}",
    "\u{feff}",
    "é",
    "日本",
    "😀",
    "a",
    "0",
    "-1",
    "x.example",
    "https://x.example/",
    "\u{0}\u{1}",
    "%00",
    "%0d%0aHost: x",
    "null",
    "true",
];

/// Repeatable and quick (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    fn text(&mut self) -> String {
        let parts = self.below(6);
        (0..parts).map(|_| PARTS[self.below(PARTS.len())]).collect()
    }

    fn value(&mut self) -> Value {
        match self.below(16) {
            0 => Value::Null,
            1 => json!(self.below(2) == 0),
            2 => json!(self.below(1_000)),
            3 => json!(-0.5),
            4 => json!([self.text(), self.below(9)]),
            5 => json!({ self.text(): self.text() }),
            _ => Value::String(self.text()),
        }
    }
}

/// Every request that a tool of the catalog makes.
fn templates(catalog: &Catalog) -> Vec<(&Arc<Provider>, &RequestTemplate)> {
    let mut all = Vec::new();
    for entry in catalog.tools() {
        let provider = catalog.provider(entry.tool.provider.as_str()).unwrap();
        match &entry.tool.run {
            Run::Request(only) => all.push((provider, &only.request)),
            Run::Steps(plan) => {
                all.extend(plan.steps.iter().filter_map(|step| match &step.action {
                    Action::Request(request) => Some((provider, &request.exchange.request)),
                    Action::Value(_) | Action::Return { .. } => None,
                }))
            }
        }
    }
    all
}

/// The names that a template takes values for.
fn names(template: &RequestTemplate) -> BTreeSet<String> {
    let path = template.path.iter().filter_map(|segment| match segment {
        PathSegment::Argument(name) => Some(name.clone()),
        PathSegment::Literal(_) => None,
    });
    let query = template.query.iter().flat_map(|rule| rule.value.names());
    let body = template.body.iter().flat_map(|body| body.names());
    path.chain(query.map(str::to_owned))
        .chain(body.map(str::to_owned))
        .collect()
}

fn check(template: &RequestTemplate, base: &Url, url: &Url, method: &str, arguments: &Arguments) {
    let context = || format!("{method} {url} of {arguments:?}");
    assert_eq!(method, template.method.as_str(), "{}", context());
    assert_eq!(url.origin(), base.origin(), "{}", context());
    assert_eq!(
        (url.username(), url.password(), url.fragment()),
        ("", None, None),
        "{}",
        context()
    );
    let base_segments = base
        .path_segments()
        .unwrap()
        .filter(|segment| !segment.is_empty())
        .count();
    let segments: Vec<&str> = url.path_segments().unwrap().collect();
    assert_eq!(
        segments.len(),
        base_segments + template.path.len(),
        "{}",
        context()
    );
    for (segment, expected) in segments.iter().skip(base_segments).zip(&template.path) {
        match expected {
            PathSegment::Literal(text) => assert_eq!(segment, text, "{}", context()),
            PathSegment::Argument(_) => {
                assert!(!matches!(*segment, "" | "." | ".."), "{}", context())
            }
        }
    }
    let known: Vec<&str> = template
        .query
        .iter()
        .map(|rule| rule.name.as_str())
        .collect();
    let pairs: Vec<_> = url.query_pairs().collect();
    let keys: BTreeSet<_> = pairs.iter().map(|(key, _)| key.as_ref()).collect();
    assert_eq!(keys.len(), pairs.len(), "{}", context());
    assert!(keys.iter().all(|key| known.contains(key)), "{}", context());
}

#[test]
fn no_value_changes_the_shape_of_a_request() {
    locum::app::install_crypto_provider();
    let second = Duration::from_secs(1);
    let settings = NetSettings {
        connect_timeout: second,
        request_timeout: second,
        destinations: Destinations::default(),
        proxy: None,
        extra_roots: Vec::new(),
    };
    let net = Net::new(settings, Arc::new(SystemResolver)).unwrap();
    let rest = Rest::new(net, 1 << 20, Arc::new(SystemClock));
    let catalog = Catalog::load(Path::new("nowhere"), false, &Overrides::default()).unwrap();
    let templates = templates(&catalog);
    assert!(templates.len() > 30);
    let named: Vec<_> = templates
        .iter()
        .map(|(_, template)| names(template))
        .collect();
    let base = Url::parse("https://api.example:8443/base/").unwrap();
    let mut dice = Dice(0x5eed);
    let (mut values, mut formed) = (0, 0);
    for round in 0.. {
        let index = round % templates.len();
        let ((provider, template), names) = (templates[index], &named[index]);
        // A value that a step made is as harmless as an argument.
        let (mut arguments, mut own) = (Arguments::new(), Arguments::new());
        for name in names {
            let into = if dice.below(4) == 0 {
                &mut own
            } else {
                &mut arguments
            };
            into.insert(name.clone(), dice.value());
            values += 1;
        }
        let asked = Asked::new(template, &arguments).with(&own);
        // Refused values are none that could change anything.
        if let Ok(request) = rest.form(&asked, &base) {
            let described = request.describe(&asked, provider);
            let url = Url::parse(&described.url).unwrap();
            check(template, &base, &url, &described.method, &arguments);
            formed += 1;
        }
        if values >= VALUES {
            break;
        }
    }
    assert!(
        formed > 100_000,
        "{formed} of {values} values made requests"
    );
}
