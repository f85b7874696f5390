//! How much of a text stands for itself in a JSON string (RFC 8259, section 7): all but quotes,
//! backslashes and control characters. Eight bytes at a time, because every byte that goes through the
//! gateway is asked, and asked twice.

const ONES: u64 = u64::MAX / 0xff;
const HIGH: u64 = ONES << 7;

/// How many bytes from the beginning stand for themselves.
pub fn plain_run(bytes: &[u8]) -> usize {
    let (eights, rest) = bytes.as_chunks::<8>();
    for (at, eight) in eights.iter().enumerate() {
        let run = plain_of_eight(eight);
        if run < 8 {
            return 8 * at + run;
        }
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
    let run = rest.iter().position(is_special).unwrap_or(rest.len());
    8 * eights.len() + run
}

/// The same of eight bytes: 8 when all of them do.
pub fn plain_of_eight(eight: &[u8; 8]) -> usize {
    let bytes = u64::from_le_bytes(*eight);
    // The high bit of every byte that is less than one below 0x80, up to the first such byte; what is
    // carried beyond it matters no more.
    let below = |bytes: u64, bound: u8| bytes.wrapping_sub(ONES * u64::from(bound)) & !bytes & HIGH;
    let quote = below(bytes ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(bytes ^ (ONES * u64::from(b'\\')), 1);
    let control = below(bytes, 0x20);
    (quote | backslash | control).trailing_zeros() as usize / 8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_run_ends_before_the_first_byte_that_is_escaped(
            bytes in prop::collection::vec(prop_oneof![
                any::<u8>(), Just(b'"'), Just(b'\\'), 0x1e_u8..0x24, 0x5a_u8..0x5e, 0x7e_u8..0x82, 0xfd_u8..=0xff,
            ], 0..40),
        ) {
            let first = bytes.iter().position(|byte| b"\"\\".contains(byte) || *byte < 0x20);
            prop_assert_eq!(plain_run(&bytes), first.unwrap_or(bytes.len()));
        }
    }
}
