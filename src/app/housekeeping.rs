//! Threads for what goes on beside the calls: logins, the admin API, writing down what calls used and how
//! they ended, reading the database again, reminders, retention.
//!
//! With thousands of organizations that takes long, and for a moment much memory. On the threads that serve
//! calls, they would wait for it. And an allocator hands out in turn all the pieces that were ever needed at
//! a time: after such a moment each call would work in memory that is in no cache of the processor's
//! (docs/performance.md). A login takes little of either, but what it leaves stays, between all those pieces.

use tokio::runtime::{Builder, EnterGuard, Handle, Runtime};

/// Two, so that the records of calls do not wait while the other one is busy.
const THREADS: usize = 2;

/// Their tasks are cut off when it is dropped.
pub(super) struct Housekeeping {
    handle: Handle,
    runtime: Option<Runtime>,
}

impl Housekeeping {
    pub(super) fn start() -> std::io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("housekeeping")
            .enable_all()
            .build()?;
        Ok(Self {
            handle: runtime.handle().clone(),
            runtime: Some(runtime),
        })
    }

    /// For what is spawned here from other threads.
    pub(super) fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What is spawned until the guard is dropped, and what that spawns, runs here.
    pub(super) fn enter(&self) -> EnterGuard<'_> {
        self.handle.enter()
    }
}

impl Drop for Housekeeping {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Where asynchronous code drops this, nobody may wait for its threads.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    fn here() -> Option<String> {
        thread::current().name().map(str::to_owned)
    }

    #[tokio::test]
    async fn what_is_spawned_here_stays_here_and_ends_with_it() {
        let housekeeping = Housekeeping::start().unwrap();
        let (nested, endless, held) = {
            let _here = housekeeping.enter();
            let nested = tokio::spawn(async { tokio::spawn(async { here() }).await.unwrap() });
            let held = Arc::new(());
            let kept = held.clone();
            let endless = tokio::spawn(async move {
                std::future::pending::<()>().await;
                drop(kept);
            });
            (nested, endless, held)
        };
        assert_eq!(nested.await.unwrap().as_deref(), Some("housekeeping"));
        let outside = tokio::spawn(async { here() }).await.unwrap();
        assert_ne!(outside.as_deref(), Some("housekeeping"));
        drop(housekeeping);
        assert!(endless.await.unwrap_err().is_cancelled());
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
