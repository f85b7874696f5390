//! Places for connections: a number that is not exceeded, and the word when they get scarce.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::Mode;

pub(super) struct Places {
    free: Arc<Semaphore>,
    total: usize,
    mode: Arc<watch::Sender<Mode>>,
}

/// A connection's place, free again when this is dropped.
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    places: Arc<Places>,
}

impl Places {
    pub(super) fn new(total: usize, mode: Arc<watch::Sender<Mode>>) -> Self {
        Self {
            free: Arc::new(Semaphore::new(total)),
            total,
            mode,
        }
    }

    /// Waits for a place.
    pub(super) async fn take(self: &Arc<Self>) -> Place {
        if self.free.available_permits() == 0 {
            tracing::warn!("all connections are in use; new ones wait until one ends");
        }
        let permit = self.free.clone().acquire_owned().await.ok();
        self.measure();
        Place {
            permit,
            places: self.clone(),
        }
    }

    /// A place beyond the number if there is none: for the last connections before the end.
    pub(super) fn take_any(self: &Arc<Self>) -> Place {
        Place {
            permit: self.free.clone().try_acquire_owned().ok(),
            places: self.clone(),
        }
    }

    /// What connections are told, from now on.
    pub(super) fn mode(&self) -> watch::Receiver<Mode> {
        self.mode.subscribe()
    }

    /// Places are scarce from an eighth left until a quarter is free again.
    fn measure(&self) {
        let free = self.free.available_permits();
        self.mode.send_if_modified(|mode| {
            let limit = if mode.pressed { 4 } else { 8 };
            let pressed = free < self.total / limit;
            std::mem::replace(&mut mode.pressed, pressed) != pressed
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.permit = None;
        self.places.measure();
    }
}
