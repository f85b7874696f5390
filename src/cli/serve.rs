//! `locum serve`: until SIGTERM or SIGINT; SIGHUP reads profiles and limits again.

use std::pin::pin;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::context::Context;
use super::{CliError, telemetry};

pub(super) async fn run(context: &Context) -> Result<(), CliError> {
    let loaded = context.load()?;
    let _log = telemetry::start_serving(&loaded.config.log)?;
    let stop = StopSignal::of_service()?;
    let mut reload = caught(SignalKind::hangup())?;
    let running = context.open_loaded(loaded).await?.start().await?;
    context.manager.ready();
    let mut stopped = pin!(stop.wait());
    loop {
        tokio::select! {
            () = &mut stopped => break,
            _ = reload.recv() => tokio::select! {
                () = running.reload() => {}
                () = &mut stopped => break,
            },
        }
    }
    tracing::info!("stopping");
    context.manager.stopping();
    running
        .stop()
        .await
        .map_err(|error| CliError::Failed(format!("stopping: {error}")))
}

fn caught(kind: SignalKind) -> Result<Signal, CliError> {
    signal(kind).map_err(|error| CliError::Failed(format!("signals: {error}")))
}

/// What ends a command, caught from the moment that this exists.
pub(super) struct StopSignal(Vec<Signal>);

impl StopSignal {
    /// SIGINT, SIGTERM and SIGHUP (a closed terminal); made before anything that a stop has to tidy
    /// up.
    pub(super) fn catch() -> Result<Self, CliError> {
        let mut stop = Self::of_service()?;
        stop.0.push(caught(SignalKind::hangup())?);
        Ok(stop)
    }

    /// SIGINT and SIGTERM.
    fn of_service() -> Result<Self, CliError> {
        let kinds = [SignalKind::interrupt(), SignalKind::terminate()];
        let caught: Result<_, _> = kinds.map(caught).into_iter().collect();
        Ok(Self(caught?))
    }

    pub(super) async fn wait(mut self) {
        let signals = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures_util::future::select_all(signals).await;
    }
}
