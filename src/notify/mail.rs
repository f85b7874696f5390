//! The words of a mail: its subject, its text, and the same as HTML.

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
    match notice.items.as_slice() {
        [one] => format!("{whose}: {} {}", place(one), one.standing()),
        all => format!("{whose}: {} credentials or keys need attention", all.len()),
    }
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
    let mut facts = vec![("Organization", item.organizations.join(", "))];
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
        None => format!("Keys of {whose}\n"),
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
                        None => { "Keys of " (whose) }
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
