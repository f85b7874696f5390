//! `locum sandbox`

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;

use super::context::Context;
use super::output::Output;
use super::serve::StopSignal;
use super::{CliError, telemetry};
use crate::config::LogSection;
use crate::domain::units::parse_duration;
use crate::sandbox::{self, Sandbox, Settings};

#[derive(clap::Args)]
pub(super) struct Args {
    /// Address and port to listen on
    #[arg(long, default_value = "127.0.0.1:9300")]
    listen: SocketAddr,
    /// How long an access token lives
    #[arg(long, value_parser = parse_duration, default_value = "30m")]
    token_life: Duration,
}

pub(super) async fn run(args: Args, context: &Context, output: &Output) -> Result<(), CliError> {
    let _log = telemetry::start_serving(&LogSection::default())?;
    let stop = StopSignal::catch()?;
    let listener = TcpListener::bind(args.listen)
        .await
        .map_err(|error| CliError::Failed(format!("cannot listen on {}: {error}", args.listen)))?;
    let address = listener.local_addr().unwrap_or(args.listen);
    let settings = Settings {
        token_life: args.token_life,
        ..Settings::default()
    };
    let sandbox = Sandbox::new(settings, context.clock.clone());
    output.data(&serde_json::json!({"url": format!("http://{address}")}));
    output.say(&format!(
        "Eka-shaped sandbox on http://{address} (synthetic data only)\n\
         Log in with any client id and secret; a secret that starts with `wrong` is refused.\n\
         Faults and control: curl http://{address}/_sandbox\n\
         Point an environment here, in locum.toml:\n\n  \
         [providers.eka-care.environments.dev]\n  base_url = \"http://{address}\"\n\n\
         A second API, a laboratory, is at http://{address}/lab: docs/describe-your-api.md\n"
    ));
    sandbox::serve(listener, sandbox, stop.wait())
        .await
        .map_err(|error| CliError::Failed(format!("sandbox: {error}")))
}
