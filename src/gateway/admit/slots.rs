//! A number of slots, given out fairly: whoever waits in a long line of their own does not hold up
//! the others.
//!
//! Each key has a line; a free slot goes to the next line in turn, and within a line to whoever came
//! first. While nobody waits, taking and returning a slot is one atomic operation and no lock.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// A line is never longer: who comes then is sent away at once.
const LONGEST_LINE: usize = 1_000;
/// As many as nobody will ever take.
const UNLIMITED: i64 = 1 << 40;

/// Slots for work under way. `K` names whom it is for.
pub(super) struct Slots<K> {
    /// Below zero while more are taken than a lowered capacity allows.
    free: AtomicI64,
    /// Everybody in a line; changed under the lock only.
    waiting: AtomicUsize,
    lines: Mutex<Lines<K>>,
}

struct Lines<K> {
    capacity: i64,
    /// Made when somebody waits for the first time: most tenants never do.
    queue: Option<Box<Queue<K>>>,
}

struct Queue<K> {
    /// The keys with a line, the next one in turn first.
    turns: VecDeque<K>,
    by_key: HashMap<K, VecDeque<oneshot::Sender<()>>>,
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self {
            turns: VecDeque::new(),
            by_key: HashMap::new(),
        }
    }
}

/// A slot; returned when dropped.
pub(super) struct Slot<'a, K: Clone + Eq + Hash>(&'a Slots<K>);

/// The line is full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Crowded;

impl<K: Clone + Eq + Hash> Slots<K> {
    pub(super) fn new(capacity: Option<u32>) -> Self {
        let capacity = capacity.map_or(UNLIMITED, i64::from);
        Self {
            free: AtomicI64::new(capacity),
            waiting: AtomicUsize::new(0),
            lines: Mutex::new(Lines {
                capacity,
                queue: None,
            }),
        }
    }

    /// Changes how many there are. Slots that are taken stay so.
    pub(super) fn resize(&self, capacity: Option<u32>) {
        let capacity = capacity.map_or(UNLIMITED, i64::from);
        let mut lines = self.lock();
        let change = capacity - lines.capacity;
        lines.capacity = capacity;
        self.free.fetch_add(change, Ordering::SeqCst);
        self.serve(&mut lines);
    }

    /// A slot that is free now, if nobody waits for one.
    pub(super) fn try_take(&self) -> Option<Slot<'_, K>> {
        let free = self.waiting.load(Ordering::SeqCst) == 0 && self.decrement();
        free.then(|| Slot(self))
    }

    /// A slot, when it is `key`'s turn.
    pub(super) async fn take(&self, key: &K) -> Result<Slot<'_, K>, Crowded> {
        match self.try_take() {
            Some(slot) => Ok(slot),
            None => match self.enter_line(key)? {
                Place::Served => Ok(Slot(self)),
                Place::Waiting(turn) => Ok(Waiter { slots: self, turn }.wait().await),
            },
        }
    }

    fn enter_line(&self, key: &K) -> Result<Place, Crowded> {
        let mut lines = self.lock();
        // Counted before the last look: who returns a slot after it sees that somebody waits.
        let first = self.waiting.fetch_add(1, Ordering::SeqCst) == 0;
        if first && self.decrement() {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return Ok(Place::Served);
        }
        let (sender, turn) = oneshot::channel();
        let queue = lines.queue.get_or_insert_default();
        if queue.join(key, sender, &self.waiting) {
            return Ok(Place::Waiting(turn));
        }
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        Err(Crowded)
    }

    fn decrement(&self) -> bool {
        self.free
            .try_update(Ordering::SeqCst, Ordering::SeqCst, |free| {
                (free > 0).then(|| free - 1)
            })
            .is_ok()
    }

    fn give_back(&self) {
        self.free.fetch_add(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            self.serve(&mut self.lock());
        }
    }

    /// Hands free slots to the lines in turn.
    fn serve(&self, lines: &mut Lines<K>) {
        let Some(queue) = &mut lines.queue else {
            return;
        };
        while !queue.turns.is_empty() && self.decrement() {
            let sender = queue.next();
            if sender.is_some() {
                self.waiting.fetch_sub(1, Ordering::SeqCst);
            }
            // Whoever gave up does not need it.
            if sender.is_none_or(|sender| sender.send(()).is_err()) {
                self.free.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Lines<K>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Place {
    Served,
    Waiting(oneshot::Receiver<()>),
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// Puts somebody at the end of a line, unless it is full of people who still wait.
    fn join(&mut self, key: &K, sender: oneshot::Sender<()>, waiting: &AtomicUsize) -> bool {
        let line = self.by_key.entry(key.clone()).or_default();
        if line.len() >= LONGEST_LINE {
            let before = line.len();
            line.retain(|sender| !sender.is_closed());
            waiting.fetch_sub(before - line.len(), Ordering::SeqCst);
        }
        if line.len() >= LONGEST_LINE {
            return false;
        }
        line.push_back(sender);
        if line.len() == 1 && !self.turns.contains(key) {
            self.turns.push_back(key.clone());
        }
        true
    }

    /// The first of the line whose turn it is; its line comes last from now on.
    fn next(&mut self) -> Option<oneshot::Sender<()>> {
        let key = self.turns.pop_front()?;
        let line = self.by_key.get_mut(&key)?;
        let sender = line.pop_front();
        if line.is_empty() {
            self.by_key.remove(&key);
        } else {
            self.turns.push_back(key);
        }
        sender
    }
}

/// Somebody in a line. Who gives up at the instant of being served returns the slot.
struct Waiter<'a, K: Clone + Eq + Hash> {
    slots: &'a Slots<K>,
    turn: oneshot::Receiver<()>,
}

impl<'a, K: Clone + Eq + Hash> Waiter<'a, K> {
    async fn wait(mut self) -> Slot<'a, K> {
        // INVARIANT: a sender is dropped only after it was used, or with the slots.
        let _ = (&mut self.turn).await;
        Slot(self.slots)
    }
}

impl<K: Clone + Eq + Hash> Drop for Waiter<'_, K> {
    fn drop(&mut self) {
        self.turn.close();
        if self.turn.try_recv().is_ok() {
            self.slots.give_back();
        }
    }
}

