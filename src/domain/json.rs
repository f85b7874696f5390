//! JSON of strangers: whether every client can read it, before it becomes a part of an answer.
//!
//! What a lenient parser lets pass breaks the whole answer in a strict one: text that is no
//! Unicode, half a surrogate pair, a number beyond all range, nesting without end.
//!
//! Every answer of an upstream passes here, and mostly nothing is made of it: so it is read by its
//! grammar (RFC 8259, sections 2 to 7) and not by a parser that makes values, which took half as
//! many instructions more. The tests compare it with such a parser. Whoever makes something of a
//! document gets its [`Parts`] in the same pass.

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

/// What is made of a document while it is read, from its parts in their order. It is worth
/// something only when the whole document has been found sound.
pub trait Parts<'t> {
    fn null(&mut self) {}
    fn bool(&mut self, _flag: bool) {}
    fn number(&mut self, _written: &'t str) {}
    fn text(&mut self, _text: Quoted<'t>) {}
    /// What begins from here on is in a list or an object, until it ends.
    fn open(&mut self) {}
    /// The next value of the object is the member of this name.
    fn name(&mut self, _name: Quoted<'t>) {}
    fn end_list(&mut self, _length: usize) {}
    fn end_object(&mut self, _length: usize) {}
}

/// Nothing.
impl Parts<'_> for () {}

/// A text of a document.
pub enum Quoted<'t> {
    /// What is between its quotes: it has no escapes, and needs none.
    Plain(&'t str),
    /// As it is written, quotes and all.
    Escaped(&'t str),
}

/// The document as text, without the byte order mark that RFC 8259 (section 8.1) lets parsers
/// ignore; `None` when it is no JSON or none that every client can read.
pub fn sound(bytes: &[u8]) -> Option<&str> {
    let (text, _) = read(bytes, usize::MAX, &mut ()).ok()?;
    Some(text)
}

/// The same of a document with at most so many values, and how many it has. A member's name is one:
/// what counts is the room that they take.
pub fn read<'t>(
    bytes: &'t [u8],
    most: usize,
    parts: &mut impl Parts<'t>,
) -> Result<(&'t str, usize), Unsound> {
    let text = text(bytes).ok_or(Unsound::Malformed)?;
    let mut reader = Reader {
        text,
        at: 0,
        left: most,
        parts,
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

/// A place in a document.
struct Reader<'t, 'p, P> {
    text: &'t str,
    at: usize,
    /// How many values there may be still.
    left: usize,
    parts: &'p mut P,
}

impl<'t, P: Parts<'t>> Reader<'t, '_, P> {
    fn value(&mut self, depth: usize) -> Result<(), Unsound> {
        match self.peek() {
            Some(b'{') => return self.object(depth),
            Some(b'[') => return self.array(depth),
            Some(b'"') => {
                let text = self.string()?;
                self.parts.text(text);
            }
            Some(b'-' | b'0'..=b'9') => {
                let number = self.number()?;
                self.parts.number(number);
            }
            Some(b't') => {
                self.word(b"true")?;
                self.parts.bool(true);
            }
            Some(b'f') => {
                self.word(b"false")?;
                self.parts.bool(false);
            }
            Some(b'n') => {
                self.word(b"null")?;
                self.parts.null();
            }
            _ => return Err(Unsound::Malformed),
        }
        self.count()
    }

    fn count(&mut self) -> Result<(), Unsound> {
        self.left = self.left.checked_sub(1).ok_or(Unsound::TooMany)?;
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &'t [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// What was read from there on.
    fn since(&self, begin: usize) -> &'t str {
        self.text.get(begin..self.at).unwrap_or_default()
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
        let is = self.rest().starts_with(word);
        self.at += word.len();
        is.then_some(()).ok_or(Unsound::Malformed)
    }

    fn array(&mut self, depth: usize) -> Result<(), Unsound> {
        let length = self.items(depth, b']', |reader| reader.value(depth + 1))?;
        self.parts.end_list(length);
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<(), Unsound> {
        let length = self.items(depth, b'}', |reader| {
            if reader.peek() != Some(b'"') {
                return Err(Unsound::Malformed);
            }
            let name = reader.string()?;
            reader.parts.name(name);
            reader.count()?;
            reader.take(b':')?;
            reader.next_sign();
            reader.value(depth + 1)
        })?;
        self.parts.end_object(length);
        Ok(())
    }

    /// What is between brackets, with commas between; how many there are.
    fn items(
        &mut self,
        depth: usize,
        end: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), Unsound>,
    ) -> Result<usize, Unsound> {
        self.count()?;
        if depth == MAX_DEPTH {
            return Err(Unsound::Malformed);
        }
        self.at += 1;
        self.parts.open();
        if self.next_sign() == Some(end) {
            self.at += 1;
            return Ok(0);
        }
        let mut length = 0;
        loop {
            self.next_sign();
            item(self)?;
            length += 1;
            match self.next_sign() {
                Some(b',') => self.at += 1,
                _ => break,
            }
        }
        self.take(end)?;
        Ok(length)
    }

    /// At its first quote.
    fn string(&mut self) -> Result<Quoted<'t>, Unsound> {
        let begin = self.at;
        let mut is_plain = true;
        self.at += 1;
        loop {
            let rest = self.rest();
            let length = plain_run(rest);
            self.at += length;
            match rest.get(length) {
                Some(b'"') => break,
                Some(b'\\') => {
                    is_plain = false;
                    self.at += 1;
                    self.escape()?;
                }
                _ => return Err(Unsound::Malformed),
            }
        }
        let text = self.since(begin + 1);
        self.at += 1;
        Ok(match is_plain {
            true => Quoted::Plain(text),
            false => Quoted::Escaped(self.since(begin)),
        })
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
        let digits = self.rest().first_chunk::<4>();
        self.at += 4;
        let digit = |value: u32, byte: &u8| Some(value << 4 | char::from(*byte).to_digit(16)?);
        let value = digits.and_then(|digits| digits.iter().try_fold(0, digit));
        value.ok_or(Unsound::Malformed)
    }

    fn number(&mut self) -> Result<&'t str, Unsound> {
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
        let number = self.since(begin);
        if has_exponent || whole > SAFE_DIGITS {
            // Whether a strict parser takes it for one within its range.
            let read = serde_json::from_str::<f64>(number);
            read.map_err(|_| Unsound::Malformed)?;
        }
        Ok(number)
    }

    /// How many digits there are: one at least.
    fn digits(&mut self) -> Result<usize, Unsound> {
        let rest = self.rest().iter();
        let count = rest.take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        match count {
            0 => Err(Unsound::Malformed),
            count => Ok(count),
        }
    }
}

#[cfg(test)]
mod tests;
