//! JSON of strangers: whether every client can read it, before it becomes a part of an answer.
//!
//! What a lenient parser lets pass breaks the whole answer in a strict one: text that is no
//! Unicode, half a surrogate pair, a number beyond all range, nesting without end.
//!
//! Every answer of an upstream passes here, and nothing is made of it: so it is read by its grammar
//! (RFC 8259, sections 2 to 7) and not by a parser that makes values, which took half as many
//! instructions more. The tests compare it with such a one.

use super::plain::plain_run;

/// Deeper documents are refused: common parsers stop at 128 levels, and the answer has its own.
const MAX_DEPTH: usize = 100;

/// JSON's own white space: a form feed is none.
const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// So many digits before the point are within the range of numbers, whatever they are.
const SAFE_DIGITS: usize = 300;

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
    let (text, _) = sound_within(bytes, usize::MAX).ok()?;
    Some(text)
}

/// The same of a document with at most so many values, and how many it has. A member's name is one:
/// what counts is the room that they take.
pub fn sound_within(bytes: &[u8], most: usize) -> Result<(&str, usize), Unsound> {
    let text = text(bytes).ok_or(Unsound::Malformed)?;
    let mut reader = Reader {
        bytes: text.as_bytes(),
        at: 0,
        left: most,
    };
    reader.value(0)?;
    match reader.at == text.len() {
        true => Ok((text, most - reader.left)),
        false => Err(Unsound::Malformed),
    }
}

fn text(bytes: &[u8]) -> Option<&str> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    Some(std::str::from_utf8(bytes).ok()?.trim_matches(SPACE))
}

