//! Reminders: none is missed and none is doubled, by the log, by mail and by webhooks; what is due is
//! listed and stands in a calendar.

mod channels;
mod forgetting;
mod hostile;
mod lists;
mod program;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use locum::admin::ReminderSummary;
use locum::domain::clock::Clock;
use locum::domain::reminder::{ReminderReason, ReminderState, days_between};

use crate::support::clinic::{Clinic, DAY, by, credential, key, organization};
use crate::support::webhooks::{Receiver, SECRET};

/// What is reminded of: a subject and a reason.
type Topic = (String, ReminderReason);

/// What has to be in the outbox of a topic.
struct Expected {
    due: Timestamp,
    ahead: &'static [i64],
    repeats: bool,
    known_since: Timestamp,
    /// After the last run before it was settled.
    last_run: Timestamp,
}

impl Expected {
    fn thresholds(&self) -> BTreeSet<i64> {
        let days_late = |time| days_between(self.due, time);
        let repeated = (1..100).map(|step| -7 * step).filter(|_| self.repeats);
        let all = self.ahead.iter().copied().chain(repeated);
        let reached = all.filter(|threshold| days_late(self.last_run) >= -threshold);
        reached
            .filter(|threshold| days_late(self.known_since) <= -threshold)
            .collect()
    }
}

/// Days on which nothing runs, up to fifteen in a row: the same in every run of the test.
struct Downtimes {
    seed: u64,
    down: bool,
    left: u64,
}

impl Downtimes {
    fn is_down(&mut self) -> bool {
        if self.left == 0 {
            self.seed = self
                .seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            let random = self.seed >> 33;
            self.down = random % 10 < 3;
            self.left = 1 + random / 10 % 15;
        }
        self.left -= 1;
        self.down
    }
}

async fn outbox(app: &locum::app::App) -> Vec<ReminderSummary> {
    by(app, "test").reminders(None, 100_000).await.unwrap()
}

