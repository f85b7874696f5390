//! JSON of strangers: whether every client can read it, before it becomes a part of an answer.
//!
//! What a lenient parser lets pass breaks the whole answer in a strict one: text that is no
//! Unicode, half a surrogate pair, a number beyond all range, nesting without end.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// Deeper documents are refused: common parsers stop at 128 levels, and the answer has its own.
const MAX_DEPTH: usize = 100;

/// JSON's own white space: a form feed is none.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// What a document is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsound {
    /// JSON, or JSON that every client can read.
    Malformed,
    /// Of few enough values.
    TooMany,
}

/// The document as text, without the byte order mark that RFC 8259 (section 8.1) lets parsers
/// ignore; `None` when it is no JSON or none that every client can read.
pub fn sound(bytes: &[u8]) -> Option<&str> {
    let text = text(bytes)?;
    let uncounted = Cell::new(None);
    read::<false>(text, &uncounted).ok()?;
    Some(text)
}

/// The same of a document with at most so many values, and how many it has. A member's name is one:
/// what counts is the room that they take.
pub fn sound_within(bytes: &[u8], most: usize) -> Result<(&str, usize), Unsound> {
    let text = text(bytes).ok_or(Unsound::Malformed)?;
    let left = Cell::new(Some(most));
    let read = read::<true>(text, &left);
    match (left.get(), read) {
        (None, _) => Err(Unsound::TooMany),
        (Some(_), Err(_)) => Err(Unsound::Malformed),
        (Some(left), Ok(())) => Ok((text, most - left)),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    Some(std::str::from_utf8(bytes).ok()?.trim_matches(SPACE))
}

fn read<const COUNTED: bool>(text: &str, left: &Cell<Option<usize>>) -> serde_json::Result<()> {
    let mut parser = serde_json::Deserializer::from_str(text);
    let top = Level::<COUNTED> { depth: 0, left };
    top.deserialize(&mut parser)?;
    parser.end()
}

/// A value at this depth, read and forgotten.
#[derive(Clone, Copy)]
struct Level<'c, const COUNTED: bool> {
    depth: usize,
    /// How many values there may be still.
    left: &'c Cell<Option<usize>>,
}

impl<const COUNTED: bool> Level<'_, COUNTED> {
    fn below<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom("nested too deeply"));
        }
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }

    fn count<E: Error>(self) -> Result<(), E> {
        if !COUNTED {
            return Ok(());
        }
        let left = self.left.get().and_then(|left| left.checked_sub(1));
        self.left.set(left);
        match left {
            Some(_) => Ok(()),
            None => Err(E::custom("too many values")),
        }
    }
}

impl<'de, const COUNTED: bool> DeserializeSeed<'de> for Level<'_, COUNTED> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, const COUNTED: bool> Visitor<'de> for Level<'_, COUNTED> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.count()
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<(), E> {
        self.count()
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<(), E> {
        self.count()
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.count()
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        self.count()
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.count()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.count()?;
        let below = self.below()?;
        while items.next_element_seed(below)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.count()?;
        let below = self.below()?;
        while entries.next_key_seed(below)?.is_some() {
            entries.next_value_seed(below)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn nested(depth: usize) -> String {
        "[".repeat(depth) + &"]".repeat(depth)
    }

    #[test]
    fn what_every_client_can_read_passes_unchanged() {
        for text in [
            "null",
            "\"\\ud83d\\ude00\"",
            "{\"a\":1,\"a\":2}",
            "18446744073709551616",
            "-0.1e-300",
            &nested(MAX_DEPTH),
        ] {
            assert_eq!(sound(text.as_bytes()), Some(text));
        }
        assert_eq!(sound(b"\xef\xbb\xbf [1] \r\n"), Some("[1]"));
    }

    #[test]
    fn what_some_client_could_not_read_does_not() {
        let deep = nested(MAX_DEPTH + 1);
        let deepest = "[".repeat(1 << 20);
        for bytes in [
            b"".as_slice(),
            b"{\"a\":1} x",
            b"{\"a\": \xff\xfe}",
            b"\"\\ud800\"",
            b"\"\\ud800\\u0041\"",
            b"\"\\udc00\"",
            b"\"a\x00b\"",
            b"1e999",
            b"NaN",
            b"[1",
            b"\x0c1\x0c",
            b"\xef\xbb\xbf\xef\xbb\xbf[1]",
            b"\xff\xfe[\0",
            deep.as_bytes(),
            deepest.as_bytes(),
        ] {
            assert_eq!(sound(bytes), None, "{:?}", &bytes[..bytes.len().min(20)]);
        }
    }

    #[test]
    fn values_and_names_are_counted() {
        let text = r#" {"a": [1, "b", {}], "c": {"d": null}} "#;
        assert_eq!(sound_within(text.as_bytes(), 10), Ok((text.trim(), 10)));
        assert_eq!(sound_within(text.as_bytes(), 9), Err(Unsound::TooMany));
        assert_eq!(sound_within(b"[1,", 9), Err(Unsound::Malformed));
    }

    proptest! {
        #[test]
        fn what_is_sound_is_json_for_a_strict_parser(bytes in "[\\[\\]{}:,\"\\\\udDe0-9.+ \\-]{0,24}") {
            let strict = serde_json::from_str::<Value>(&bytes);
            prop_assert_eq!(sound(bytes.as_bytes()).is_some(), strict.is_ok());
        }
    }
}
