//! `locum health`: exit 0 when the gateway of this configuration is ready.

use std::sync::Arc;
use std::time::Duration;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::config::url_of;
use crate::domain::destination::Destinations;
use crate::net::{Net, NetSettings, SystemResolver};

const TIMEOUT: Duration = Duration::from_secs(3);

pub(super) async fn run(context: &Context, output: &Output) -> Result<(), CliError> {
    let loaded = context.load()?;
    let mut url = url_of(loaded.config.admin.listen);
    url.set_path("/readyz");
    let settings = NetSettings {
        connect_timeout: TIMEOUT,
        request_timeout: TIMEOUT,
        destinations: Destinations::own(&url),
        proxy: None,
        extra_roots: Vec::new(),
    };
    let net = Net::new(settings, Arc::new(SystemResolver)).map_err(crate::app::AppError::Net)?;
    let request = reqwest::Request::new(reqwest::Method::GET, url.clone());
    let answer = net
        .send(request, 64 * 1024)
        .await
        .map_err(|error| CliError::Failed(format!("not ready: {url}: {error}")))?;
    if !answer.status.is_success() {
        return Err(CliError::Failed(format!(
            "not ready: {url} answered {}",
            answer.status
        )));
    }
    let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    output.data(&body);
    output.say("ready");
    Ok(())
}
