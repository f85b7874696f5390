//! What a call did and how long that took: its spans, kept for the one who called.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use serde::Serialize;

use crate::domain::clock::SharedClock;
use crate::domain::span::{Attribute, Span, Step};

/// The spans of one call, in the order in which they began.
#[derive(Clone)]
pub(super) struct Explanation {
    clock: SharedClock,
    began: Timestamp,
    spans: Arc<Mutex<Vec<Kept>>>,
}

struct Kept {
    kind: Step,
    began: Timestamp,
    ended: Option<Timestamp>,
    step: Option<String>,
    outcome: Option<&'static str>,
    status: Option<u16>,
}

/// One of them.
struct Part {
    all: Explanation,
    index: usize,
}

/// A step as it is shown.
#[derive(Debug, Serialize)]
pub(super) struct Explained {
    what: &'static str,
    /// The tool's step, where it has several.
    #[serde(skip_serializing_if = "Option::is_none")]
    step: Option<String>,
    /// Since the call began.
    began_ms: f64,
    took_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
}

impl Explanation {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            began: clock.now(),
            clock,
            spans: Arc::default(),
        }
    }

    /// What was done so far.
    pub(super) fn steps(&self) -> Vec<Explained> {
        let now = self.clock.now();
        let explained = |kept: &Kept| Explained {
            what: match kept.kind {
                Step::Login => "login",
                Step::UpstreamRequest => "request",
                Step::ToolStep => "step",
            },
            step: kept.step.clone(),
            began_ms: milliseconds(self.began, kept.began),
            took_ms: milliseconds(kept.began, kept.ended.unwrap_or(now)),
            outcome: kept.outcome,
            status: kept.status,
        };
        self.spans().iter().map(explained).collect()
    }

    fn spans(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    let seconds = to.duration_since(from).as_secs_f64();
    (seconds * 1e6).round() / 1e3
}

/// The call's own: what counts are its parts.
impl Span for Explanation {
    fn step(&self, kind: Step) -> Arc<dyn Span> {
        let mut spans = self.spans();
        spans.push(Kept {
            kind,
            began: self.clock.now(),
            ended: None,
            step: None,
            outcome: None,
            status: None,
        });
        Arc::new(Part {
            all: self.clone(),
            index: spans.len() - 1,
        })
    }

    fn note(&self, _: Attribute<'_>) {}

    fn end(&self) {}
}

impl Part {
    fn change(&self, change: impl FnOnce(&mut Kept)) {
        if let Some(kept) = self.all.spans().get_mut(self.index) {
            change(kept);
        }
    }
}

impl Span for Part {
    fn step(&self, kind: Step) -> Arc<dyn Span> {
        self.all.step(kind)
    }

    fn note(&self, attribute: Attribute<'_>) {
        self.change(|kept| match attribute {
            Attribute::ToolStep(name) => kept.step = Some(name.to_owned()),
            Attribute::Outcome(word) => kept.outcome = Some(word),
            Attribute::Status(status) => kept.status = Some(status),
            _ => {}
        });
    }

    fn end(&self) {
        let now = self.all.clock.now();
        self.change(|kept| {
            kept.ended.get_or_insert(now);
        });
    }
}

/// A line for each.
pub(super) fn lines(steps: &[Explained]) -> Vec<String> {
    let line = |step: &Explained| {
        let name = step.step.as_deref().unwrap_or_default();
        let status = step.status.map(|status| format!(" HTTP {status}"));
        let outcome = match (step.outcome, &status) {
            (Some("ok") | None, Some(_)) => "",
            (outcome, _) => outcome.unwrap_or_default(),
        };
        let line = format!(
            "{:>10.1} ms  {:>9.1} ms  {:<8} {name:<24} {outcome}{}",
            step.began_ms,
            step.took_ms,
            step.what,
            status.unwrap_or_default()
        );
        line.trim_end().to_owned()
    };
    let head = format!(
        "{:>13}  {:>12}  {:<8} {:<24} RESULT",
        "BEGAN", "TOOK", "WHAT", "STEP"
    );
    std::iter::once(head)
        .chain(steps.iter().map(line))
        .collect()
}
