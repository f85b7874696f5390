//! The plan itself.

use std::collections::{HashMap, HashSet};

use jiff::Timestamp;

use super::{
    ReminderPolicy, ReminderReason, ReminderState, Schedule, Subject, days_between, plus_days,
};

/// A row of the outbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Past {
    pub id: String,
    pub subject: String,
    pub reason: ReminderReason,
    pub threshold: i64,
    pub channel: String,
    pub state: ReminderState,
    pub created_at: Timestamp,
}

/// A row to be created.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedRow {
    /// Which of the subjects, and which of the channels.
    pub subject: usize,
    pub channel: usize,
    pub threshold: i64,
    /// Whether it is to be sent; else it is recorded as superseded.
    pub send: bool,
}

/// What to do with the outbox.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    pub create: Vec<PlannedRow>,
    /// Ids of pending rows that are not to be sent any more.
    pub supersede: Vec<String>,
    /// When there is something to plan again, as far as time alone decides.
    pub next: Option<Timestamp>,
}

/// A subject and a reason: what a history of rows belongs to.
type Topic<'a> = (&'a str, ReminderReason);

/// Plans for every subject and channel. `past` is the outbox, at least of these subjects and of
/// all that is pending.
pub fn plan(
    subjects: &[Subject],
    channels: &[String],
    past: &[Past],
    policy: &ReminderPolicy,
    now: Timestamp,
) -> Plan {
    let mut history: HashMap<(Topic<'_>, &str), Vec<&Past>> = HashMap::new();
    for row in past {
        let topic = (row.subject.as_str(), row.reason);
        history.entry((topic, &row.channel)).or_default().push(row);
    }
    let mut plan = Plan::default();
    let mut alive = HashSet::new();
    for (index, subject) in subjects.iter().enumerate() {
        let topic = (subject.id.as_str(), subject.reason);
        alive.insert(topic);
        plan.wake_at(next_after(subject, policy, now));
        for (place, channel) in channels.iter().enumerate() {
            let rows = history.get(&(topic, channel.as_str()));
            let rows = rows.map_or(&[][..], Vec::as_slice);
            plan.channel((index, place), subject, rows, policy, now);
        }
    }
    let unsettled = |row: &&Past| {
        alive.contains(&(row.subject.as_str(), row.reason)) && channels.contains(&row.channel)
    };
    let settled = past.iter().filter(|row| !unsettled(row));
    plan.supersede.extend(pending(settled));
    plan
}

impl Plan {
    fn channel(
        &mut self,
        (subject_index, channel): (usize, usize),
        subject: &Subject,
        rows: &[&Past],
        policy: &ReminderPolicy,
        now: Timestamp,
    ) {
        let reached = match subject.schedule {
            Schedule::Lasting { sound_until } => {
                let (reached, next) = lasting(subject, sound_until, rows, policy, now);
                self.wake_at(next);
                reached
            }
            _ => dated(subject, policy, now),
        };
        let Some(most_urgent) = reached.iter().copied().min() else {
            return;
        };
        let is_new = |threshold: &i64| rows.iter().all(|row| row.threshold != *threshold);
        let new: Vec<i64> = reached.into_iter().filter(is_new).collect();
        if new.contains(&most_urgent) {
            self.supersede.extend(pending(rows.iter().copied()));
        }
        let row = |threshold| PlannedRow {
            subject: subject_index,
            channel,
            threshold,
            send: threshold == most_urgent,
        };
        self.create.extend(new.into_iter().map(row));
    }

    fn wake_at(&mut self, time: Option<Timestamp>) {
        self.next = [self.next, time].into_iter().flatten().min();
    }
}

fn pending<'a>(rows: impl Iterator<Item = &'a Past>) -> impl Iterator<Item = String> {
    rows.filter(|row| row.state == ReminderState::Pending)
        .map(|row| row.id.clone())
}

/// The reached thresholds of a subject with a day: those since it is known, and the most urgent
/// one.
fn dated(subject: &Subject, policy: &ReminderPolicy, now: Timestamp) -> Vec<i64> {
    let Some((due, ahead, repeats)) = dates(subject, policy) else {
        return Vec::new();
    };
    let reached_at = |threshold: i64| plus_days(due, -threshold);
    let mut reached: Vec<i64> = ahead;
    reached.retain(|threshold| reached_at(*threshold) <= now);
    if repeats {
        let every = i64::from(policy.overdue_every_days.max(1));
        let last = days_between(due, now).max(0) / every;
        // Those from before it was known are not listed only to be left out again.
        let first = (days_between(due, subject.known_since) / every).max(0) + 1;
        reached.extend((first.min(last.max(1))..=last).map(|step| -step * every));
    }
    let most_urgent = reached.iter().copied().min();
    reached.retain(|threshold| {
        Some(*threshold) == most_urgent || reached_at(*threshold) >= subject.known_since
    });
    reached
}

/// The day, the thresholds up to it, and whether there are more after it.
fn dates(subject: &Subject, policy: &ReminderPolicy) -> Option<(Timestamp, Vec<i64>, bool)> {
    let ahead = || {
        let mut days: Vec<i64> = policy.before_days.iter().copied().map(i64::from).collect();
        days.sort_unstable();
        days.dedup();
        days
    };
    match subject.schedule {
        Schedule::Dated { due } => Some((due, ahead(), true)),
        Schedule::Ending { due } => Some((due, ahead(), false)),
        Schedule::From { due } => Some((due, vec![0], true)),
        Schedule::Lasting { .. } => None,
    }
}

/// A state that lasts has one threshold, which is reached at once and then at every repetition:
/// minus the days since the subject is known, so that a day has one. Also says when it is reached
/// next.
fn lasting(
    subject: &Subject,
    sound_until: Timestamp,
    rows: &[&Past],
    policy: &ReminderPolicy,
    now: Timestamp,
) -> (Vec<i64>, Option<Timestamp>) {
    // What was superseded told nobody.
    let about_this = rows
        .iter()
        .filter(|row| row.created_at >= sound_until && row.state != ReminderState::Superseded);
    let last = about_this.map(|row| row.created_at).max();
    let every = i64::from(policy.overdue_every_days.max(1));
    match last.map(|last| plus_days(last, every)) {
        Some(again) if now < again => (Vec::new(), Some(again)),
        _ => {
            let days = days_between(subject.known_since, now).max(0);
            let is_taken = rows.iter().any(|row| row.threshold == -days);
            let next = match is_taken {
                true => plus_days(subject.known_since, days + 1),
                false => plus_days(now, every),
            };
            (vec![-days], Some(next))
        }
    }
}

/// When a subject with a day reaches its next threshold.
fn next_after(subject: &Subject, policy: &ReminderPolicy, now: Timestamp) -> Option<Timestamp> {
    let (due, ahead, repeats) = dates(subject, policy)?;
    let ahead = ahead
        .into_iter()
        .map(|threshold| plus_days(due, -threshold));
    let every = i64::from(policy.overdue_every_days.max(1));
    let steps = days_between(due, now).max(0) / every + 1;
    let repeated = repeats.then(|| plus_days(due, steps * every));
    ahead.chain(repeated).filter(|time| *time > now).min()
}
