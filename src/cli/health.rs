//! `locum health`: exit 0 when the gateway of this configuration is ready.

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::app;
use crate::config::{reached_at, url_of};

pub(super) async fn run(context: &Context, output: &Output) -> Result<(), CliError> {
    let loaded = context.load()?;
    let admin = &loaded.config.admin;
    let mut url = url_of(admin.listen, admin.tls.is_some());
    url.set_path("/readyz");
    let address = reached_at(admin.listen);
    let (status, body) = app::ready(&loaded, address)
        .await
        .map_err(|error| CliError::Failed(format!("not ready: {url}: {error}")))?;
    if status != 200 {
        return Err(CliError::Failed(format!(
            "not ready: {url} answered {status}"
        )));
    }
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    output.data(&body);
    output.say("ready");
    Ok(())
}
