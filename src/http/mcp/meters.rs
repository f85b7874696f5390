//! What is counted at the front door: requests by method, refusals and errors by kind.

use crate::domain::meter::{Meters, OTHER, Tally};

/// Methods that are served; others and notifications are counted together.
const METHODS: &[&str] = &[
    "initialize",
    "ping",
    "server/discover",
    "tools/list",
    "tools/call",
    "subscriptions/listen",
];

/// The name of a method that is served, or one for all others.
pub(super) fn known_method(method: &str) -> &'static str {
    let known = METHODS.iter().find(|known| **known == method);
    known.copied().unwrap_or(OTHER)
}

/// Why a message of somebody who may come in gets an error.
const ERRORS: &[&str] = &[
    "parse_error",
    "invalid_request",
    "invalid_params",
    "header_mismatch",
    "unsupported_version",
    "unknown_method",
    "unknown_tool",
    "call_timeout",
    "audit_unavailable",
    "too_many_listeners",
];

pub(super) struct McpMeters {
    pub requests: Tally,
    pub refusals: Tally,
    pub errors: Tally,
}

impl McpMeters {
    pub(super) fn new(meters: &Meters) -> Self {
        Self {
            requests: meters.tally(
                "locum_mcp_requests_total",
                "Well-formed MCP messages of authenticated clients, by method",
                &[],
                "method",
                METHODS,
            ),
            refusals: meters.tally(
                "locum_refusals_total",
                "Requests refused before they were an MCP message, by code",
                &[],
                "code",
                super::refusal::CODES,
            ),
            errors: meters.tally(
                "locum_mcp_errors_total",
                "JSON-RPC errors, by kind",
                &[],
                "kind",
                ERRORS,
            ),
        }
    }
}
