//! The texts of a token's headers, one after the other: tokens are long, and profiles may send one in several
//! headers.

use std::ops::Range;

use bytes::Bytes;
use zeroize::Zeroizing;

/// Texts that are gathered; what one of them has is no other's again.
pub(super) struct HeaderTexts(Zeroizing<Vec<u8>>);

/// A text and what is left of its room. Wiped when nobody has it any more.
struct Room<const SIZE: usize>(Zeroizing<[u8; SIZE]>);

/// A text for which no room is large enough.
struct Large(Zeroizing<Vec<u8>>);

impl HeaderTexts {
    /// There will be no more than so many bytes.
    pub(super) fn with_capacity(most: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(most)))
    }

    /// Where the text is.
    pub(super) fn add(&mut self, text: &[u8]) -> Range<usize> {
        let mut parts = self.0.windows(text.len().max(1));
        let start = match parts.position(|part| part == text) {
            Some(start) => start,
            None => {
                self.0.extend_from_slice(text);
                self.0.len() - text.len()
            }
        };
        start..start + text.len()
    }

    /// All of them, as many share them: how many do lies beside them, so that a call which takes a share comes to one
    /// piece of memory. With those eight bytes the sizes are what the allocator hands out anyway.
    pub(super) fn share(self) -> Bytes {
        let text = &*self.0;
        macro_rules! smallest_of {
            ($($size:literal)*) => {
                $(if text.len() <= $size {
                    return in_room::<$size>(text);
                })*
            };
        }
        smallest_of!(120 248 312 376 440 504 632 760 888 1016 1272 1528 1784 2040 2552 3064 3576 4088);
        Bytes::from_owner(Large(self.0))
    }
}

fn in_room<const SIZE: usize>(text: &[u8]) -> Bytes {
    let mut room = Room(Zeroizing::new([0; SIZE]));
    room.0[..text.len()].copy_from_slice(text);
    Bytes::from_owner(room).slice(..text.len())
}

impl<const SIZE: usize> AsRef<[u8]> for Room<SIZE> {
    fn as_ref(&self) -> &[u8] {
        &*self.0
    }
}

impl AsRef<[u8]> for Large {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_shared_as_they_are() {
        for length in (0..5_000).chain([1 << 16]) {
            let text: Vec<u8> = (0..length).map(|at| b'a' + (at % 23) as u8).collect();
            let mut texts = HeaderTexts::with_capacity(length);
            assert_eq!(texts.add(&text), 0..length);
            assert_eq!(texts.add(&text[length / 2..]).len(), length - length / 2);
            let shared = texts.share();
            assert_eq!(shared[..length], text);
            assert_eq!(shared.len(), length, "nothing is in it twice");
        }
    }
}
