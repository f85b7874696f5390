//! What is counted about the requests to one provider and environment.

use std::time::Duration;

use http::StatusCode;

use crate::domain::meter::{Histogram, LATENCIES, Label, Meters, Tally};
use crate::net::{Answer, NetFailure};

/// How requests end: the class of the status, or why there was none.
const RESULTS: &[&str] = &[
    "2xx",
    "3xx",
    "4xx",
    "5xx",
    "connect",
    "timeout",
    "interrupted",
    "too_large",
    "request",
];

/// Shared by all tenants of one provider and environment.
pub struct RequestMeters {
    durations: Histogram,
    results: Tally,
}

impl RequestMeters {
    /// `labels` say which provider and environment.
    pub fn new(meters: &Meters, labels: &[Label<'_>]) -> Self {
        Self {
            durations: meters.histogram(
                "locum_upstream_request_duration_seconds",
                "From an upstream request's first byte to its answer's last, logins excluded",
                labels,
                LATENCIES,
            ),
            results: meters.tally(
                "locum_upstream_requests_total",
                "Requests to upstreams, logins excluded",
                labels,
                "result",
                RESULTS,
            ),
        }
    }

    pub(super) fn record(&self, took: Duration, result: &str) {
        self.durations.observe(took);
        self.results.count(result);
    }
}

/// How a request ended, in one of the words above.
pub(super) fn result(answer: &Result<Answer, NetFailure>) -> &'static str {
    match answer {
        Ok(answer) => class(answer.status),
        Err(NetFailure::Connect) => "connect",
        Err(NetFailure::Timeout) => "timeout",
        Err(NetFailure::Interrupted) => "interrupted",
        Err(NetFailure::TooLarge(_)) => "too_large",
        Err(NetFailure::Request) => "request",
    }
}

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        200..=299 => "2xx",
        300..=399 => "3xx",
        400..=499 => "4xx",
        500..=599 => "5xx",
        _ => "other",
    }
}
