//! Writing what a program comes to, where it can without making it first.

use std::io::Write as _;

use jaq_json::Val;

use super::super::text::{self, MAX_ANSWER, MAX_LEVELS};
use super::Beyond;
use super::item::{Item, node_member, unescaped};
use super::run::{Result, Run};
use super::tape::{At, Node};
use super::term::Term;

impl<'a> Run<'a> {
    /// What the program comes to, as text.
    pub(super) fn text(&self, term: &'a Term) -> Result<String> {
        let mut out = Out {
            run: self,
            bytes: Vec::with_capacity(self.tape.bytes().min(MAX_ANSWER)),
        };
        out.term(term, &self.document()?, 0)?;
        // What was written last is not looked at before.
        out.fits(0)?;
        String::from_utf8(out.bytes).map_err(|_| Beyond)
    }
}

struct Out<'r, 'a> {
    run: &'r Run<'a>,
    bytes: Vec<u8>,
}

impl<'a> Out<'_, 'a> {
    /// What a term comes to that comes to one value.
    fn term(&mut self, term: &'a Term, input: &Item<'a>, level: usize) -> Result<()> {
        let run = self.run;
        if let (Term::Member { of, name, .. }, Item::Node(at)) = (term, input)
            && matches!(**of, Term::Input)
        {
            // The most frequent of all: nothing is made for it.
            return match node_member(run, *at, name)? {
                Some(value) => self.node(value, level),
                None => self.item(&Item::Null, level),
            };
        }
        run.deeper()?;
        match term {
            Term::Object(entries) => {
                run.spend(1)?;
                self.open(b'{', level)?;
                for (at, entry) in entries.iter().enumerate() {
                    self.comma(at > 0);
                    self.bytes.extend(entry.written.as_bytes());
                    self.term(&entry.value, input, level + 1)?;
                }
                self.bytes.push(b'}');
            }
            Term::List(Some(items)) => {
                run.spend(1)?;
                self.open(b'[', level)?;
                let begin = self.bytes.len();
                self.items(items, input, level + 1, begin)?;
                self.bytes.push(b']');
            }
            Term::Pipe(left, right) => self.term(right, &run.one(left, input)?, level)?,
            Term::Bind { value, slot, then } => {
                let value = run.one(value, input)?;
                run.put(*slot, value)?;
                self.term(then, input, level)?;
            }
            Term::If { .. } => self.term(run.branch(term, input)?, input, level)?,
            Term::Else(first, otherwise) => match run.first_true(first, input)? {
                Some(first) => self.item(&first, level)?,
                None => self.term(otherwise, input, level)?,
            },
            term => self.item(&run.one(term, input)?, level)?,
        }
        run.shallower();
        Ok(())
    }

    /// All that a term comes to, with commas between; the list's items begin at a byte.
    fn items(
        &mut self,
        term: &'a Term,
        input: &Item<'a>,
        level: usize,
        begin: usize,
    ) -> Result<()> {
        let run = self.run;
        run.deeper()?;
        match term {
            Term::Object(_) | Term::List(_) => {
                self.comma(self.bytes.len() > begin);
                self.term(term, input, level)
            }
            Term::Pipe(left, right) => run.each(left, input, &mut |left| {
                self.items(right, &left, level, begin)
            }),
            Term::Bind { value, slot, then } => run.each(value, input, &mut |value| {
                run.put(*slot, value)?;
                self.items(then, input, level, begin)
            }),
            Term::If { .. } => self.items(run.branch(term, input)?, input, level, begin),
            term => run.each(term, input, &mut |item| {
                self.comma(self.bytes.len() > begin);
                self.item(&item, level)
            }),
        }?;
        run.shallower();
        Ok(())
    }

    fn comma(&mut self, is_needed: bool) {
        if is_needed {
            self.bytes.push(b',');
        }
    }

    /// Begins a list or an object.
    fn open(&mut self, bracket: u8, level: usize) -> Result<()> {
        if level >= MAX_LEVELS {
            return Err(Beyond);
        }
        self.bytes.push(bracket);
        Ok(())
    }

    /// Whether so many more bytes are not too many.
    fn fits(&self, more: usize) -> Result<()> {
        let fits = self.bytes.len() + more <= MAX_ANSWER;
        fits.then_some(()).ok_or(Beyond)
    }

    fn item(&mut self, item: &Item<'a>, level: usize) -> Result<()> {
        self.fits(0)?;
        self.run.spend(1)?;
        match item {
            Item::Null => self.bytes.extend(b"null"),
            Item::Bool(true) => self.bytes.extend(b"true"),
            Item::Bool(false) => self.bytes.extend(b"false"),
            // Writing to memory does not fail.
            Item::Int(number) => drop(write!(self.bytes, "{number}")),
            Item::Number(written) => self.bytes.extend(written.as_bytes()),
            Item::Plain(text) => self.plain(text)?,
            Item::Text(text) => self.escaped(text)?,
            Item::Made(text) => self.escaped(text)?,
            Item::Node(at) => self.node(*at, level).map(drop)?,
            Item::List(items) => {
                self.open(b'[', level)?;
                for (at, item) in items.iter().enumerate() {
                    self.comma(at > 0);
                    self.item(item, level + 1)?;
                }
                self.bytes.push(b']');
            }
            Item::Object(members) => {
                self.open(b'{', level)?;
                for (at, (name, value)) in members.iter().enumerate() {
                    self.comma(at > 0);
                    self.escaped(name)?;
                    self.bytes.push(b':');
                    self.item(value, level + 1)?;
                }
                self.bytes.push(b'}');
            }
            Item::Val(value) => self.value(value, level)?,
        }
        Ok(())
    }

    fn value(&mut self, value: &Val, level: usize) -> Result<()> {
        let before = self.bytes.len();
        text::level(value, &mut self.bytes, MAX_ANSWER, level).map_err(|_| Beyond)?;
        self.run.spend_bytes(self.bytes.len() - before)
    }

    /// A node with what is in it.
    fn node(&mut self, at: At, level: usize) -> Result<()> {
        self.fits(0)?;
        self.run.spend(1)?;
        let tape = self.run.tape;
        match tape.node(at).ok_or(Beyond)? {
            Node::List { .. } => {
                self.open(b'[', level)?;
                for (index, value) in tape.values(at).enumerate() {
                    self.comma(index > 0);
                    self.node(value, level + 1)?;
                }
                self.bytes.push(b']');
            }
            Node::Object { .. } => {
                self.open(b'{', level)?;
                for (index, (name, value)) in tape.members(at).enumerate() {
                    self.comma(index > 0);
                    self.plain(name)?;
                    self.bytes.push(b':');
                    self.node(value, level + 1)?;
                }
                self.bytes.push(b'}');
            }
            Node::Text(text) => self.plain(text)?,
            Node::Escaped(quoted) => self.escaped(&unescaped(quoted)?)?,
            _ => self.item(&Item::of(self.run, at)?, level)?,
        }
        Ok(())
    }

    /// A text that needs no escapes.
    fn plain(&mut self, text: &str) -> Result<()> {
        self.fits(text.len())?;
        self.run.spend_bytes(text.len())?;
        self.bytes.push(b'"');
        self.bytes.extend(text.as_bytes());
        self.bytes.push(b'"');
        Ok(())
    }

    fn escaped(&mut self, text: &str) -> Result<()> {
        self.fits(text.len())?;
        let before = self.bytes.len();
        serde_json::to_writer(&mut self.bytes, text).map_err(|_| Beyond)?;
        self.run.spend_bytes(self.bytes.len() - before)
    }
}
