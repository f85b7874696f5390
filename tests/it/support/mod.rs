//! What the tests stand on.

pub mod api;
pub mod app;
pub mod client;
pub mod clinic;
pub mod commands;
pub mod database;
pub mod foreign;
pub mod forward;
pub mod install;
pub mod interleaved;
pub mod lab;
pub mod load;
pub mod mail;
pub mod otlp;
pub mod process;
pub mod program;
pub mod raw;
pub mod records;
pub mod room;
pub mod scrape;
pub mod scripted;
pub mod strace;
pub mod tls;
pub mod upstream_tls;
pub mod webhooks;
pub mod wire;

pub use app::TestApp;
pub use client::{McpClient, Reply};
