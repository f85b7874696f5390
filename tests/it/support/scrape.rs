//! `/metrics` as Prometheus reads it: a strict parser of its text format, version 0.0.4.

use std::collections::{BTreeMap, BTreeSet};

use super::app::reqwest_client;

/// One reading of all metrics.
pub struct Scrape {
    pub text: String,
    kinds: BTreeMap<String, String>,
    samples: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

impl Scrape {
    /// Asks the admin listener at `http://ADDRESS`.
    pub async fn of(url: &str) -> Self {
        let response = reqwest_client().get(format!("{url}/metrics")).send().await;
        let response = response.unwrap();
        assert_eq!(response.status(), 200);
        let kind = response.headers()["content-type"].to_str().unwrap();
        assert_eq!(kind, "text/plain; version=0.0.4; charset=utf-8");
        Self::parse(response.text().await.unwrap())
    }

    fn parse(text: String) -> Self {
        let mut scrape = Self {
            text: String::new(),
            kinds: BTreeMap::new(),
            samples: BTreeMap::new(),
        };
        assert!(text.ends_with('\n'), "the last line ends too");
        let mut helped = BTreeSet::new();
        for line in text.lines() {
            if let Some(help) = line.strip_prefix("# HELP ") {
                let (name, _) = help.split_once(' ').unwrap();
                assert!(helped.insert(name.to_owned()), "one help: {line}");
            } else if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
                let before = scrape.kinds.insert(name.to_owned(), kind.to_owned());
                assert!(before.is_none() && helped.contains(name), "{line}");
            } else {
                scrape.add_sample(line);
            }
        }
        scrape.text = text;
        scrape.check_histograms();
        scrape
    }

    fn add_sample(&mut self, line: &str) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        let (name, labels) = match series.split_once('{') {
            None => (series, BTreeMap::new()),
            Some((name, rest)) => (name, pairs(rest.strip_suffix('}').unwrap())),
        };
        let allowed = |c: char| c.is_ascii_lowercase() || c == '_';
        assert!(name.chars().all(allowed), "{line}");
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .filter_map(|end| name.strip_suffix(end))
            .find(|name| {
                self.kinds
                    .get(*name)
                    .is_some_and(|kind| kind == "histogram")
            })
            .unwrap_or(name);
        let kind = self.kinds.get(family);
        let kind = kind.unwrap_or_else(|| panic!("no type before {line}"));
        assert_eq!(name.ends_with("_total"), kind == "counter", "{line}");
        let before = self.samples.insert((name.to_owned(), labels), value);
        assert!(before.is_none(), "twice: {line}");
    }

    fn check_histograms(&self) {
        for ((name, labels), count) in &self.samples {
            let Some(family) = name.strip_suffix("_count") else {
                continue;
            };
            let wanted = format!("{family}_bucket");
            let mut buckets: Vec<(f64, f64)> = Vec::new();
            for ((name, of), value) in &self.samples {
                let same = labels.iter().all(|(key, value)| of.get(key) == Some(value));
                if *name == wanted && same {
                    buckets.push((of["le"].parse().unwrap(), *value));
                }
            }
            buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
            let rising = buckets.is_sorted_by(|a, b| a.1 <= b.1);
            assert!(rising && buckets.len() > 2, "{name} {labels:?}");
            assert_eq!(buckets.last(), Some(&(f64::INFINITY, *count)), "{name}");
        }
    }

    /// The value of one series, all of whose labels are named.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let owned = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
        let key = (name.to_owned(), labels.iter().map(owned).collect());
        let value = self.samples.get(&key);
        *value.unwrap_or_else(|| panic!("no {key:?} in {}", self.text))
    }

    /// The kind of each family, and the names of its series' labels.
    pub fn families(&self) -> BTreeMap<String, (String, BTreeSet<String>)> {
        let families = self.kinds.iter().map(|(name, kind)| {
            let sample = match kind.as_str() {
                "histogram" => format!("{name}_count"),
                _ => name.clone(),
            };
            let series = self.samples.keys().filter(|(of, _)| *of == sample);
            let labels = series.flat_map(|(_, labels)| labels.keys().cloned());
            (name.clone(), (kind.clone(), labels.collect()))
        });
        families.collect()
    }

    /// The series that stand elsewhere than in an earlier scrape, and by how much, written as
    /// `name{value of each label by name}`; gauges and histograms aside.
    pub fn counted_since(&self, before: &Self) -> BTreeMap<String, f64> {
        let moved = self.samples.iter().filter_map(|(key, value)| {
            let ((name, labels), earlier) = (key, before.samples.get(key).unwrap_or(&0.0));
            let values: Vec<&str> = labels.values().map(String::as_str).collect();
            let shown = format!("{name}{{{}}}", values.join(","));
            (name.ends_with("_total") && value != earlier).then(|| (shown, value - earlier))
        });
        moved.collect()
    }

    /// Every value of every label.
    pub fn label_values(&self) -> BTreeSet<&str> {
        let labels = self.samples.keys().flat_map(|(_, labels)| labels.values());
        labels.map(String::as_str).collect()
    }
}

/// `a="x",b="y"`; values without escapes are all there is.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (key, value) = pair.split_once('=').unwrap();
        let value = value.strip_prefix('"').unwrap().strip_suffix('"').unwrap();
        assert!(!value.contains(['"', '\\']), "{pair}");
        (key.to_owned(), value.to_owned())
    };
    text.split(',').map(pair).collect()
}
