//! A gzip stream that unpacks to about 159 times its size, written by hand so that neither a
//! compressor nor the unpacked bytes are needed (RFC 1951, section 3.2.6; RFC 1952).
//!
//! After one literal, every token says "258 bytes, from one byte back" in 13 bits: the length code
//! 285 as 11000101 and the distance code 0 as 00000. Thirteen bytes hold eight such tokens, so the
//! bit pattern repeats every thirteen bytes. The stream ends without a trailer.

use std::io;

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt};

const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
const RUN: u64 = 258;
const TOKENS_PER_PERIOD: u64 = 8;
/// Periods per chunk of the response body.
const PERIODS: usize = 1024;
/// The block head (final, fixed codes) and the literal `x` (0x78) as 10101000, in stream order.
const OPENING: &[u8] = b"11010101000";
const TOKEN: &[u8] = b"1100010100000";

/// The opening and the start of the first token: two whole bytes.
const OPENING_BITS: usize = 16;

/// A gzip body that unpacks to at least `unpacked` bytes of `x`.
pub fn gzip(unpacked: u64) -> impl Stream<Item = io::Result<Bytes>> {
    let bits = || OPENING.iter().chain(TOKEN.iter().cycle());
    let opening = [GZIP_HEAD.to_vec(), packed(bits().take(OPENING_BITS))].concat();
    let period = packed(bits().skip(OPENING_BITS).take(TOKEN.len() * 8));
    let chunk = Bytes::from(period.repeat(PERIODS));
    let chunks = unpacked / (RUN * TOKENS_PER_PERIOD * PERIODS as u64) + 1;
    let chunks = usize::try_from(chunks).unwrap_or(usize::MAX);
    let body = stream::iter(std::iter::repeat_n(chunk, chunks));
    stream::iter([Bytes::from(opening)]).chain(body).map(Ok)
}

/// Packs bits, the first into the lowest place of the first byte.
fn packed<'a>(bits: impl Iterator<Item = &'a u8>) -> Vec<u8> {
    let bits: Vec<bool> = bits.map(|bit| *bit == b'1').collect();
    let byte = |eight: &[bool]| {
        eight
            .iter()
            .rev()
            .fold(0, |byte, bit| byte << 1 | u8::from(*bit))
    };
    bits.chunks(8).map(byte).collect()
}

#[cfg(test)]
mod tests {
    use super::{OPENING, OPENING_BITS, TOKEN, packed};

    /// Python's `zlib` unpacks these bytes to `x` 1 + 258 n times.
    #[test]
    fn the_bits_are_in_stream_order() {
        let bits = || OPENING.iter().chain(TOKEN.iter().cycle());
        assert_eq!(packed(bits().take(OPENING_BITS)), [0xab, 0x18]);
        assert_eq!(
            packed(bits().skip(OPENING_BITS).take(TOKEN.len() * 8)).len(),
            TOKEN.len()
        );
    }
}
