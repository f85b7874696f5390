//! A document as a row of nodes.

use std::cell::Cell;

use super::super::value::MAX_FRACTION;
use crate::domain::plain::plain_run;

/// The nodes of a document, each list and object before what is in it: a member is its name and
/// its value.
pub(super) struct Tape<'d>(Vec<Node<'d>>);

/// Bytes of a document that are a node.
const USUAL: usize = 8;

/// Where a node is.
pub(super) type At = usize;

#[derive(Clone, Copy)]
pub(super) enum Node<'d> {
    Null,
    Bool(bool),
    Int(isize),
    /// As it is written: a fraction, or more than the machine's integers.
    Number(&'d str),
    /// A text without escapes, which needs none.
    Text(&'d str),
    /// A text as it is written, with its quotes.
    Escaped(&'d str),
    List {
        length: u32,
        /// The node after its last.
        end: u32,
    },
    Object {
        length: u32,
        end: u32,
    },
}

impl<'d> Tape<'d> {
    /// Reads what `domain::json` has found sound. `None` where a name stands twice or has an escape,
    /// and for long fractions.
    pub(super) fn read(sound: &'d str) -> Option<Self> {
        let mut reader = Reader {
            text: sound,
            at: 0,
            nodes: Vec::with_capacity(sound.len() / USUAL),
            names: Vec::new(),
            last: Vec::new(),
        };
        reader.value()?;
        Some(Self(reader.nodes))
    }

    pub(super) fn node(&self, at: At) -> Option<Node<'d>> {
        self.0.get(at).copied()
    }

    /// The node after the one at a place and all that is in it.
    pub(super) fn after(&self, at: At) -> At {
        match self.0.get(at) {
            Some(Node::List { end, .. } | Node::Object { end, .. }) => *end as usize,
            _ => at + 1,
        }
    }

    /// The items of a list, or the values of an object.
    pub(super) fn values(&self, at: At) -> impl Iterator<Item = At> {
        let (length, name) = match self.0.get(at) {
            Some(Node::List { length, .. }) => (*length, 0),
            Some(Node::Object { length, .. }) => (*length, 1),
            _ => (0, 0),
        };
        let mut next = at + 1;
        (0..length).map(move |_| {
            let value = next + name;
            next = self.after(value);
            value
        })
    }

    /// The members of an object.
    pub(super) fn members(&self, at: At) -> impl Iterator<Item = (&'d str, At)> {
        self.values(at).filter_map(|value| {
            let name = value.checked_sub(1).and_then(|name| self.0.get(name));
            match name {
                Some(Node::Text(name)) => Some((*name, value)),
                _ => None,
            }
        })
    }

    /// The value of an object's member. Objects of one list mostly have the same names in the same
    /// order: it is looked for first where it was in the last one.
    pub(super) fn member(&self, at: At, name: &str, guess: &Cell<usize>) -> Option<At> {
        let Some(Node::Object { length, end }) = self.0.get(at) else {
            return None;
        };
        let (length, end) = (*length as usize, *end as usize);
        if end - at - 1 > 2 * length {
            // There are lists or objects in it.
            let mut members = self.members(at);
            return members.find_map(|(own, value)| (own == name).then_some(value));
        }
        let first = guess.get().min(length);
        let place = (first..length).chain(0..first).find(|place| {
            let own = self.0.get(at + 1 + 2 * place);
            matches!(own, Some(Node::Text(own)) if *own == name)
        })?;
        guess.set(place);
        Some(at + 2 + 2 * place)
    }
}

struct Reader<'d> {
    text: &'d str,
    at: usize,
    nodes: Vec<Node<'d>>,
    /// The names of the objects that are being read, the innermost's last.
    names: Vec<&'d str>,
    /// Those of the object that was read last, which are distinct.
    last: Vec<&'d str>,
}

