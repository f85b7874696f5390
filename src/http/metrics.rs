//! `/metrics`: every meter, in the text format of Prometheus (version 0.0.4).

use std::fmt::Write;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response};

use crate::domain::meter::{Family, Histogram, Meter, Meters};
use crate::gateway::Gateway;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

#[derive(Clone)]
struct Scraped {
    gateway: Arc<Gateway>,
    meters: Meters,
}

/// The metrics endpoint of the admin listener.
pub fn routes(gateway: Arc<Gateway>, meters: Meters) -> Router {
    let help = "Always 1; the version is in the label";
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    meters.gauge("locum_build_info", help, &version).set(1);
    Router::new()
        .route("/metrics", get(metrics))
        .with_state(Scraped { gateway, meters })
}

async fn metrics(State(scraped): State<Scraped>) -> Response<Body> {
    scraped.gateway.take_census();
    let mut response = Response::new(Body::from(text(&scraped.meters)));
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

fn text(meters: &Meters) -> String {
    let mut out = String::with_capacity(64 * 1024);
    meters.each(|name, family| write_family(&mut out, name, family));
    out
}

fn write_family(out: &mut String, name: &str, family: &Family) {
    let kind = match family.series.values().next() {
        Some(Meter::Counter(_)) => "counter",
        Some(Meter::Gauge(_)) => "gauge",
        Some(Meter::Histogram(_)) => "histogram",
        None => return,
    };
    let _ = write!(out, "# HELP {name} {}\n# TYPE {name} {kind}\n", family.help);
    for (labels, meter) in &family.series {
        let labels = pairs(labels);
        match meter {
            Meter::Counter(counter) => write_sample(out, name, &labels, counter.value()),
            Meter::Gauge(gauge) => write_sample(out, name, &labels, gauge.value()),
            Meter::Histogram(histogram) => write_histogram(out, name, &labels, histogram),
        }
    }
}

fn write_sample(out: &mut String, name: &str, labels: &str, value: impl std::fmt::Display) {
    let _ = match labels {
        "" => writeln!(out, "{name} {value}"),
        labels => writeln!(out, "{name}{{{labels}}} {value}"),
    };
}

/// Bounds, sum and count are of one reading: a call that ends meanwhile is in the next scrape.
fn write_histogram(out: &mut String, name: &str, labels: &str, histogram: &Histogram) {
    let separator = if labels.is_empty() { "" } else { "," };
    let sum = histogram.sum().as_secs_f64();
    let mut count = 0;
    for (bound, up_to) in histogram.up_to() {
        let bound = bound.map_or("+Inf".to_owned(), |bound| bound.as_secs_f64().to_string());
        let _ = writeln!(
            out,
            "{name}_bucket{{{labels}{separator}le=\"{bound}\"}} {up_to}"
        );
        count = up_to;
    }
    write_sample(out, &format!("{name}_sum"), labels, sum);
    write_sample(out, &format!("{name}_count"), labels, count);
}

/// `a="x",b="y"`; backslashes, quotes and line ends are escaped.
fn pairs(labels: &[(&'static str, String)]) -> String {
    let mut out = String::new();
    for (name, value) in labels {
        let separator = if out.is_empty() { "" } else { "," };
        let _ = write!(out, "{separator}{name}=\"");
        for character in value.chars() {
            match character {
                '\\' => out.push_str("\\\\"),
                '"' => out.push_str("\\\""),
                '\n' => out.push_str("\\n"),
                other => out.push(other),
            }
        }
        out.push('"');
    }
    out
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_kind_is_written_as_the_format_wants_it() {
        const BOUNDS: &[Duration] = &[Duration::from_millis(5), Duration::from_secs(1)];
        let meters = Meters::default();
        meters
            .counter("a_total", "An a", &[("x", "q\"\\\n")])
            .count();
        meters.gauge("b", "A b", &[]).set(-7);
        let histogram = meters.histogram("c_seconds", "A c", &[("x", "y")], BOUNDS);
        histogram.observe(Duration::from_millis(5));
        histogram.observe(Duration::from_millis(1_500));
        let expected = r##"
# HELP a_total An a
# TYPE a_total counter
a_total{x="q\"\\\n"} 1
# HELP b A b
# TYPE b gauge
b -7
# HELP c_seconds A c
# TYPE c_seconds histogram
c_seconds_bucket{x="y",le="0.005"} 1
c_seconds_bucket{x="y",le="1"} 1
c_seconds_bucket{x="y",le="+Inf"} 2
c_seconds_sum{x="y"} 1.505
c_seconds_count{x="y"} 2
"##;
        assert_eq!(text(&meters), expected.trim_start());
    }
}
