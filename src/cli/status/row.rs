//! One credential in the words of a table: as a file has them, and as a narrow screen does.

use jiff::{SignedDuration, Timestamp};

use crate::admin::ProfileStatus;
use crate::domain::health::{Standing, TokenState};
use crate::domain::organization::OrganizationState;

pub(super) const COLUMNS: usize = 9;
pub(super) type Row = [String; COLUMNS];

pub(super) const WIDE: [&str; COLUMNS] = [
    "TENANT", "PROVIDER", "AGE", "DUE", "STATE", "LOGIN", "TOKEN", "CALLS/H", "ERRORS/H",
];
pub(super) const NARROW: [&str; COLUMNS] = [
    "TENANT", "PROVIDER", "AGE", "DUE", "STATE", "LOGIN", "TOKEN", "CALLS", "ERRS",
];

pub(super) fn wide(item: &ProfileStatus, now: Timestamp) -> Row {
    let left = left(item, now).map(long).unwrap_or_default();
    let ago = |at| format!("{} ago", ago(at, now));
    [
        format!("{}/{}", item.organization, item.environment),
        item.provider.to_string(),
        format!("{}d", item.age_days),
        item.due.strftime("%F").to_string(),
        state(item, item.standing.as_str()),
        item.last_login.map_or("never".to_owned(), ago),
        token(item, &left, "waits"),
        number(item, item.calls_hour.to_string()),
        number(item, item.errors_hour.to_string()),
    ]
}

pub(super) fn narrow(item: &ProfileStatus, now: Timestamp) -> Row {
    let brief = |duration: SignedDuration| long(duration).replace(" min", "m").replace(' ', "");
    let left = left(item, now).map(brief).unwrap_or_default();
    let standing = match item.standing {
        Standing::NeverVerified => "unverified",
        other => other.as_str(),
    };
    let since = |at| brief(now.duration_since(at));
    [
        format!("{}/{}", item.organization, item.environment),
        item.provider.to_string(),
        format!("{}d", item.age_days),
        format!("{}d", item.days_left),
        state(item, standing),
        item.last_login.map_or("never".to_owned(), since),
        token(item, &left, "wait"),
        number(item, rounded(item.calls_hour)),
        number(item, rounded(item.errors_hour)),
    ]
}

/// The last failure, unless a login since was all right and it is older than a day.
pub(super) fn note(item: &ProfileStatus, now: Timestamp) -> Option<String> {
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

pub(super) fn ago(then: Timestamp, now: Timestamp) -> String {
    long(now.duration_since(then))
}

fn state(item: &ProfileStatus, standing: &str) -> String {
    let mut words = Vec::new();
    if item.organization_state == OrganizationState::Suspended {
        words.push("suspended".to_owned());
    }
    if item.standing != Standing::Ok {
        words.push(standing.to_owned());
    }
    let says_so = matches!(item.standing, Standing::Failing | Standing::Refused);
    if item.is_failing() && !says_so {
        words.push("failing".to_owned());
    }
    let others = item.rotation.iter();
    words.extend(others.map(|other| format!("v{} {}", other.version, other.state)));
    match words.is_empty() {
        true => "ok".to_owned(),
        false => words.join(", "),
    }
}

fn left(item: &ProfileStatus, now: Timestamp) -> Option<SignedDuration> {
    item.token_until.map(|until| until.duration_since(now))
}

fn token(item: &ProfileStatus, left: &str, waits: &str) -> String {
    let mark = mark(item);
    match item.token {
        TokenState::None if item.written.is_none() => "-".to_owned(),
        TokenState::None => format!("{mark}none"),
        TokenState::Cached => format!("{mark}{left}"),
        TokenState::BackingOff => format!("{mark}{waits} {left}"),
    }
}

fn number(item: &ProfileStatus, count: String) -> String {
    match item.written {
        Some(_) => format!("{}{count}", mark(item)),
        None => "-".to_owned(),
    }
}

/// What is of a server that runs no longer.
fn mark(item: &ProfileStatus) -> &'static str {
    if item.stale { "~" } else { "" }
}

fn rounded(count: u32) -> String {
    match count {
        0..=9_999 => count.to_string(),
        10_000..=999_999 => format!("{}k", count / 1_000),
        _ => format!("{}M", count / 1_000_000),
    }
}

/// The largest unit alone: `5 s`, `3 min`, `2 h`, `9 d`.
fn long(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..=59 => format!("{seconds} s"),
        60..=3_599 => format!("{} min", seconds / 60),
        3_600..=86_399 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}
