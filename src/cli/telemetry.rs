//! The log: one subscriber, to standard error, as text or as JSON lines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::{LogFormat, LogSection};

/// Starts logging. A second call changes nothing. A bare level is Locum's own; libraries are at
/// `warn` unless a directive names them.
pub(super) fn start(section: &LogSection) {
    let directives: Vec<String> = section
        .level
        .split(',')
        .map(|part| {
            if part.contains('=') {
                part.to_owned()
            } else {
                format!("locum={part}")
            }
        })
        .collect();
    let filter = EnvFilter::new(format!("warn,{}", directives.join(",")));
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
