//! Memory asked for ahead of its use.
//!
//! Of a tenant among thousands nothing is in the processor's caches any more, and a call that comes to a piece
//! of it waits for main memory. A prefetch waits for nothing: what was asked for early is there when
//! the call comes to it. It reads nothing either, so nothing but time depends on it.

use std::future::poll_fn;
use std::ops::Deref;
use std::pin::pin;

use prefetch_index::prefetch_index;

/// What a processor's cache fetches at once, in bytes.
const LINE: usize = 64;

/// The counts of an `Arc`, in bytes.
const COUNTS: usize = 2 * size_of::<usize>();

/// Asks for the beginning and the end of a piece; of a small one, two lines at most, that is all of it.
pub fn piece<T>(piece: &T) {
    let piece = std::slice::from_ref(piece);
    prefetch_index(piece, 0);
    prefetch_index(piece, 1);
}

/// Asks for one of several.
pub fn one_of<T>(pieces: &[T], index: usize) {
    prefetch_index(pieces, index);
}

/// Asks for a text. How many share it, if it is one that several do, lies right before it.
pub fn text(text: &[u8]) {
    lines(text, text.len());
}

/// What several share (`Arc`), and what can be asked for as a whole.
#[repr(C)]
pub struct Whole<T: ?Sized> {
    /// Where it begins.
    start: [u8; 0],
    piece: T,
}

impl<T> Whole<T> {
    pub fn new(piece: T) -> Self {
        Self { start: [], piece }
    }
}

impl<T: ?Sized> Whole<T> {
    /// Asks for all of it, and for what is before it in the same memory: how many share it, which whoever
    /// takes a share changes.
    pub fn ahead(&self) {
        prefetch_index(&self.start[..], 0_usize.wrapping_sub(COUNTS));
        lines(&self.start, size_of_val(&self.piece));
    }
}

impl<T: ?Sized> Deref for Whole<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.piece
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

/// `length` may be more than `from` has: a prefetch of what is not there does nothing.
fn lines(from: &[u8], length: usize) {
    for at in (0..length).step_by(LINE) {
        prefetch_index(from, at);
    }
    prefetch_index(from, length.saturating_sub(1));
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::Arc;
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
        let large = Arc::new(Whole::new([7_u8; 100]));
        assert!(std::ptr::addr_eq(&raw const *large, &raw const **large));
        large.ahead();
        for length in [0, 1, 100, 1 << 20] {
            lines(&large.start, length);
        }
        text(&[]);
        piece(&large);
        one_of(&**large, usize::MAX);
        assert_eq!(**large, [7; 100]);
        assert_eq!(size_of::<Whole<u64>>(), size_of::<u64>());
    }
}
