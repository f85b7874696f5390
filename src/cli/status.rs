//! `locum status` and `locum usage`: how every credential does, on one screen.

mod row;
mod screen;
mod table;

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{OrganizationUsage, ProfileStatus};
use crate::domain::health::Standing;
use crate::domain::organization::{OrganizationSlug, OrganizationState};
use crate::domain::usage::Month;

#[derive(clap::Args)]
pub(super) struct StatusArgs {
    /// Only this organization's, with the causes of failures in full
    #[arg(long)]
    org: Option<OrganizationSlug>,
    /// All of them, however many lines that takes
    #[arg(long)]
    all: bool,
}

#[derive(clap::Args)]
pub(super) struct UsageArgs {
    /// Only this organization's
    #[arg(long)]
    org: Option<OrganizationSlug>,
    /// The month (UTC), as YYYY-MM; this one when left out
    #[arg(long)]
    month: Option<Month>,
}

pub(super) async fn run(
    args: StatusArgs,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let app = context.open_to_look(output).await?;
    let mut report = app.admin(context.actor()).status(args.org.as_ref()).await?;
    app.close().await;
    report.items.sort_by_cached_key(urgency);
    output.data(&report);
    let whole = args.all || args.org.is_some();
    for line in screen::lines(&report, context.clock.now(), context.screen, whole) {
        output.say(&line);
    }
    Ok(())
}

/// Sorts the worst first, and what is as bad by its day and its place.
fn urgency(item: &ProfileStatus) -> (Standing, i64, OrganizationSlug, String) {
    let place = format!("{}/{}", item.environment, item.provider);
    (
        concern(item),
        item.days_left,
        item.organization.clone(),
        place,
    )
}

/// How somebody who looks after credentials sees it: what is suspended can wait.
fn concern(item: &ProfileStatus) -> Standing {
    match item.organization_state {
        OrganizationState::Suspended => Standing::Ok,
        OrganizationState::Active => item.standing,
    }
}

pub(super) async fn usage(
    args: UsageArgs,
    context: &Context,
    output: &Output,
) -> Result<(), CliError> {
    let app = context.open().await?;
    let admin = app.admin(context.actor());
    let lines = admin.usage(args.org.as_ref(), args.month).await?;
    app.close().await;
    let columns = [
        "ORG",
        "MONTH",
        "CALLS",
        "REQUESTS",
        "BY ENVIRONMENT (CALLS/REQUESTS)",
    ];
    output.list(&lines, columns, |line: &OrganizationUsage| {
        let environments = line.environments.iter();
        let environments: Vec<String> = environments
            .map(|(name, used)| format!("{name} {}/{}", used.calls, used.requests))
            .collect();
        [
            line.organization.to_string(),
            line.month.to_string(),
            line.calls.to_string(),
            line.requests.to_string(),
            environments.join(", "),
        ]
    });
    Ok(())
}
