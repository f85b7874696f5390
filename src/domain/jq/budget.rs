//! The work that programs may do, counted where terms are run and values are made and copied.
//!
//! The interpreter cannot be interrupted, and a program can multiply its work with every few
//! characters. But it looks up each term that it runs, and makes and copies values, in code of
//! ours: that counts, and unwinds the interpreter when the count is used up. Nothing is left half
//! done by that, because a program changes nothing outside of itself.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

/// Terms, values and members that all programs of a call may take: each some fifty nanoseconds, and
/// a hundred bytes at most. The largest call of a built-in tool takes some hundred thousand.
const OF_CALL: u64 = 2_000_000;
/// The same before a call is admitted, when no limit holds yet.
const OF_CHECKS: u64 = 100_000;

/// So many bytes of text are a unit.
const BYTES_A_UNIT: usize = 16;

thread_local! {
    /// What the running program has left; outside of programs nothing is counted.
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// What is left of the work that some programs may do, one after the other.
pub struct Work(AtomicU64);

impl Work {
    /// For what a call takes once it is admitted.
    pub fn of_call() -> Self {
        Self::of(OF_CALL)
    }

    /// For the checks of its arguments before.
    pub fn of_checks() -> Self {
        Self::of(OF_CHECKS)
    }

    pub(super) fn of(units: u64) -> Self {
        Self(AtomicU64::new(units))
    }

    /// Units that are left.
    pub fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Leaves so many units.
    pub(super) fn leave(&self, units: u64) {
        self.0.store(units, Ordering::Relaxed);
    }
}

/// How a program ended.
pub(super) enum Outcome<T> {
    Done(T),
    Exhausted,
    /// The interpreter made a mistake: the program's failure, not the gateway's.
    Broken,
}

/// Runs a program with what is left of that work.
pub(super) fn within<T>(work: &Work, program: impl FnOnce() -> T) -> Outcome<T> {
    LEFT.set(Some(work.left()));
    let result = catch_unwind(AssertUnwindSafe(program));
    // Nothing is left where the program was ended.
    let left = LEFT.replace(None).unwrap_or_default();
    work.leave(left);
    match result {
        Ok(value) => Outcome::Done(value),
        Err(payload) => ended(payload),
    }
}

fn ended<T>(payload: Box<dyn Any + Send>) -> Outcome<T> {
    match payload.is::<Exhausted>() {
        true => Outcome::Exhausted,
        false => Outcome::Broken,
    }
}

/// Counts work that is about to be done.
pub(super) fn spend(units: usize) {
    let Some(left) = LEFT.get() else { return };
    match left.checked_sub(units as u64) {
        Some(rest) => LEFT.set(Some(rest)),
        None => exhaust(),
    }
}

/// Counts work on so many bytes of text.
pub(super) fn spend_bytes(bytes: usize) {
    spend(units(bytes));
}

/// What work on so many bytes of text counts.
pub(super) fn units(bytes: usize) -> usize {
    1 + bytes / BYTES_A_UNIT
}

/// Ends the running program.
pub(super) fn exhaust() {
    let running = LEFT.replace(None).is_some();
    if running && !std::thread::panicking() {
        resume_unwind(Box::new(Exhausted));
    }
}

struct Exhausted;
