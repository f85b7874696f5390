//! A flag that many raise and one takes down.

use std::sync::atomic::{AtomicBool, Ordering};

/// Raised when there is something to be looked after.
#[derive(Debug, Default)]
pub struct Flag(AtomicBool);

impl Flag {
    pub fn raise(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Takes it down, if it was raised. One that was not is only read: of thousands none is in a cache, and to
    /// write there takes much longer.
    pub fn take(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_raised_is_taken_once() {
        let flag = Flag::default();
        assert!(!flag.take());
        flag.raise();
        flag.raise();
        assert!(flag.take() && !flag.take());
    }
}
