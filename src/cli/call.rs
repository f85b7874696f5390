//! `locum call`: a tool from the terminal, as a client of the gateway would call it; or what such a
//! call would do.

mod arguments;
mod explain;
mod rehearsal;

use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use serde_json::value::RawValue;

use super::CliError;
use super::context::Context;
use super::output::Output;
use super::serve::StopSignal;
use crate::app::{App, CallOutcome, LocalCall};
use crate::domain::call::Arguments;
use crate::domain::organization::OrganizationSlug;
use crate::domain::span::Span;
use crate::domain::tenant::Environment;
use arguments::Argument;
use explain::{Explained, Explanation};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The tool's name; `locum catalog show --org ORG` lists them
    tool: String,
    /// The organization to call it for
    #[arg(long)]
    org: OrganizationSlug,
    /// The environment
    #[arg(long)]
    env: Environment,
    /// An argument, repeatable: a text as it is; where the tool wants something else, as JSON
    #[arg(long, value_name = "NAME=VALUE")]
    arg: Vec<Argument>,
    /// A file with the arguments as a JSON object, `-` for standard input; --arg counts more.
    /// Others see what stands in a command: put patients' data into a file
    #[arg(long, value_name = "FILE")]
    args_file: Option<PathBuf>,
    /// Print the requests that would be made, and make none
    #[arg(long, conflicts_with = "explain")]
    dry_run: bool,
    /// Print each step with its time
    #[arg(long)]
    explain: bool,
}

/// What `--json` shows.
#[derive(Serialize)]
struct Shown<'a> {
    is_error: bool,
    /// `ok`, or a stable word for what went wrong.
    outcome: &'a str,
    /// The upstream's status, where there was one.
    status: Option<u16>,
    content: &'a RawValue,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<Explained>>,
}

pub(super) async fn run(args: Args, context: &Context, output: &Output) -> Result<(), CliError> {
    let given = arguments::read_file(args.args_file.as_deref())?;
    let app = context.open().await?;
    let done = run_in(&app, &args, given, context, output).await;
    app.close().await;
    done
}

async fn run_in(
    app: &App,
    args: &Args,
    given: Arguments,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    // Who names what is not there is told what is.
    let actor = context.actor();
    app.admin(actor.clone()).organization(&args.org).await?;
    let call = LocalCall {
        user: actor.name(),
        organization: &args.org,
        environment: &args.env,
        tool: &args.tool,
        arguments: arguments::all(given, &args.arg, app.catalog.now().tool(&args.tool)),
    };
    if args.dry_run {
        return match app.rehearse(call).await? {
            Ok(rehearsed) => {
                rehearsal::show(&rehearsed, output);
                Ok(())
            }
            Err(outcome) => show(&outcome, None, output),
        };
    }
    let explanation = args
        .explain
        .then(|| Explanation::new(context.clock.clone()));
    let span = explanation
        .clone()
        .map(|span| Arc::new(span) as Arc<dyn Span>);
    let stop = StopSignal::catch()?;
    let outcome = app.call(call, span, stop.wait()).await?;
    show(
        &outcome,
        explanation.map(|explanation| explanation.steps()),
        output,
    )
}

/// The result on standard output, the steps beside it; an error is a failed command.
fn show(
    outcome: &CallOutcome,
    steps: Option<Vec<Explained>>,
    output: &Output,
) -> Result<(), CliError> {
    for line in steps.iter().flat_map(|steps| explain::lines(steps)) {
        if !output.json {
            output.notice(&line);
        }
    }
    let content: Box<RawValue> = serde_json::from_str(&outcome.json)
        .map_err(|error| CliError::Failed(format!("the result is no JSON: {error}")))?;
    output.data(&Shown {
        is_error: outcome.is_error,
        outcome: outcome.code,
        status: outcome.status,
        content: &content,
        steps,
    });
    output.say(&pretty(&outcome.json));
    match outcome.is_error {
        true => Err(CliError::Reported),
        false => Ok(()),
    }
}

fn pretty(json: &str) -> String {
    let value: Result<serde_json::Value, _> = serde_json::from_str(json);
    let pretty = value
        .ok()
        .and_then(|value| serde_json::to_string_pretty(&value).ok());
    pretty.unwrap_or_else(|| json.to_owned())
}
