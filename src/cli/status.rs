//! `locum status` and `locum usage`: how every credential does, on one screen.

use jiff::{SignedDuration, Timestamp};

use super::CliError;
use super::context::Context;
use super::output::Output;
use crate::admin::{OrganizationUsage, ProfileStatus, StatusReport};
use crate::domain::health::TokenState;
use crate::domain::notice::Urgency;
use crate::domain::organization::{OrganizationSlug, OrganizationState};
use crate::domain::usage::Month;

#[derive(clap::Args)]
pub(super) struct StatusArgs {
    /// Only this organization's
    #[arg(long)]
    org: Option<OrganizationSlug>,
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
    let app = context.open().await?;
    let report = app.admin(context.actor()).status(args.org.as_ref()).await?;
    app.close().await;
    output.data(&report);
    if !output.json {
        show(&report, context.clock.now(), output);
    }
    Ok(())
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

fn show(report: &StatusReport, now: Timestamp, output: &Output) {
    let server = report.server;
    output.say(&match (server.running, server.seen) {
        (true, Some(seen)) => format!("Server: running, seen {} ago", ago(seen, now)),
        (false, Some(seen)) => format!(
            "Server: NOT RUNNING, last seen {} ago; token and traffic (~) are of then",
            ago(seen, now)
        ),
        (_, None) => "Server: not running".to_owned(),
    });
    let columns = [
        "TENANT", "PROVIDER", "AGE", "DUE", "STATE", "LOGIN", "TOKEN", "CALLS/H", "ERRORS/H",
    ];
    output.list(&report.items, columns, |item| row(item, now));
    let mut notes = report
        .items
        .iter()
        .filter_map(|item| note(item, now))
        .peekable();
    if notes.peek().is_some() {
        output.say("");
        notes.for_each(|note| output.say(&note));
    }
}

fn row(item: &ProfileStatus, now: Timestamp) -> [String; 9] {
    let mark = if item.stale { "~" } else { "" };
    let number = |count: u32| match item.written {
        Some(_) => format!("{mark}{count}"),
        None => "-".to_owned(),
    };
    let left = |item: &ProfileStatus| {
        item.token_until
            .map(|until| short(until.duration_since(now)))
    };
    [
        format!("{}/{}", item.organization, item.environment),
        item.provider.to_string(),
        format!("{}d", item.age_days),
        item.due.strftime("%F").to_string(),
        standing(item),
        item.last_login
            .map_or("never".to_owned(), |at| format!("{} ago", ago(at, now))),
        match item.token {
            TokenState::None if item.written.is_none() => "-".to_owned(),
            TokenState::None => format!("{mark}none"),
            TokenState::Cached => format!("{mark}{}", left(item).unwrap_or_default()),
            TokenState::BackingOff => format!("{mark}waits {}", left(item).unwrap_or_default()),
        },
        number(item.calls_hour),
        number(item.errors_hour),
    ]
}

fn standing(item: &ProfileStatus) -> String {
    let mut words = Vec::new();
    if item.organization_state == OrganizationState::Suspended {
        words.push("suspended".to_owned());
    }
    match item.standing {
        Urgency::Due if item.days_left > 0 => {}
        urgency => words.push(urgency.as_str().to_owned()),
    }
    for other in &item.rotation {
        words.push(format!("v{} {}", other.version, other.state.as_str()));
    }
    match words.is_empty() {
        true => "ok".to_owned(),
        false => words.join(", "),
    }
}

/// The last failure, unless a login since was all right and it is older than a day.
fn note(item: &ProfileStatus, now: Timestamp) -> Option<String> {
    let failure = item.last_failure.as_ref()?;
    let healed = item.last_login.is_some_and(|login| login > failure.at);
    let old = now.duration_since(failure.at) > SignedDuration::from_hours(24);
    (!healed || !old).then(|| {
        format!(
            "{}/{} {}: last failure {} ago: {}",
            item.organization,
            item.environment,
            item.provider,
            ago(failure.at, now),
            failure.cause
        )
    })
}

fn ago(then: Timestamp, now: Timestamp) -> String {
    short(now.duration_since(then))
}

/// The largest unit alone: `5 s`, `3 min`, `2 h`, `9 d`.
fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=86_399 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
