//! A document as a row of nodes.

use std::cell::Cell;

use super::super::value::MAX_FRACTION;
use crate::domain::json::{Parts, Quoted};

/// The nodes of a document, each list and object before what is in it: a member is its name and
/// its value.
pub struct Tape<'d>(Vec<Node<'d>>);

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
        /// Objects of the same have the same names in the same order.
        shape: u32,
    },
}

/// Where a name was found last: in which shape, and at which place.
#[derive(Clone, Default)]
pub(super) struct Guess(Cell<Option<(u32, usize)>>);

impl<'d> Tape<'d> {
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
    /// order: then it is where it was in the last one.
    pub(super) fn member(&self, at: At, name: &str, guess: &Guess) -> Option<At> {
        let Some(Node::Object { length, end, shape }) = self.0.get(at) else {
            return None;
        };
        let length = *length as usize;
        if *end as usize - at - 1 > 2 * length {
            // There are lists or objects in it.
            let mut members = self.members(at);
            return members.find_map(|(own, value)| (own == name).then_some(value));
        }
        let place = match guess.0.get() {
            Some((last, place)) if last == *shape => place,
            _ => {
                let is =
                    |own: Option<&Node<'_>>| matches!(own, Some(Node::Text(own)) if *own == name);
                let place = (0..length).find(|place| is(self.0.get(at + 1 + 2 * place)))?;
                guess.0.set(Some((*shape, place)));
                place
            }
        };
        Some(at + 2 + 2 * place)
    }

    /// About as many bytes as the document had.
    pub(super) fn bytes(&self) -> usize {
        self.0.len() * USUAL
    }
}

/// Makes a tape of a document while it is checked: `None` where a name stands twice or has an escape,
/// and for long fractions.
pub struct TapeRecorder<'d>(Option<Recording<'d>>);

struct Recording<'d> {
    nodes: Vec<Node<'d>>,
    /// Where the lists and objects are that are being read, the innermost last.
    open: Vec<At>,
    /// The names of these objects.
    names: Vec<&'d str>,
    /// Those of the object that was read last, which are distinct.
    last: Vec<&'d str>,
    /// Its shape.
    shape: u32,
}

impl<'d> TapeRecorder<'d> {
    /// For a document of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Some(Recording {
            nodes: Vec::with_capacity(bytes / USUAL),
            open: Vec::new(),
            names: Vec::new(),
            last: Vec::new(),
            shape: 0,
        }))
    }

    /// The tape, once the document was found sound.
    pub fn tape(self) -> Option<Tape<'d>> {
        let recording = self.0?;
        let is_whole = recording.open.is_empty();
        is_whole.then_some(Tape(recording.nodes))
    }

    fn push(&mut self, node: Node<'d>) {
        if let Some(recording) = &mut self.0 {
            recording.nodes.push(node);
        }
    }

    /// Nothing more is recorded after what makes no tape.
    fn record(&mut self, part: impl FnOnce(&mut Recording<'d>) -> Option<()>) {
        if self.0.as_mut().is_some_and(|to| part(to).is_none()) {
            self.0 = None;
        }
    }
}

impl<'d> Parts<'d> for TapeRecorder<'d> {
    fn null(&mut self) {
        self.push(Node::Null);
    }

    fn bool(&mut self, flag: bool) {
        self.push(Node::Bool(flag));
    }

    fn number(&mut self, written: &'d str) {
        self.record(|to| {
            to.nodes.push(match written.parse() {
                Ok(number) => Node::Int(number),
                Err(_) if written.len() <= MAX_FRACTION => Node::Number(written),
                Err(_) => return None,
            });
            Some(())
        });
    }

    fn text(&mut self, text: Quoted<'d>) {
        self.push(match text {
            Quoted::Plain(text) => Node::Text(text),
            Quoted::Escaped(quoted) => Node::Escaped(quoted),
        });
    }

    fn open(&mut self) {
        self.record(|to| {
            to.open.push(to.nodes.len());
            // Its place: what it is, is known at its end.
            to.nodes.push(Node::Null);
            Some(())
        });
    }

    fn name(&mut self, name: Quoted<'d>) {
        self.record(|to| {
            let Quoted::Plain(name) = name else {
                return None;
            };
            to.names.push(name);
            to.nodes.push(Node::Text(name));
            Some(())
        });
    }

    fn end_list(&mut self, length: usize) {
        self.record(|to| to.close(length, |length, end| Node::List { length, end }));
    }

    fn end_object(&mut self, length: usize) {
        self.record(|to| {
            let shape = to.end_names(length)?;
            to.close(length, |length, end| Node::Object { length, end, shape })
        });
    }
}

impl<'d> Recording<'d> {
    fn close(&mut self, length: usize, node: impl FnOnce(u32, u32) -> Node<'d>) -> Option<()> {
        let place = self.open.pop()?;
        let length = u32::try_from(length).ok()?;
        let end = u32::try_from(self.nodes.len()).ok()?;
        *self.nodes.get_mut(place)? = node(length, end);
        Some(())
    }

    /// The names of the innermost object, which ends: those of its lists and objects are gone.
    fn end_names(&mut self, length: usize) -> Option<u32> {
        let first = self.names.len().checked_sub(length)?;
        let names = self.names.get_mut(first..)?;
        if *names != *self.last {
            self.last.clear();
            self.last.extend_from_slice(names);
            if !distinct(names) {
                return None;
            }
            self.shape += 1;
        }
        self.names.truncate(first);
        Some(self.shape)
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
