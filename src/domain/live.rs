//! [`Live`]: what a reload puts another in the place of, for those who outlive it.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};

/// Shared by all its clones; whoever asks keeps what it was told for as long as it needs it.
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Live<T> {
    pub fn new(value: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(value)))
    }

    pub fn now(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// For a look: cheaper, and not to be kept.
    pub fn peek(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    pub fn put(&self, value: impl Into<Arc<T>>) {
        self.0.store(value.into());
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: std::fmt::Debug> std::fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
