//! The log: one subscriber, to standard error, as text or as JSON lines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogFormat, LogSection};

/// Starts logging. A second call changes nothing.
pub(super) fn start(section: &LogSection) {
    // Libraries below are quiet unless the directives name them.
    let directives = format!(
        "warn,locum={0},{0},rmcp=warn,hyper=warn,reqwest=warn,sqlx=warn,h2=warn",
        section.level
    );
    let filter = EnvFilter::try_new(&directives)
        .or_else(|_| EnvFilter::try_new(&section.level))
        .unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = fmt::Subscriber::builder()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let _ = match section.format {
        LogFormat::Text => tracing::subscriber::set_global_default(
            builder
                .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
                .finish(),
        ),
        LogFormat::Json => {
            tracing::subscriber::set_global_default(builder.json().flatten_event(true).finish())
        }
    };
}
