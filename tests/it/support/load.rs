//! Many calls at once, and waiting for what happens in the background.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Resource, getrlimit, setrlimit};

/// Runs `total` numbered jobs, at most `workers` of them at once, and answers in their order.
pub async fn spread<T, F, W>(total: usize, workers: usize, job: F) -> Vec<T>
where
    T: Send + 'static,
    F: Fn(usize) -> W + Clone + Send + 'static,
    W: Future<Output = T> + Send,
{
    allow_many_sockets();
    let next = Arc::new(AtomicUsize::new(0));
    let workers = (0..workers).map(|_| {
        let (next, job) = (next.clone(), job.clone());
        tokio::spawn(async move {
            let mut answers = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= total {
                    return answers;
                }
                answers.push((number, job(number).await));
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    let mut all = Vec::with_capacity(total);
    for worker in workers {
        all.extend(worker.await.unwrap());
    }
    all.sort_unstable_by_key(|(number, _)| *number);
    all.into_iter().map(|(_, answer)| answer).collect()
}

/// Waits until `condition` holds; gives up after 20 s.
pub async fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..2_000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within 20 s: {what}");
}

/// Client, gateway and upstream live in one process: a call in flight holds four sockets.
fn allow_many_sockets() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Where it cannot be raised, the tests say what they could not open.
    let _ = setrlimit(Resource::Nofile, limit);
}