/// A place in a document, which is UTF-8.
struct Reader<'t> {
    bytes: &'t [u8],
    at: usize,
    /// How many values there may be still.
    left: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<(), Unsound> {
        match self.peek() {
            Some(b'{') => return self.object(depth),
            Some(b'[') => return self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word(b"true"),
            Some(b'f') => self.word(b"false"),
            Some(b'n') => self.word(b"null"),
            _ => Err(Unsound::Malformed),
        }?;
        self.count()
    }

    fn count(&mut self) -> Result<(), Unsound> {
        self.left = self.left.checked_sub(1).ok_or(Unsound::TooMany)?;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// The next byte that is no white space.
    fn next_sign(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
        self.peek()
    }

    fn take(&mut self, sign: u8) -> Result<(), Unsound> {
        match self.next_sign() == Some(sign) {
            true => {
                self.at += 1;
                Ok(())
            }
            false => Err(Unsound::Malformed),
        }
    }

    fn word(&mut self, word: &[u8]) -> Result<(), Unsound> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        self.at += word.len();
        rest.starts_with(word)
            .then_some(())
            .ok_or(Unsound::Malformed)
    }

    fn array(&mut self, depth: usize) -> Result<(), Unsound> {
        self.items(depth, b']', |reader| reader.value(depth + 1))
    }

    fn object(&mut self, depth: usize) -> Result<(), Unsound> {
        self.items(depth, b'}', |reader| {
            match reader.peek() {
                Some(b'"') => reader.string()?,
                _ => return Err(Unsound::Malformed),
            }
            reader.count()?;
            reader.take(b':')?;
            reader.next_sign();
            reader.value(depth + 1)
        })
    }

    /// What is between brackets, with commas between.
    fn items(
        &mut self,
        depth: usize,
        end: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Unsound>,
    ) -> Result<(), Unsound> {
        self.count()?;
        if depth == MAX_DEPTH {
            return Err(Unsound::Malformed);
        }
        self.at += 1;
        if self.next_sign() == Some(end) {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.next_sign();
            item(self)?;
            match self.next_sign() {
                Some(b',') => self.at += 1,
                _ => return self.take(end),
            }
        }
    }

    /// At its first quote.
    fn string(&mut self) -> Result<(), Unsound> {
        self.at += 1;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let length = plain_run(rest);
            self.at += length + 1;
            match rest.get(length) {
                Some(b'"') => return Ok(()),
                Some(b'\\') => self.escape()?,
                _ => return Err(Unsound::Malformed),
            }
        }
    }

    /// After its backslash.
    fn escape(&mut self) -> Result<(), Unsound> {
        let kind = self.peek();
        self.at += 1;
        match kind {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => match self.unit()? {
                // The first half of a pair; the other has to follow.
                0xd800..=0xdbff => {
                    self.word(b"\\u")?;
                    let other = self.unit()?;
                    let paired = (0xdc00..=0xdfff).contains(&other);
                    paired.then_some(()).ok_or(Unsound::Malformed)
                }
                0xdc00..=0xdfff => Err(Unsound::Malformed),
                _ => Ok(()),
            },
            _ => Err(Unsound::Malformed),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u32, Unsound> {
        let digits = self.bytes.get(self.at..self.at + 4);
        self.at += 4;
        let digit = |value: u32, byte: &u8| Some(value << 4 | char::from(*byte).to_digit(16)?);
        let value = digits.and_then(|digits| digits.iter().try_fold(0, digit));
        value.ok_or(Unsound::Malformed)
    }

    fn number(&mut self) -> Result<(), Unsound> {
        let begin = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let leading_zero = self.peek() == Some(b'0');
        let whole = self.digits()?;
        if leading_zero && whole > 1 {
            return Err(Unsound::Malformed);
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        let has_exponent = matches!(self.peek(), Some(b'e' | b'E'));
        if has_exponent {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        match has_exponent || whole > SAFE_DIGITS {
            true => self.is_in_range(begin),
            false => Ok(()),
        }
    }

    /// How many digits there are: one at least.
    fn digits(&mut self) -> Result<usize, Unsound> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        match count {
            0 => Err(Unsound::Malformed),
            count => Ok(count),
        }
    }

    /// Whether a strict parser takes the number from there on to here for one within its range.
    fn is_in_range(&self, begin: usize) -> Result<(), Unsound> {
        let number = self.bytes.get(begin..self.at).unwrap_or_default();
        let read = serde_json::from_slice::<f64>(number).map(drop);
        read.map_err(|_| Unsound::Malformed)
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
        assert_eq!(sound_within(b"[1,2,]", 3), Err(Unsound::Malformed));
        assert_eq!(sound_within(b"<html>", 0), Err(Unsound::Malformed));
    }

    #[test]
    fn numbers_have_their_grammar_and_their_range() {
        let long = "9".repeat(308);
        let longer = "9".repeat(310);
        for (text, is) in [
            ("0", true),
            ("-0", true),
            ("01", false),
            ("-", false),
            ("+1", false),
            (".5", false),
            ("1.", false),
            ("1.5e", false),
            ("1e+05", true),
            ("1E-999", true),
            ("1.7976931348623157e308", true),
            ("1.8e308", false),
            ("-1e400", false),
            (&long, true),
            (&longer, false),
            ("0x1", false),
            ("1 2", false),
        ] {
            assert_eq!(sound(text.as_bytes()).is_some(), is, "{text}");
            assert_eq!(serde_json::from_str::<Value>(text).is_ok(), is, "{text}");
        }
    }

    /// Documents, some of them with a byte changed.
    fn documents() -> impl Strategy<Value = Vec<u8>> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        let value = leaf.prop_recursive(6, 64, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::vec((any::<String>(), inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        });
        let change = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
        (value, any::<bool>(), change).prop_map(|(value, pretty, change)| {
            let text = match pretty {
                true => serde_json::to_vec_pretty(&value),
                false => serde_json::to_vec(&value),
            };
            let mut text = text.unwrap();
            if let Some((at, byte)) = change {
                let at = at.index(text.len());
                text[at] = byte;
            }
            text
        })
    }

    proptest! {
        #[test]
        fn documents_are_sound_as_a_strict_parser_finds_them(bytes in documents()) {
            let strict = serde_json::from_slice::<Value>(&bytes);
            prop_assert_eq!(sound(&bytes).is_some(), strict.is_ok(), "{:?}", strict);
        }

        #[test]
        fn what_is_sound_is_json_for_a_strict_parser(bytes in "[\\[\\]{}:,\"\\\\udDe0-9.+ \\-]{0,24}") {
            let strict = serde_json::from_str::<Value>(&bytes);
            prop_assert_eq!(sound(bytes.as_bytes()).is_some(), strict.is_ok());
        }
    }
}
