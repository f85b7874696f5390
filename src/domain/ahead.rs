//! Memory asked for ahead of its use.
//!
//! Of a tenant among thousands nothing is in the processor's caches any more, and a call that comes to a piece
//! of it waits for main memory. A prefetch waits for nothing: what was asked for early is there when
//! the call comes to it. It reads nothing either, so nothing but time depends on it.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prefetch_index::prefetch_index;

/// What a processor's cache fetches at once, in bytes.
const LINE: usize = 64;

/// The counts of an `Arc`, in bytes.
const COUNTS: usize = 2 * size_of::<usize>();

/// Asks for the beginning and the end of a piece; of a small one, two lines at most, that is all of it.
pub fn piece<T>(piece: &T) {
    let spot = Spot::of(piece);
    spot.ahead();
    spot.line_ahead(size_of::<T>().saturating_sub(1));
}

/// Asks for all of what several share, and for how many do.
pub fn shared<T: ?Sized>(piece: &Arc<T>) {
    Spot::of(&**piece).shared_ahead(size_of_val(&**piece));
}

/// Asks for a text. How many share it, if it is one that several do, lies right before it.
pub fn text(text: &[u8]) {
    Spot::of(text).lines_ahead(text.len());
}

/// Where a piece of memory is, to ask for it and nothing else.
#[derive(Debug, Clone, Copy, Default)]
pub struct Spot(usize);

impl Spot {
    pub fn of<T: ?Sized>(piece: &T) -> Self {
        Self(std::ptr::from_ref(piece).addr())
    }

    /// Of something that may be gone.
    pub fn at<T>(piece: *const T) -> Self {
        Self(piece.addr())
    }

    pub fn ahead(self) {
        self.line_ahead(0);
    }

    /// Asks for all of what several share, if that is what is there, and for how many do.
    pub fn shared_ahead(self, length: usize) {
        self.line_ahead(0_usize.wrapping_sub(COUNTS));
        self.lines_ahead(length);
    }

    fn lines_ahead(self, length: usize) {
        (0..length).step_by(LINE).for_each(|at| self.line_ahead(at));
        self.line_ahead(length.saturating_sub(1));
    }

    fn line_ahead(self, at: usize) {
        let from: &[u8] = &[];
        let distance = self.0.wrapping_sub(from.as_ptr().addr());
        prefetch_index(from, distance.wrapping_add(at));
    }
}

/// Where somebody's pieces were who came last. They may be gone since, and others in their places: nobody reads by it.
///
/// What takes time is less how far a piece is than to look up where in memory its page is. A processor does that for
/// several pages at a time; but where a piece is that another one names, it learns when that other one is there.
#[derive(Debug)]
pub struct Trail<const SPOTS: usize>([AtomicUsize; SPOTS]);

impl<const SPOTS: usize> Trail<SPOTS> {
    /// Asks for all of them at once.
    pub fn ahead(&self) {
        self.spots().into_iter().for_each(Spot::ahead);
    }

    /// Written where it is news only: what is only read stays in the caches of all who read it.
    pub fn leave(&self, spots: [Spot; SPOTS]) {
        for (left, Spot(spot)) in self.0.iter().zip(spots) {
            if left.load(Ordering::Relaxed) != spot {
                left.store(spot, Ordering::Relaxed);
            }
        }
    }

    pub fn spots(&self) -> [Spot; SPOTS] {
        self.0
            .each_ref()
            .map(|spot| Spot(spot.load(Ordering::Relaxed)))
    }
}

impl<const SPOTS: usize> Default for Trail<SPOTS> {
    fn default() -> Self {
        Self([const { AtomicUsize::new(0) }; SPOTS])
    }
}

/// How many pieces of a walk are on their way at a time, and of each of its steps.
const UNDER_WAY: usize = 8;

/// Goes through thousands of pieces and asks for those that come next. Of each there may be several
/// parts, where each part says where the next one is: they are asked for one step after the other.
pub fn walk<T, const PARTS: usize>(pieces: &[T], ask: [fn(&T); PARTS]) -> impl Iterator<Item = &T> {
    (0..pieces.len() + PARTS * UNDER_WAY).filter_map(move |step| {
        for (part, ask) in ask.iter().enumerate() {
            let at = step.checked_sub(part * UNDER_WAY);
            if let Some(piece) = at.and_then(|at| pieces.get(at)) {
                ask(piece);
            }
        }
        pieces.get(step.checked_sub(PARTS * UNDER_WAY)?)
    })
}

/// Waits for what has to be waited for, and asks for memory whenever there is news of it: what was in the
/// caches when the waiting began is there no more.
pub async fn before<F: Future>(awaited: F, ask: impl Fn()) -> F::Output {
    let mut awaited = pin!(awaited);
    poll_fn(|context| {
        ask();
        awaited.as_mut().poll(context)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[test]
    fn whoever_waits_asks_before_each_look() {
        let (asked, looks) = (Cell::new(0), Cell::new(0));
        let answer = poll_fn(|_| {
            looks.set(looks.get() + 1);
            assert_eq!(asked.get(), looks.get());
            match looks.get() {
                3 => Poll::Ready("answer"),
                _ => Poll::Pending,
            }
        });
        let mut waiting = pin!(before(answer, || asked.set(asked.get() + 1)));
        let mut context = Context::from_waker(Waker::noop());
        let came = loop {
            if let Poll::Ready(came) = waiting.as_mut().poll(&mut context) {
                break came;
            }
        };
        assert_eq!((came, asked.get()), ("answer", 3));
    }

    #[test]
    fn a_walk_asks_for_each_part_of_each_piece_in_their_order_and_comes_to_all() {
        let first = |asked: &Cell<u8>| assert_eq!(asked.replace(1), 0);
        let second = |asked: &Cell<u8>| assert_eq!(asked.replace(2), 1);
        for length in [0, 1, UNDER_WAY - 1, UNDER_WAY, 3 * UNDER_WAY + 1] {
            let pieces = vec![Cell::new(0); length];
            let asked = |at| pieces.get(at).map_or(2, Cell::get);
            let mut came = 0;
            for piece in walk(&pieces, [first, second]) {
                assert!(std::ptr::eq(piece, &pieces[came]));
                assert_eq!(asked(came + UNDER_WAY), 2, "ahead by so many");
                assert!(asked(came + 2 * UNDER_WAY) > 0);
                came += 1;
            }
            assert_eq!(came, length);
            let pieces = vec![Cell::new(0); length];
            assert_eq!(walk(&pieces, [first]).count(), length);
            assert!(pieces.iter().all(|asked| asked.get() == 1));
        }
    }

    #[test]
    fn whatever_is_asked_for_does_no_harm() {
        let large = Arc::new([7_u8; 100]);
        let shared_by_nobody: Arc<[u8]> = Arc::new([]);
        shared(&large);
        shared(&shared_by_nobody);
        text(&[]);
        piece(&large);
        let trail = Trail::default();
        trail.ahead();
        trail.leave([Spot::of(&*large), Spot::of("text")]);
        assert_eq!(trail.spots()[0].0, large.as_ptr().addr());
        drop(large);
        trail.ahead();
        let [gone, _] = trail.spots();
        for length in [0, 1, 100, 1 << 20] {
            gone.shared_ahead(length);
        }
        assert!(shared_by_nobody.is_empty());
    }
}
