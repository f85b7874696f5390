//! What a connection is doing, and until when it may.
//!
//! ```text
//! nothing served yet, or a head has begun     head_timeout
//! a request is with its handler               the handler's own limits
//! the client takes nothing of an answer       write_timeout
//! between requests                            idle_timeout
//! ```
//!
//! When places are scarce, waiting for a head or for a request is over after [`PRESSED`].

use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use tokio::time::Instant;

use super::{Mode, Times};

/// How long a connection may wait for a request while places are scarce.
const PRESSED: Duration = Duration::from_secs(5);
/// After the stop, a connection without a request for this long is closed.
const LINGER: Duration = Duration::from_secs(1);
/// Why a connection with a request in flight is dropped after the stop.
pub(super) const CUT_OFF: &str = "it was not over in time after the stop";
/// An HTTP/2 client may take back this many requests more than half of what it sent.
const MAX_ABANDONED: u32 = 200;

pub(super) struct Activity {
    state: Mutex<State>,
    head_timeout: Duration,
    write_timeout: Duration,
    idle_timeout: Duration,
}

struct State {
    http2: bool,
    served: bool,
    in_flight: usize,
    /// Without a request in flight: when that began, or when the head under way did.
    since: Instant,
    head_begun: bool,
    /// The socket takes no more since then.
    blocked: Option<Instant>,
    /// Answers whose next piece nobody has asked for since then.
    waiting: Vec<(u64, Instant)>,
    next_answer: u64,
    finished: u32,
    abandoned: u32,
}

/// What is to happen when the time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No further request is taken; those in flight finish.
    Finish,
    Drop(&'static str),
}

impl Activity {
    pub(super) fn new(times: Times) -> Self {
        Self {
            state: Mutex::new(State {
                http2: false,
                served: false,
                in_flight: 0,
                since: Instant::now(),
                head_begun: false,
                blocked: None,
                waiting: Vec::new(),
                next_answer: 0,
                finished: 0,
                abandoned: 0,
            }),
            head_timeout: times.head_timeout,
            write_timeout: times.write_timeout,
            idle_timeout: times.idle_timeout,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes came in. Between requests they are the beginning of a head; of HTTP/2 they may be
    /// anything.
    pub(super) fn received(&self) {
        let mut state = self.state();
        if state.in_flight == 0 && state.served && !state.head_begun && !state.http2 {
            state.head_begun = true;
            state.since = Instant::now();
        }
    }

    /// Whether the socket could take what there was for it.
    pub(super) fn wrote(&self, blocked: bool) {
        let mut state = self.state();
        if !blocked {
            state.blocked = None;
        } else if state.blocked.is_none() {
            state.blocked = Some(Instant::now());
        }
    }

    /// A whole head has arrived. Answers the number of its answer.
    pub(super) fn request(&self, http2: bool) -> u64 {
        let mut state = self.state();
        state.http2 = http2;
        state.in_flight += 1;
        state.next_answer += 1;
        state.next_answer
    }

    /// A piece of an answer was handed over, or its producer was asked for one.
    pub(super) fn answered(&self, answer: u64, handed_over: bool) {
        let mut state = self.state();
        state.waiting.retain(|(waiting, _)| *waiting != answer);
        if handed_over {
            state.waiting.push((answer, Instant::now()));
        }
    }

    /// A request is over: its answer was handed over whole, or nobody wants it any more.
    pub(super) fn over(&self, answer: u64, finished: bool) {
        let mut state = self.state();
        state.waiting.retain(|(waiting, _)| *waiting != answer);
        state.in_flight = state.in_flight.saturating_sub(1);
        state.served = true;
        if finished {
            state.finished = state.finished.saturating_add(1);
        } else {
            state.abandoned = state.abandoned.saturating_add(1);
        }
        if state.in_flight == 0 {
            state.head_begun = false;
            state.since = Instant::now();
        }
    }

    /// The next thing that is to happen unless something else does, and when. Of a connection that
    /// takes no further request, `end` is when it is dropped.
    pub(super) fn due(&self, mode: Mode, end: Option<Instant>) -> Option<(Instant, Verdict)> {
        let state = self.state();
        let stuck = self.stuck(&state);
        let waiting = (state.in_flight == 0).then(|| self.waiting(&state, mode));
        let stopped = mode.stopped.map(|stopped| match state.http2 {
            true => (stopped.at, Verdict::Finish),
            false => (stopped.end, Verdict::Drop(CUT_OFF)),
        });
        let abusive = state.abandoned > MAX_ABANDONED && state.abandoned > state.finished;
        let abusive = abusive.then(|| (state.since, Verdict::Drop("too many requests taken back")));
        let end_of_time = end.map(|end| (end, Verdict::Drop("not finished in time")));
        let finishes = |verdict| end.is_some() && verdict == Verdict::Finish;
        [stuck, waiting, stopped, abusive, end_of_time]
            .into_iter()
            .flatten()
            .filter(|(_, verdict)| !finishes(*verdict))
            .min_by_key(|(at, _)| *at)
    }

    fn stuck(&self, state: &State) -> Option<(Instant, Verdict)> {
        const REASON: &str = "the client takes nothing of its answer";
        let oldest = state.waiting.iter().map(|(_, since)| *since).min();
        // Other streams of the connection may be well.
        let verdict = match state.http2 {
            true => Verdict::Finish,
            false => Verdict::Drop(REASON),
        };
        let stream = oldest.map(|since| (since + self.write_timeout, verdict));
        let socket = state
            .blocked
            .map(|since| (since + self.write_timeout, Verdict::Drop(REASON)));
        stream.into_iter().chain(socket).min_by_key(|(at, _)| *at)
    }

    fn waiting(&self, state: &State, mode: Mode) -> (Instant, Verdict) {
        let for_head = !state.served || state.head_begun;
        let (time, verdict) = match for_head {
            true => (self.head_timeout, Verdict::Drop("no request in time")),
            false => (self.idle_timeout, Verdict::Finish),
        };
        let time = if mode.pressed {
            time.min(PRESSED)
        } else {
            time
        };
        match mode.stopped {
            Some(stopped) if !state.head_begun => {
                let at = (state.since + time).min(state.since.max(stopped.at) + LINGER);
                (at, Verdict::Finish)
            }
            _ => (state.since + time, verdict),
        }
    }
}
