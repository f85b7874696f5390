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
    },
}

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

/// Makes a tape of a document while it is checked. `domain::jq` reads no text twice.
pub struct Recorder<'d> {
    nodes: Vec<Node<'d>>,
    /// The lists and objects that are being read, the innermost last: where each is, and how many
    /// names there were before.
    open: Vec<(At, usize)>,
    /// The names of these objects.
    names: Vec<&'d str>,
    /// Those of the object that was read last, which are distinct.
    last: Vec<&'d str>,
    is_beyond: bool,
}

impl<'d> Recorder<'d> {
    /// For a document of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self {
            nodes: Vec::with_capacity(bytes / USUAL),
            open: Vec::new(),
            names: Vec::new(),
            last: Vec::new(),
            is_beyond: false,
        }
    }

    /// The tape of a document that was found sound. `None` where a name stands twice or has an
    /// escape, and for long fractions.
    pub fn tape(self) -> Option<Tape<'d>> {
        (!self.is_beyond).then_some(Tape(self.nodes))
    }

    /// Puts a list or an object where its place was left; it has the names from its first one on.
    fn close(&mut self, node: impl FnOnce(u32) -> Node<'d>) -> Option<()> {
        let (place, first) = self.open.pop()?;
        let names = self.names.get_mut(first..)?;
        if *names != *self.last && !names.is_empty() {
            self.last.clear();
            self.last.extend_from_slice(names);
            if !distinct(names) {
                return None;
            }
        }
        self.names.truncate(first);
        let end = u32::try_from(self.nodes.len()).ok()?;
        *self.nodes.get_mut(place)? = node(end);
        Some(())
    }
}

impl<'d> Parts<'d> for Recorder<'d> {
    fn null(&mut self) {
        self.nodes.push(Node::Null);
    }

    fn bool(&mut self, flag: bool) {
        self.nodes.push(Node::Bool(flag));
    }

    fn number(&mut self, written: &'d str) {
        let node = written.parse().map_or(Node::Number(written), Node::Int);
        let is_long = matches!(node, Node::Number(_)) && written.len() > MAX_FRACTION;
        self.is_beyond |= is_long;
        self.nodes.push(node);
    }

    fn text(&mut self, text: Quoted<'d>) {
        self.nodes.push(match text {
            Quoted::Plain(text) => Node::Text(text),
            Quoted::Escaped(quoted) => Node::Escaped(quoted),
        });
    }

    fn open(&mut self) {
        self.open.push((self.nodes.len(), self.names.len()));
        self.nodes.push(Node::Null);
    }

    fn name(&mut self, name: Quoted<'d>) {
        match name {
            Quoted::Plain(name) => {
                self.names.push(name);
                self.nodes.push(Node::Text(name));
            }
            Quoted::Escaped(_) => self.is_beyond = true,
        }
    }

    fn end_list(&mut self, length: usize) {
        let length = u32::try_from(length).ok();
        let closed = length.and_then(|length| self.close(|end| Node::List { length, end }));
        self.is_beyond |= closed.is_none();
    }

    fn end_object(&mut self, length: usize) {
        let length = u32::try_from(length).ok();
        let closed = length.and_then(|length| self.close(|end| Node::Object { length, end }));
        self.is_beyond |= closed.is_none();
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
