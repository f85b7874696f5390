//! `locum serve`

use tokio::signal::unix::{SignalKind, signal};

use super::context::Context;
use super::{CliError, telemetry};

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let loaded = context.load()?;
    telemetry::start(&loaded.config.log);
    let running = context.open_loaded(loaded).await?.start().await?;
    wait_for_stop().await?;
    tracing::info!("stopping");
    running
        .stop()
        .await
        .map_err(|error| CliError::Failed(format!("stopping: {error}")))
}

/// Returns on SIGINT and on SIGTERM.
pub(super) async fn wait_for_stop() -> Result<(), CliError> {
    let failed = |error: std::io::Error| CliError::Failed(format!("signals: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
