//! The log: one subscriber, to standard error, as text or as JSON lines.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::{self, MakeWriter};

use super::CliError;
use super::log_writer::{self, LogGuard};
use crate::config::{LogFormat, LogSection};

/// Starts logging for a command that ends: each line is written as it comes. A second start of
/// either kind changes nothing.
pub(super) fn start(section: &LogSection) {
    install(section, std::io::stderr);
}

/// Starts logging for a process that serves, until the guard is dropped.
pub(super) fn start_serving(section: &LogSection) -> Result<LogGuard, CliError> {
    let (lines, guard) = log_writer::start(std::io::stderr())
        .map_err(|error| CliError::Failed(format!("the log has no thread: {error}")))?;
    install(section, move || lines.clone());
    Ok(guard)
}

/// A bare level is Locum's own; libraries are at `warn` unless a directive names them.
fn install<W>(section: &LogSection, writer: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
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
        .with_writer(writer);
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
