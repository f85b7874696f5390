//! Whatever the downtime: one row per threshold and channel, none missed, one sent per run.

use std::collections::HashSet;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;

fn day(days: i64) -> Timestamp {
    plus_days("2026-01-01T08:00:00Z".parse().unwrap(), days)
}

fn hours(count: i64) -> SignedDuration {
    SignedDuration::from_hours(count)
}

fn subject(schedule: Schedule, known_since: Timestamp) -> Subject {
    Subject {
        id: "v1".to_owned(),
        reason: ReminderReason::Rotation,
        schedule,
        known_since,
    }
}

#[test]
fn days_are_counted_from_date_to_date() {
    let time = |text: &str| -> Timestamp { text.parse().unwrap() };
    for (from, to, days) in [
        ("2026-11-26T18:00:00Z", "2026-12-06T00:00:00Z", 10),
        ("2026-11-26T00:00:00Z", "2026-12-06T23:59:59Z", 10),
        ("2026-11-26T00:00:00Z", "2026-11-26T23:59:59Z", 0),
        ("2026-11-26T00:00:01Z", "2026-11-25T23:59:59Z", -1),
        ("2026-11-26T05:00:00Z", "2026-10-29T06:00:00Z", -28),
    ] {
        assert_eq!(days_until(time(from), time(to)), days, "{from} {to}");
    }
}

/// A world of one subject: runs the plan as the outbox does.
struct World {
    subject: Option<Subject>,
    channels: Vec<String>,
    policy: ReminderPolicy,
    rows: Vec<Past>,
    next: Option<Timestamp>,
}

impl World {
    fn new(subject: Subject) -> Self {
        Self {
            subject: Some(subject),
            channels: vec!["log".to_owned(), "smtp".to_owned()],
            policy: ReminderPolicy::default(),
            next: None,
            rows: Vec::new(),
        }
    }

    /// Plans and does it; sends what is pending where `works`. Answers how many were sent.
    fn run(&mut self, now: Timestamp, works: bool) -> usize {
        let subjects: Vec<Subject> = self.subject.iter().cloned().collect();
        let plan = plan(&subjects, &self.channels, &self.rows, &self.policy, now);
        self.next = plan.next;
        for row in &mut self.rows {
            if plan.supersede.contains(&row.id) {
                assert_eq!(row.state, ReminderState::Pending);
                row.state = ReminderState::Superseded;
            }
        }
        for row in plan.create {
            self.rows.push(Past {
                id: self.rows.len().to_string(),
                subject: subjects[row.subject].id.clone(),
                reason: subjects[row.subject].reason,
                threshold: row.threshold,
                channel: self.channels[row.channel].clone(),
                state: match row.send {
                    true => ReminderState::Pending,
                    false => ReminderState::Superseded,
                },
                created_at: now,
            });
        }
        let mut sent = 0;
        for row in self.rows.iter_mut().filter(|_| works) {
            if row.state == ReminderState::Pending {
                row.state = ReminderState::Sent;
                sent += 1;
            }
        }
        sent
    }

    fn thresholds(&self, channel: &str, state: ReminderState) -> Vec<i64> {
        let of = |row: &&Past| row.channel == channel && row.state == state;
        self.rows
            .iter()
            .filter(of)
            .map(|row| row.threshold)
            .collect()
    }
}

proptest! {
    #[test]
    fn none_is_missed_and_none_is_doubled(
        up in proptest::collection::vec(any::<bool>(), 120),
        works in proptest::collection::vec(any::<bool>(), 120),
        known_after in -5i64..100,
    ) {
        let due = day(30);
        let known = day(known_after.min(25));
        let mut world = World::new(subject(Schedule::Dated { due }, known));
        let mut last_up = None;
        for now in 0..120 {
            if up[now as usize] && day(now) >= known {
                let sent = world.run(day(now), works[now as usize]);
                prop_assert!(sent <= world.channels.len(), "{sent} sent in one run");
                last_up = Some(now);
            }
        }
        let keys: HashSet<_> = world.rows.iter().map(|row| (row.threshold, &row.channel)).collect();
        prop_assert_eq!(keys.len(), world.rows.len(), "one row per threshold and channel");
        let Some(last_up) = last_up else { return Ok(()) };
        for channel in &world.channels {
            let reached = [14, 7, 1, 0].into_iter().chain((1..20).map(|step| -7 * step));
            for threshold in reached.filter(|t| day(30 - t) <= day(last_up) && day(30 - t) >= known) {
                prop_assert!(keys.contains(&(threshold, channel)), "{threshold} was missed");
            }
        }
        // Each run leaves at most one to be sent per channel.
        for channel in &world.channels {
            prop_assert!(world.thresholds(channel, ReminderState::Pending).len() <= 1);
        }
    }

    #[test]
    fn a_plan_that_was_carried_out_has_nothing_to_do_until_its_next_time(
        offset in 0i64..200, ahead in 0i64..1_000_000,
    ) {
        let now = day(offset);
        let mut world = World::new(subject(Schedule::Dated { due: day(90) }, day(0)));
        world.run(now, false);
        let subjects: Vec<Subject> = world.subject.iter().cloned().collect();
        let replan = |then| plan(&subjects, &world.channels, &world.rows, &world.policy, then);
        let next = replan(now).next.unwrap();
        let then = now + jiff::SignedDuration::from_secs(ahead);
        let idle = replan(then);
        prop_assert_eq!(idle.create.is_empty(), then < next);
        prop_assert!(idle.supersede.is_empty() || then >= next);
    }
}