/// Nothing is sent twice in one run.
fn check_run(rows: &[ReminderSummary], now: Timestamp) -> usize {
    let mut sent: BTreeMap<(&str, ReminderReason, &str), u32> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.sent_at == Some(now)) {
        *sent
            .entry((&row.subject, row.reason, &row.channel))
            .or_default() += 1;
    }
    assert!(sent.values().all(|times| *times == 1), "{sent:?}");
    sent.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn in_400_days_with_30_percent_downtime_none_is_missed_and_none_is_doubled() {
    let receiver = Receiver::start().await;
    let clinic = Clinic::new(&receiver.section()).await;
    clinic.write("webhook.secret", SECRET);
    let start = clinic.clock.now();
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    organization(&admin, "south").await;
    let young = credential(&admin, "north", "dev", start).await;
    let old = credential(&admin, "north", "prod", clinic.days_from_now(-200)).await;
    let ending = clinic.days_from_now(50);
    let ends = key(&admin, &["north", "south"], Some(ending)).await;
    let mut app = Some(app);
    let (mut down, mut sent) = (0, 0);
    let mut days = Downtimes {
        seed: 10,
        down: false,
        left: 0,
    };
    let mut last_runs = BTreeMap::from([(400, start)]);
    let mut young_2 = None;
    let mut rotated = start;
    for day in 0..400 {
        if day == 150 {
            let app = app.take();
            let app = match app {
                Some(app) => app,
                None => clinic.open().await,
            };
            last_runs.insert(150, last_runs[&400]);
            rotated = clinic.clock.now();
            young_2 = Some(credential(&by(&app, "arjun"), "north", "dev", rotated).await);
            app.close().await;
        }
        if days.is_down() {
            down += 1;
            if let Some(app) = app.take() {
                app.close().await;
            }
            clinic.clock.advance(DAY);
            continue;
        }
        for _ in 0..2 {
            if app.is_none() {
                app = Some(clinic.open().await);
            }
            let open = app.as_ref().unwrap();
            open.remind().await.unwrap();
            let now = clinic.clock.now();
            sent += check_run(&outbox(open).await, now);
            last_runs.insert(400, now);
            clinic.clock.advance(DAY / 2);
        }
    }
    assert!((115..=125).contains(&down), "{down} days down");
    let app = match app {
        Some(app) => app,
        None => clinic.open().await,
    };
    let rows = outbox(&app).await;
    let rotation = |due_in: i64, known_since, last_run| Expected {
        due: known_since + jiff::SignedDuration::from_hours(24 * due_in),
        ahead: &[14, 7, 1, 0],
        repeats: true,
        known_since,
        last_run,
    };
    let unverified = |known_since, last_run| Expected {
        ahead: &[0],
        ..rotation(1, known_since, last_run)
    };
    let (end, before) = (last_runs[&400], last_runs[&150]);
    let young_2 = young_2.unwrap();
    let old_rotation = (old.clone(), ReminderReason::Rotation);
    let expected: Vec<(Topic, Expected)> = vec![
        (
            (young.clone(), ReminderReason::Rotation),
            rotation(90, start, before),
        ),
        (
            (young, ReminderReason::Unverified),
            unverified(start, before),
        ),
        (
            (young_2.clone(), ReminderReason::Rotation),
            rotation(90, rotated, end),
        ),
        (
            (young_2, ReminderReason::Unverified),
            unverified(rotated, end),
        ),
        (
            (old.clone(), ReminderReason::Unverified),
            unverified(start, end),
        ),
        ((old, ReminderReason::Rotation), rotation(-110, start, end)),
        (
            (ends, ReminderReason::KeyExpiry),
            Expected {
                due: ending,
                repeats: false,
                ..rotation(50, start, end)
            },
        ),
    ];
    for channel in ["log", "webhook:ops"] {
        for ((subject, reason), expected) in &expected {
            let mine = rows.iter().filter(|row| {
                row.subject == *subject && row.reason == *reason && row.channel == channel
            });
            let thresholds: Vec<i64> = mine.map(|row| row.threshold).collect();
            let mut unique: BTreeSet<i64> = thresholds.iter().copied().collect();
            assert_eq!(
                unique.len(),
                thresholds.len(),
                "one row each: {thresholds:?}"
            );
            if (subject, reason) == (&old_rotation.0, &old_rotation.1) {
                // What was late when it was entered is spoken of in the first run.
                unique.remove(&-105);
            }
            assert_eq!(
                unique,
                expected.thresholds(),
                "{subject} {reason} {channel}"
            );
        }
    }
    let count = |state| rows.iter().filter(|row| row.state == state).count();
    assert_eq!(count(ReminderState::Sent), sent);
    assert_eq!(count(ReminderState::Dead), 0);
    assert_eq!(count(ReminderState::Pending), 0);
    assert!(count(ReminderState::Superseded) > 10);
    // What the outbox says was sent is what the receiver got.
    let received = receiver.received();
    let items: usize = received
        .iter()
        .map(|received| received.event["items"].as_array().unwrap().len())
        .sum();
    assert_eq!(2 * items, sent);
    let ids: BTreeSet<_> = received.iter().map(|received| &received.event_id).collect();
    assert_eq!(ids.len(), received.len());
    app.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_clock_that_was_wrong_hide_no_reminder() {
    let clinic = Clinic::new("").await;
    let app = clinic.open().await;
    let admin = by(&app, "priya");
    organization(&admin, "north").await;
    credential(&admin, "north", "dev", clinic.clock.now()).await;
    let now = clinic.clock.now();
    clinic.clock.advance(DAY * 200);
    app.remind().await.unwrap();
    assert!(!outbox(&app).await.is_empty());
    clinic.clock.set(now);
    app.remind().await.unwrap();
    assert!(outbox(&app).await.is_empty());
    clinic.clock.advance(DAY * 76);
    app.remind().await.unwrap();
    let rows = outbox(&app).await;
    let of_rotation = rows
        .iter()
        .find(|row| row.reason == ReminderReason::Rotation);
    let row = of_rotation.unwrap();
    assert_eq!((row.threshold, row.state), (14, ReminderState::Sent));
    app.close().await;
}
