//! [`Seats`]: so many of something at a time, in all and for each key, so that none takes all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smol_str::SmolStr;

pub struct Seats {
    all: usize,
    each: usize,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_key: HashMap<SmolStr, usize>,
}

/// One of them; free again when it is dropped.
pub struct Seat {
    seats: Arc<Seats>,
    key: SmolStr,
}

impl Seats {
    /// Of `all`, no key has more than `each`.
    pub fn new(all: usize, each: usize) -> Arc<Self> {
        Arc::new(Self {
            all,
            each,
            taken: Mutex::default(),
        })
    }

    pub fn take(self: &Arc<Self>, key: &SmolStr) -> Option<Seat> {
        let mut taken = self.taken();
        let own = taken.by_key.get(key).copied().unwrap_or_default();
        if taken.all >= self.all || own >= self.each {
            return None;
        }
        taken.all += 1;
        taken.by_key.insert(key.clone(), own + 1);
        Some(Seat {
            seats: self.clone(),
            key: key.clone(),
        })
    }

    pub fn count(&self) -> usize {
        self.taken().all
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        taken.all = taken.all.saturating_sub(1);
        match taken.by_key.get_mut(&self.key) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                taken.by_key.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_takes_its_own_and_never_all() {
        let seats = Seats::new(3, 2);
        let [one, other]: [SmolStr; 2] = ["one", "other"].map(Into::into);
        let first = seats.take(&one).unwrap();
        let second = seats.take(&one).unwrap();
        assert!(seats.take(&one).is_none());
        let third = seats.take(&other).unwrap();
        assert!(seats.take(&other).is_none(), "all are taken");
        drop((first, third));
        assert_eq!(seats.count(), 1);
        assert!(seats.take(&other).is_some());
        drop(second);
        assert_eq!(seats.count(), 0);
        assert!(seats.taken().by_key.is_empty());
    }
}
