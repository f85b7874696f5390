//! Those who have keys, by the public ids of these.
//!
//! A table with open addresses, each of whose seats has the whole hash: a look-up comes to one seat, and from
//! there to one holder. Both can be asked for ahead, one after the other, and that is why it is no
//! table of a library: among thousands of tenants each of them is in no cache any more.

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use super::authenticate::Holder;
use super::home::{Home, SPOTS};
use crate::domain::ahead::{self, Spot, Trail};
use crate::domain::principal::Principal;

const SMALLEST: usize = 16;

#[derive(Default)]
pub(super) struct Holders<S = RandomState> {
    /// A power of two of them or none; more than a third is free.
    seats: Vec<Seat>,
    taken: usize,
    hasher: S,
}

/// In one line of the processor's caches.
#[derive(Default)]
#[repr(align(64))]
struct Seat {
    hash: u64,
    holder: Option<Arc<Holder>>,
    /// The holder's own, so that it need not be waited for.
    home: Option<Arc<Home>>,
    /// To what the last visit of the only home came to besides it.
    trail: Trail<SPOTS>,
}

/// Which seat a holder has: in the table that said so.
#[derive(Clone, Copy)]
pub(super) struct SeatNumber(usize);

impl<S: BuildHasher> Holders<S> {
    /// Adds one; ids are different.
    pub(super) fn add(&mut self, holder: Holder) {
        if (self.taken + 1) * 3 > self.seats.len() * 2 {
            self.grow();
        }
        self.taken += 1;
        self.sit(Seat {
            hash: self.hasher.hash_one(&*holder.id),
            home: holder.home().cloned(),
            holder: Some(Arc::new(holder)),
            trail: Trail::default(),
        });
    }

    fn grow(&mut self) {
        let size = (2 * self.seats.len()).max(SMALLEST);
        let empty = std::iter::repeat_with(Seat::default).take(size).collect();
        let former = std::mem::replace(&mut self.seats, empty);
        let taken = former.into_iter().filter(|seat| seat.holder.is_some());
        taken.for_each(|seat| self.sit(seat));
    }

    /// On the first free seat from its own on.
    fn sit(&mut self, seat: Seat) {
        let before = self.from(seat.hash).count();
        let place = self.place(seat.hash, before);
        self.seats[place] = seat;
    }

    /// There are seats.
    fn place(&self, hash: u64, further: usize) -> usize {
        // What a hash loses by this has no part in it.
        (hash as usize).wrapping_add(further) & (self.seats.len() - 1)
    }

    /// The taken seats from that hash's own on, until a free one.
    fn from(&self, hash: u64) -> impl Iterator<Item = (usize, &Seat)> {
        let places = (0..self.seats.len()).map(move |further| self.place(hash, further));
        let seats = places.map(|place| (place, &self.seats[place]));
        seats.take_while(|(_, seat)| seat.holder.is_some())
    }

    /// Who has the key with that id.
    pub(super) fn get(&self, id: &str) -> Option<(SeatNumber, &Arc<Holder>)> {
        let hash = self.hasher.hash_one(id);
        let named = self.from(hash).filter(|(_, seat)| seat.hash == hash);
        let mut holders =
            named.filter_map(|(place, seat)| Some((SeatNumber(place), seat.holder.as_ref()?)));
        holders.find(|(_, holder)| holder.id == id)
    }

    /// A visit of the one on that seat came to these.
    pub(super) fn came_to(&self, SeatNumber(seat): SeatNumber, spots: [Spot; SPOTS]) {
        self.seats[seat].trail.leave(spots);
    }

    /// Asks for the seat of the one with that id.
    pub(super) fn seat_ahead(&self, id: &str) {
        if !self.seats.is_empty() {
            ahead::piece(&self.seats[self.place(self.hasher.hash_one(id), 0)]);
        }
    }

    /// Asks for the one with that id, for its home, and for what its last visit came to.
    pub(super) fn ahead(&self, id: &str) {
        let hash = self.hasher.hash_one(id);
        if let Some((_, seat)) = self.from(hash).find(|(_, seat)| seat.hash == hash) {
            seat.trail.ahead();
            seat.holder.iter().for_each(ahead::shared);
            seat.home.iter().for_each(ahead::shared);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Principal> {
        let holders = self.seats.iter().flat_map(|seat| &seat.holder);
        holders.map(|holder| &***holder)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::hash::Hasher;

    use proptest::prelude::*;
    use smallvec::SmallVec;

    use super::*;
    use crate::domain::principal::PrincipalKind;

    /// The same hash for all.
    #[derive(Default)]
    struct Same<const HASH: u64>;

    impl<const HASH: u64> BuildHasher for Same<HASH> {
        type Hasher = Self;

        fn build_hasher(&self) -> Self {
            Self
        }
    }

    impl<const HASH: u64> Hasher for Same<HASH> {
        fn write(&mut self, _: &[u8]) {}

        fn finish(&self) -> u64 {
            HASH
        }
    }

    fn holder(id: &str) -> Holder {
        let principal = Principal {
            kind: PrincipalKind::Key,
            id: id.into(),
            name: id.into(),
            grants: SmallVec::new(),
            expires_at: None,
        };
        Holder::of_key(principal, [0; 32], None)
    }

    /// Against a set.
    fn check<S: BuildHasher + Default>(ids: &BTreeSet<String>, others: &[String]) {
        let mut holders = Holders::<S>::default();
        for id in ids {
            holders.add(holder(id));
        }
        for id in ids.iter().chain(others) {
            holders.seat_ahead(id);
            holders.ahead(id);
            let found = holders.get(id).map(|(seat, holder)| {
                holders.came_to(seat, [Spot::of(&**holder); SPOTS]);
                holder.id.as_str()
            });
            assert_eq!(found, ids.get(id).map(String::as_str));
        }
        let all: BTreeSet<_> = holders.all().map(|holder| holder.id.to_string()).collect();
        assert_eq!(all, *ids);
    }

    proptest! {
        #[test]
        fn who_was_added_is_found_and_nobody_else(
            ids in proptest::collection::btree_set("[a-c]{1,5}", 0..200),
            others in proptest::collection::vec("[a-c]{0,5}", 0..50),
        ) {
            check::<RandomState>(&ids, &others);
            check::<Same<0>>(&ids, &others);
            // From the last seat on to the first one.
            check::<Same<{ u64::MAX }>>(&ids, &others);
        }
    }
}