impl<'d> Reader<'d> {
    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => {
                let text = self.quoted()?;
                self.nodes.push(text);
            }
            b'{' => self.object()?,
            b'[' => self.list()?,
            b'n' => self.word("null", Node::Null)?,
            b't' => self.word("true", Node::Bool(true))?,
            b'f' => self.word("false", Node::Bool(false))?,
            _ => self.number()?,
        }
        Some(())
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.text.as_bytes().get(self.at..)?;
        // Mostly there is no space at all.
        if let Some(byte) = rest.first().filter(|byte| **byte > b' ') {
            return Some(*byte);
        }
        let space = rest.iter().position(|byte| !byte.is_ascii_whitespace())?;
        self.at += space;
        rest.get(space).copied()
    }

    /// Goes past that byte, if it is the next.
    fn take(&mut self, byte: u8) -> Option<bool> {
        let is = self.peek()? == byte;
        self.at += usize::from(is);
        Some(is)
    }

    fn word(&mut self, word: &str, node: Node<'d>) -> Option<()> {
        self.at += word.len();
        self.nodes.push(node);
        Some(())
    }

    fn quoted(&mut self) -> Option<Node<'d>> {
        let begin = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut end = begin;
        let mut escaped = false;
        loop {
            end += plain_run(bytes.get(end..)?);
            match bytes.get(end)? {
                b'"' => break,
                b'\\' => {
                    escaped = true;
                    end += 2;
                }
                _ => end += 1,
            }
        }
        self.at = end + 1;
        Some(match escaped {
            false => Node::Text(self.text.get(begin..end)?),
            true => Node::Escaped(self.text.get(begin - 1..=end)?),
        })
    }

    fn number(&mut self) -> Option<()> {
        let rest = self.text.get(self.at..)?;
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
        let end = rest.bytes().position(|byte| !is_part(&byte));
        let text = rest.get(..end.unwrap_or(rest.len()))?;
        self.at += text.len();
        let node = match text.parse() {
            Ok(number) => Node::Int(number),
            Err(_) if text.len() <= MAX_FRACTION => Node::Number(text),
            Err(_) => return None,
        };
        self.nodes.push(node);
        Some(())
    }

    /// Leaves a place for a list or an object, which is known at its end.
    fn open(&mut self) -> At {
        self.at += 1;
        self.nodes.push(Node::Null);
        self.nodes.len() - 1
    }

    fn list(&mut self) -> Option<()> {
        let place = self.open();
        let mut length = 0;
        if !self.take(b']')? {
            loop {
                self.value()?;
                length += 1;
                if !self.take(b',')? {
                    break;
                }
            }
            self.take(b']')?;
        }
        let end = u32::try_from(self.nodes.len()).ok()?;
        *self.nodes.get_mut(place)? = Node::List { length, end };
        Some(())
    }

    fn object(&mut self) -> Option<()> {
        let place = self.open();
        let outer = self.names.len();
        if !self.take(b'}')? {
            loop {
                self.peek()?;
                let Node::Text(name) = self.quoted()? else {
                    return None;
                };
                self.names.push(name);
                self.nodes.push(Node::Text(name));
                self.take(b':')?;
                self.value()?;
                if !self.take(b',')? {
                    break;
                }
            }
            self.take(b'}')?;
        }
        let names = self.names.get_mut(outer..)?;
        let length = u32::try_from(names.len()).ok()?;
        if *names != *self.last {
            self.last.clear();
            self.last.extend_from_slice(names);
            if !distinct(names) {
                return None;
            }
        }
        self.names.truncate(outer);
        let end = u32::try_from(self.nodes.len()).ok()?;
        *self.nodes.get_mut(place)? = Node::Object { length, end };
        Some(())
    }
}

/// Whether no name stands twice.
fn distinct(names: &mut [&str]) -> bool {
    /// So many are compared each with each.
    const FEW: usize = 16;
    if names.len() > FEW {
        names.sort_unstable();
        return names.windows(2).all(|pair| pair.first() != pair.last());
    }
    let mut rest = &*names;
    while let Some((name, others)) = rest.split_first() {
        if others.contains(name) {
            return false;
        }
        rest = others;
    }
    true
}
