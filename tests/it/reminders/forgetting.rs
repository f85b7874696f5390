//! Old rows of what is over are forgotten, and no reminder comes again because of it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use locum::admin::ReminderSummary;
use locum::domain::actor::Actor;
use locum::domain::clock::Clock;
use serde_json::Value;

use super::outbox;
use crate::support::clinic::{Clinic, DAY, by, credential, key, organization};
use crate::support::webhooks::{Receiver, SECRET};

const DAYS: i64 = 900;

/// What came of some years of reminding.
struct Years {
    /// Time and content of each item that the receiver got, without what is random.
    told: Vec<String>,
    rows: Vec<ReminderSummary>,
    forgotten: u64,
    /// A version that was replaced on day 100, one that is overdue to the end, a key that was
    /// revoked on day 60, one that ended on day 50.
    replaced: String,
    overdue: String,
    revoked: String,
    ended: String,
    end: Timestamp,
}

async fn years(forgetful: bool) -> Years {
    let receiver = Receiver::start().await;
    let clinic = Clinic::new(&receiver.section()).await;
    clinic.write("webhook.secret", SECRET);
    let start = clinic.clock.now();
    let app = clinic.open().await;
    let (priya, locum) = (by(&app, "priya"), app.admin(Actor::Locum));
    organization(&priya, "north").await;
    let replaced = credential(&priya, "north", "dev", start).await;
    let overdue = credential(&priya, "north", "prod", clinic.days_from_now(-200)).await;
    let revoked = key(&priya, &["north"], Some(clinic.days_from_now(65))).await;
    let ended = key(&priya, &["north"], Some(clinic.days_from_now(50))).await;
    let mut forgotten = 0;
    for day in 0..DAYS {
        match day {
            60 => priya.revoke_key(&revoked).await.unwrap(),
            100 | 230 => drop(credential(&priya, "north", "dev", clinic.clock.now()).await),
            _ => {}
        }
        locum.end_graces().await.unwrap();
        app.remind().await.unwrap();
        if forgetful {
            forgotten += locum.forget_reminders().await.unwrap();
            app.remind().await.unwrap();
        }
        clinic.clock.advance(DAY);
    }
    let mut told: Vec<String> = receiver
        .received()
        .iter()
        .flat_map(|received| {
            let items = received.event["items"].as_array().unwrap();
            let told = |item: &Value| {
                let names = ["environment", "version", "name", "reason", "due", "issued"];
                let names = names.map(|name| &item[name]);
                format!("{} {names:?}", received.seconds)
            };
            items.iter().map(told).collect::<Vec<_>>()
        })
        .collect();
    told.sort();
    let rows = outbox(&app).await;
    app.close().await;
    let end = clinic.clock.now();
    Years {
        told,
        rows,
        forgotten,
        replaced,
        overdue,
        revoked,
        ended,
        end,
    }
}

/// How many rows there are of a subject.
fn of(years: &Years, subject: &str) -> usize {
    let rows = years.rows.iter();
    rows.filter(|row| row.subject == subject).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn old_rows_of_what_is_over_are_forgotten_and_nobody_is_reminded_again() {
    let (kept, forgetful) = tokio::join!(years(false), years(true));
    assert_eq!(kept.told, forgetful.told);
    let different: BTreeSet<_> = kept.told.iter().collect();
    // Two keys have one name and may end on the same day; here they do not.
    assert_eq!(different.len(), kept.told.len());

    let gone = kept.rows.len() - forgetful.rows.len();
    assert_eq!((kept.forgotten, forgetful.forgotten), (0, gone as u64));
    assert!(of(&kept, &kept.replaced) > 0 && of(&forgetful, &forgetful.replaced) == 0);
    assert!(of(&kept, &kept.revoked) > 0 && of(&forgetful, &forgetful.revoked) == 0);
    // What may be spoken of again is remembered, however long ago it was.
    for (one, other) in [
        (of(&kept, &kept.overdue), of(&forgetful, &forgetful.overdue)),
        (of(&kept, &kept.ended), of(&forgetful, &forgetful.ended)),
    ] {
        assert_eq!(one, other);
        assert!(one > 0);
    }
    let long_ago = forgetful.end - SignedDuration::from_hours(401 * 24);
    let old = forgetful
        .rows
        .iter()
        .filter(|row| row.created_at < long_ago);
    assert!(old.count() > 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_what_was_just_replaced_can_still_be_looked_up() {
    let clinic = Clinic::new("").await;
    let app = clinic.open().await;
    let (priya, locum) = (by(&app, "priya"), app.admin(Actor::Locum));
    organization(&priya, "north").await;
    let first = credential(&priya, "north", "dev", clinic.days_from_now(-80)).await;
    app.remind().await.unwrap();
    credential(&priya, "north", "dev", clinic.clock.now()).await;
    clinic.clock.advance(DAY * 2);
    locum.end_graces().await.unwrap();
    let of_first = async || {
        let rows = outbox(&app).await;
        rows.iter().filter(|row| row.subject == first).count()
    };
    clinic.clock.advance(DAY * 397);
    assert_eq!(locum.forget_reminders().await.unwrap(), 0);
    assert_eq!(of_first().await, 1);
    clinic.clock.advance(DAY * 2);
    assert_eq!(locum.forget_reminders().await.unwrap(), 1);
    assert_eq!(of_first().await, 0);
    // Only the installation's own hand removes them.
    let operator = Actor::Token {
        id: "synthetic".to_owned(),
        name: "desk".to_owned(),
        role: locum::domain::actor::Role::Operator,
        organization: None,
    };
    let refused = app.admin(operator).forget_reminders().await;
    assert!(refused.is_err());
    app.close().await;
}