#[test]
fn after_downtime_only_the_most_urgent_is_sent() {
    let mut world = World::new(subject(Schedule::Dated { due: day(90) }, day(0)));
    assert_eq!(world.run(day(10), true), 0);
    assert_eq!(world.run(day(112), true), 2);
    assert_eq!(world.thresholds("smtp", ReminderState::Sent), [-21]);
    let superseded = world.thresholds("smtp", ReminderState::Superseded);
    assert_eq!(superseded, [0, 1, 7, 14, -7, -14]);
}

#[test]
fn what_was_late_when_it_was_entered_has_no_history() {
    let mut world = World::new(subject(Schedule::Dated { due: day(-400) }, day(0)));
    world.run(day(1), true);
    assert_eq!(world.rows.len(), 2, "{:?}", world.rows);
    assert_eq!(world.thresholds("log", ReminderState::Sent), [-399]);
    world.run(day(6), true);
    assert_eq!(world.thresholds("log", ReminderState::Sent), [-399, -406]);
}

#[test]
fn a_settled_subject_and_a_channel_that_is_gone_leave_nothing_pending() {
    let mut world = World::new(subject(Schedule::Dated { due: day(90) }, day(0)));
    world.run(day(80), false);
    world.channels.pop();
    world.run(day(80), false);
    assert_eq!(world.thresholds("smtp", ReminderState::Superseded), [14]);
    world.subject = None;
    world.run(day(80), true);
    assert_eq!(world.thresholds("log", ReminderState::Superseded), [14]);
    assert_eq!(world.thresholds("log", ReminderState::Sent), [0i64; 0]);
}

#[test]
fn a_key_that_ended_is_not_spoken_of_again_and_a_credential_without_login_is() {
    let mut world = World::new(subject(Schedule::Ending { due: day(10) }, day(0)));
    world.run(day(9), true);
    world.run(day(10), true);
    world.run(day(40), true);
    assert_eq!(world.thresholds("log", ReminderState::Sent), [1, 0]);
    let mut world = World::new(subject(Schedule::From { due: day(1) }, day(0)));
    assert_eq!(world.run(day(0), true), 0);
    world.run(day(1), true);
    world.run(day(8), true);
    assert_eq!(world.thresholds("log", ReminderState::Sent), [0, -7]);
}

#[test]
fn a_refusal_is_told_at_once_then_weekly_and_again_when_it_was_healed_between() {
    let lasting = |sound_until| Schedule::Lasting { sound_until };
    let mut world = World::new(subject(lasting(day(0)), day(0)));
    for now in 3..12 {
        world.run(day(now), true);
    }
    assert_eq!(world.thresholds("log", ReminderState::Sent), [-3, -10]);
    world.subject = Some(subject(lasting(day(12)), day(0)));
    world.run(day(13), true);
    assert_eq!(world.thresholds("log", ReminderState::Sent), [-3, -10, -13]);
    // Healed and refused anew on the same day: the next one tells it.
    world.subject = Some(subject(lasting(day(13) + hours(1)), day(0)));
    assert_eq!(world.run(day(13) + hours(2), true), 0);
    assert_eq!(world.next, Some(day(14)));
    world.run(day(14), true);
    assert_eq!(
        world.thresholds("log", ReminderState::Sent),
        [-3, -10, -13, -14]
    );
}

#[test]
fn a_refusal_that_was_settled_before_anybody_was_told_is_told_when_it_comes_back() {
    let refused = subject(
        Schedule::Lasting {
            sound_until: day(0),
        },
        day(0),
    );
    let mut world = World::new(refused.clone());
    world.run(day(3), false);
    world.subject = None;
    world.run(day(3), false);
    assert_eq!(world.thresholds("log", ReminderState::Superseded), [-3]);
    world.subject = Some(refused);
    assert_eq!(world.run(day(3) + hours(1), true), 0);
    assert_eq!(world.next, Some(day(4)));
    world.run(day(4), true);
    assert_eq!(world.thresholds("log", ReminderState::Sent), [-4]);
}
