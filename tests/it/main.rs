//! The integration tests: one binary, one theme a file, all on the real composition root or the
//! real program, with a real SQLite file and real HTTP.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so"
)]

mod support;

mod admin_api;
mod architecture;
mod audit;
mod audit_attacks;
mod audit_calls;
mod audit_chain;
mod audit_filters;
mod backup;
mod call;
mod canary;
mod cli;
mod cli_credentials;
mod clients;
mod clock;
mod conformance;
mod container;
mod cors;
mod crash;
mod describe_your_api;
mod disk;
mod docs;
mod exposure;
mod floods;
mod headers;
mod http2;
mod idle_clients;
mod isolation;
mod kept;
mod key_roll;
mod lab;
mod lifecycle;
mod limits;
mod listening;
mod logins;
mod master_key;
mod mcp;
mod observability;
mod openapi;
mod outbound;
mod reload;
mod reminders;
mod removal;
mod request_shape;
mod rmcp_client;
mod rotation;
mod slow_clients;
mod status;
mod steps;
mod steps_limits;
mod stopping;
mod systemd;
mod tenant_settings;
mod tls;
mod tokens;
mod tools;
mod traces;
mod training;
mod upstream_faults;
mod vault;