impl<K: Clone + Eq + Hash> Drop for Slot<'_, K> {
    fn drop(&mut self) {
        self.0.give_back();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap()
    }

    #[tokio::test]
    async fn a_long_line_does_not_hold_up_a_short_one() {
        let slots = Arc::new(Slots::new(Some(1)));
        let held = slots.take(&"busy").await.unwrap();
        let (served, mut order) = tokio::sync::mpsc::unbounded_channel();
        for (key, number) in [("busy", 1), ("busy", 2), ("busy", 3), ("quiet", 1)] {
            let (slots, served) = (slots.clone(), served.clone());
            tokio::spawn(async move {
                let _slot = slots.take(&key).await.unwrap();
                served.send((key, number)).unwrap();
            });
            tokio::task::yield_now().await;
        }
        drop((held, served));
        let mut seen = Vec::new();
        while let Some(one) = order.recv().await {
            seen.push(one);
        }
        assert_eq!(
            seen,
            [("busy", 1), ("quiet", 1), ("busy", 2), ("busy", 3)],
            "lines take turns"
        );
    }

    #[tokio::test]
    async fn a_full_line_sends_away_and_those_who_gave_up_make_room() {
        let slots = Slots::new(Some(1));
        let held = slots.take(&1).await.unwrap();
        let mut waiters: Vec<_> = (0..LONGEST_LINE)
            .map(|_| match slots.enter_line(&1) {
                Ok(Place::Waiting(turn)) => turn,
                _ => panic!("there is room"),
            })
            .collect();
        assert!(matches!(slots.enter_line(&1), Err(Crowded)));
        assert!(matches!(slots.enter_line(&2), Ok(Place::Waiting(_))));
        waiters.pop();
        assert!(matches!(slots.enter_line(&1), Ok(Place::Waiting(_))));
        drop(waiters);
        drop(held);
        assert!(slots.take(&1).await.is_ok(), "all who waited gave up");
        assert_eq!(slots.waiting.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_larger_capacity_serves_those_who_wait() {
        let slots = Slots::new(Some(1));
        let _held = slots.take(&1).await.unwrap();
        let waiting = slots.take(&1);
        tokio::pin!(waiting);
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut waiting).await.is_err());
        slots.resize(None);
        let _second = waiting.await.unwrap();
        slots.resize(Some(1));
        assert!(slots.try_take().is_none(), "two of one are taken");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Never more at work than there are slots, and none is lost, whoever gives up when.
        #[test]
        fn slots_are_neither_exceeded_nor_lost(
            capacity in 1u32..5,
            works in proptest::collection::vec((0u8..4, 0u64..3, proptest::option::of(0u64..3)), 1..60),
        ) {
            runtime().block_on(async {
                let slots = Arc::new(Slots::new(Some(capacity)));
                let busy = Arc::new(AtomicI64::new(0));
                let tasks: Vec<_> = works.into_iter().map(|(key, work, patience)| {
                    let (slots, busy) = (slots.clone(), busy.clone());
                    tokio::spawn(async move {
                        let patience = Duration::from_millis(patience.unwrap_or(60_000));
                        let taken = tokio::time::timeout(patience, slots.take(&key)).await;
                        let Ok(Ok(_slot)) = taken else { return 0 };
                        let at_work = busy.fetch_add(1, Ordering::SeqCst) + 1;
                        tokio::time::sleep(Duration::from_millis(work)).await;
                        busy.fetch_sub(1, Ordering::SeqCst);
                        at_work
                    })
                }).collect();
                for task in tasks {
                    assert!(task.await.unwrap() <= i64::from(capacity));
                }
                assert_eq!(slots.free.load(Ordering::SeqCst), i64::from(capacity));
                assert_eq!(slots.waiting.load(Ordering::SeqCst), 0);
            });
        }
    }
}
