//! `locum serve`

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::Context;
use super::{CliError, telemetry};

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let loaded = context.load()?;
    let _log = telemetry::start_serving(&loaded.config.log)?;
    let stop = StopSignal::catch()?;
    let running = context.open_loaded(loaded).await?.start().await?;
    context.manager.ready();
    stop.wait().await;
    tracing::info!("stopping");
    context.manager.stopping();
    running
        .stop()
        .await
        .map_err(|error| CliError::Failed(format!("stopping: {error}")))
}

/// SIGINT, SIGTERM and SIGHUP (a closed terminal), caught from the moment that this exists.
pub(super) struct StopSignal {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl StopSignal {
    /// Made before anything that a stop has to tidy up.
    pub(super) fn catch() -> Result<Self, CliError> {
        let failed = |error: std::io::Error| CliError::Failed(format!("signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            terminate: signal(SignalKind::terminate()).map_err(failed)?,
            hangup: signal(SignalKind::hangup()).map_err(failed)?,
        })
    }

    pub(super) async fn wait(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}
