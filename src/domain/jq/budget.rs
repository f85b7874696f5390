//! The work that a program may do, counted where values are copied and made.
//!
//! The interpreter cannot be interrupted, and a program can multiply its work with every few
//! characters. But it copies a value wherever it branches, and copying a value is our own code: it
//! counts, and unwinds the interpreter when the count is used up. Nothing is left half done by
//! that, because a program changes nothing outside of itself.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Copies and members: a unit takes some ten nanoseconds, and about a hundred bytes at most.
const UNITS: u64 = 2_000_000;

/// So many bytes of text are a unit.
const BYTES_A_UNIT: usize = 16;

thread_local! {
    /// What the running program has left; outside of programs nothing is counted.
    static LEFT: Cell<Option<u64>> = const { Cell::new(None) };
}

/// How a program ended.
pub(super) enum Outcome<T> {
    Done(T),
    Exhausted,
}

/// Runs a program within its budget.
pub(super) fn within<T>(program: impl FnOnce() -> T) -> Outcome<T> {
    LEFT.set(Some(UNITS));
    let result = catch_unwind(AssertUnwindSafe(program));
    LEFT.set(None);
    match result {
        Ok(value) => Outcome::Done(value),
        Err(payload) if payload.is::<Exhausted>() => Outcome::Exhausted,
        Err(payload) => broken(payload),
    }
}

/// A mistake of the interpreter's is the program's failure, not the gateway's.
fn broken<T>(_: Box<dyn Any + Send>) -> Outcome<T> {
    tracing::error!("the jq interpreter panicked");
    Outcome::Exhausted
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
    spend(1 + bytes / BYTES_A_UNIT);
}

/// Ends the running program.
pub(super) fn exhaust() {
    let running = LEFT.replace(None).is_some();
    if running && !std::thread::panicking() {
        resume_unwind(Box::new(Exhausted));
    }
}

struct Exhausted;
