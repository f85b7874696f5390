//! The words of a mail: its subject, its text, and the same as HTML.

use std::collections::BTreeSet;

use maud::{DOCTYPE, html};

use crate::domain::notice::{DueItem, Notice};

pub(super) struct Mail {
    pub subject: String,
    pub text: String,
    pub html: String,
}

const FOOT: &str = "Locum sends this because of [reminders] in locum.toml. \
    `locum rotation due` lists everything that is due.";
const TEST: &str = "This is a test by `locum reminders test`. Reminders arrive here.";

pub(super) fn write(notice: &Notice) -> Mail {
    if notice.is_test() {
        return Mail {
            subject: "Locum: a test of the reminders".to_owned(),
            text: format!("{TEST}\n"),
            html: html! { (DOCTYPE) html { body { p { (TEST) } } } }.into_string(),
        };
    }
    let whose = whose(notice);
    Mail {
        subject: subject(notice, &whose),
        text: text(notice, &whose),
        html: html(notice, &whose),
    }
}

/// Whom it is about, by id: names are in the body, where their length does not matter.
fn whose(notice: &Notice) -> String {
    match &notice.organization {
        Some(organization) => organization.id.clone(),
        None => "several organizations".to_owned(),
    }
}

fn subject(notice: &Notice, whose: &str) -> String {
    let first = notice.items.iter();
    let first = first.min_by_key(|item| (item.urgency.rank(), item.due));
    let first = first.map(|item| format!("{} {}", place(item), item.standing()));
    // One thing may be there for two reasons.
    let things: BTreeSet<_> = notice.items.iter().map(|item| &item.id).collect();
    let more = match things.len() {
        0 | 1 => String::new(),
        all => format!(", and {} more", all - 1),
    };
    format!("{whose}: {}{more}", first.unwrap_or_default())
}

/// `eka-care (prod)`, or the key.
fn place(item: &DueItem) -> String {
    match (&item.provider, &item.environment) {
        (Some(provider), Some(environment)) => format!("{provider} ({environment})"),
        _ => item.what(),
    }
}

/// Names and values, as both forms show them.
fn facts(item: &DueItem) -> Vec<(&'static str, String)> {
    let organizations = match item.organizations.is_empty() {
        true => "all".to_owned(),
        false => item.organizations.join(", "),
    };
    let mut facts = vec![("Organization", organizations)];
    let more = [
        ("Environment", &item.environment),
        ("Provider", &item.provider),
    ];
    let more = more.into_iter();
    facts.extend(more.filter_map(|(name, value)| Some((name, value.clone()?))));
    let issued = item.issued.strftime("%F");
    facts.push(("Issued", format!("{issued}, {} days ago", item.age_days)));
    facts.extend(item.due.map(|due| ("Due", due.strftime("%F").to_string())));
    facts.push(("Entered by", item.entered_by.clone()));
    facts
}

fn text(notice: &Notice, whose: &str) -> String {
    let mut text = match &notice.organization {
        Some(organization) => format!("{} ({whose})\n", organization.name),
        None => format!("Keys and admin tokens of {whose}\n"),
    };
    for item in &notice.items {
        text.push_str(&format!("\n* {}: {}\n\n", item.what(), item.standing()));
        for (name, value) in facts(item) {
            text.push_str(&format!("    {:<14}{value}\n", format!("{name}:")));
        }
        text.push_str(&format!("\n  To settle it:\n\n    {}\n", item.command));
    }
    text.push_str(&format!("\n-- \n{FOOT}\n"));
    text
}

fn html(notice: &Notice, whose: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            body style="font-family: sans-serif; line-height: 1.4" {
                h1 style="font-size: 1.2em" {
                    @match &notice.organization {
                        Some(organization) => { (organization.name) " (" (whose) ")" }
                        None => { "Keys and admin tokens of " (whose) }
                    }
                }
                @for item in &notice.items {
                    h2 style="font-size: 1em; margin-top: 2em" {
                        (item.what()) ": " (item.standing())
                    }
                    table {
                        @for (name, value) in facts(item) {
                            tr {
                                th align="left" style="padding-right: 1.5em" { (name) }
                                td { (value) }
                            }
                        }
                    }
                    p { "To settle it:" }
                    pre style="background: #f2f2f2; padding: 0.7em" { (item.command) }
                }
                hr;
                p style="color: #666666; font-size: 0.9em" { (FOOT) }
            }
        }
    };
    page.into_string()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::notice::Urgency;
    use crate::domain::reminder::ReminderReason;

    #[test]
    fn a_subject_says_what_is_most_urgent_and_counts_things_once() {
        let now: Timestamp = "2026-11-26T18:00:00Z".parse().unwrap();
        let item = |id: &str, urgency, due: Option<&str>, days_left| DueItem {
            id: id.to_owned(),
            reason: ReminderReason::Rotation,
            urgency,
            organizations: vec!["north".to_owned()],
            environment: Some("prod".to_owned()),
            provider: Some("eka-care".to_owned()),
            version: Some(1),
            name: None,
            issued: now,
            age_days: 0,
            due: due.map(|due| format!("{due}T00:00:00Z").parse().unwrap()),
            days_left,
            entered_by: "priya".to_owned(),
            command: String::new(),
        };
        let due = item("1", Urgency::Due, Some("2026-12-06"), Some(10));
        let overdue = item("2", Urgency::Overdue, Some("2026-11-16"), Some(-10));
        let refused = item("2", Urgency::Refused, None, None);
        let third = item("3", Urgency::Due, Some("2026-12-07"), Some(11));
        let of = |items: &[&DueItem]| {
            let notice = Notice {
                id: String::new(),
                at: now,
                organization: None,
                items: items.iter().copied().cloned().collect(),
            };
            subject(&notice, "north")
        };
        let place = "north: eka-care (prod)";
        let alone = of(&[&due]);
        assert_eq!(alone, format!("{place} due in 10 days (2026-12-06)"));
        let two = of(&[&due, &overdue]);
        let expected = format!("{place} overdue for 10 days (2026-11-16), and 1 more");
        assert_eq!(two, expected);
        let three = of(&[&due, &overdue, &refused, &third]);
        let expected = format!("{place} refused by the provider, and 2 more");
        assert_eq!(three, expected);
    }
}
