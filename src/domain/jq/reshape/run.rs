//! Running terms.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;

use jaq_json::Val;

use super::super::Variables;
use super::super::budget::units;
use super::super::value::Kind;
use super::Beyond;
use super::compile::Compiled;
use super::item::Item;
use super::tape::{Guess, Tape};
use super::term::{Entry, Function, Name, Term};

/// A program that is run on a document.
pub(super) struct Run<'a> {
    pub(super) tape: &'a Tape<'a>,
    slots: RefCell<Vec<Item<'a>>>,
    /// Where each name was found last.
    guesses: Vec<Guess>,
    /// The work that it may do.
    left: Cell<u64>,
    depth: Cell<usize>,
}

/// Terms that are being run at once: each takes some of the stack. What follows a term is run while
/// that is, for each of its values.
const MAX_DEPTH: usize = 200;

pub(super) type Result<T> = std::result::Result<T, Beyond>;

/// Gets each value that a term comes to.
pub(super) type Then<'t, 'a> = &'t mut dyn FnMut(Item<'a>) -> Result<()>;

impl<'a> Run<'a> {
    pub(super) fn new(
        tape: &'a Tape<'a>,
        variables: Option<&'a Variables>,
        program: &Compiled,
        work: u64,
    ) -> Result<Self> {
        let given = variables.into_iter().flat_map(Variables::all);
        let given = given.map(|value| Item::variable(value.json()));
        let mut all: Vec<_> = given.collect::<Result<_>>()?;
        all.resize(program.slots, Item::Null);
        Ok(Self {
            tape,
            slots: RefCell::new(all),
            guesses: vec![Guess::default(); program.names],
            left: Cell::new(work),
            depth: Cell::new(0),
        })
    }

    pub(super) fn left(&self) -> u64 {
        self.left.get()
    }

    pub(super) fn guess(&self, name: &Name) -> Result<&Guess> {
        self.guesses.get(name.number).ok_or(Beyond)
    }

    pub(super) fn document(&self) -> Result<Item<'a>> {
        Item::of(self, 0)
    }

    pub(super) fn spend(&self, units: usize) -> Result<()> {
        let left = self.left.get().checked_sub(units as u64);
        self.left.set(left.ok_or(Beyond)?);
        Ok(())
    }

    pub(super) fn spend_bytes(&self, bytes: usize) -> Result<()> {
        self.spend(units(bytes))
    }

    /// A term begins. Where one fails, all end.
    pub(super) fn deeper(&self) -> Result<()> {
        let depth = self.depth.get() + 1;
        self.depth.set(depth);
        (depth <= MAX_DEPTH).then_some(()).ok_or(Beyond)
    }

    pub(super) fn shallower(&self) {
        self.depth.set(self.depth.get() - 1);
    }

    pub(super) fn put(&self, slot: usize, value: Item<'a>) -> Result<()> {
        let mut slots = self.slots.borrow_mut();
        *slots.get_mut(slot).ok_or(Beyond)? = value;
        Ok(())
    }

    /// What a term comes to that comes to one value.
    pub(super) fn one(&self, term: &'a Term, input: &Item<'a>) -> Result<Item<'a>> {
        self.spend(1)?;
        self.deeper()?;
        let value = match term {
            Term::Input => input.clone(),
            Term::Constant(constant) => Item::constant(constant),
            Term::Slot(slot) => self.slots.borrow().get(*slot).cloned().ok_or(Beyond)?,
            Term::Member { of, name, .. } => match &**of {
                // The most frequent of all terms: nothing is copied for it.
                Term::Input => input.member(self, name)?,
                of => self.one(of, input)?.member(self, name)?,
            },
            Term::Place(of, place) => self.one(of, input)?.place(self, *place)?,
            Term::Object(entries) => {
                let entry =
                    |entry: &'a Entry| Ok((entry.name.as_str(), self.one(&entry.value, input)?));
                Item::Object(entries.iter().map(entry).collect::<Result<_>>()?)
            }
            Term::List(items) => {
                let mut list = Vec::new();
                if let Some(items) = items {
                    self.each(items, input, &mut |item| {
                        list.push(item);
                        Ok(())
                    })?;
                }
                Item::List(list.into())
            }
            Term::Pipe(left, right) => self.one(right, &self.one(left, input)?)?,
            Term::Bind { value, slot, then } => {
                let value = self.one(value, input)?;
                self.put(*slot, value)?;
                self.one(then, input)?
            }
            Term::Else(first, otherwise) => match self.first_true(first, input)? {
                Some(first) => first,
                None => self.one(otherwise, input)?,
            },
            Term::Logic {
                left,
                decides,
                right,
            } => {
                let decided = self.one(left, input)?.is_true() == *decides;
                Item::Bool(match decided {
                    true => *decides,
                    false => self.one(right, input)?.is_true(),
                })
            }
            Term::Compare(left, compare, right) => {
                let (left, right) = (self.one(left, input)?, self.one(right, input)?);
                let order = left.compare(self, &right)?;
                Item::Bool(compare.run(&order, &std::cmp::Ordering::Equal))
            }
            Term::Add(left, right) => {
                let left = self.one(left, input)?;
                self.add(left, self.one(right, input)?)?
            }
            Term::If { .. } => self.one(self.branch(term, input)?, input)?,
            Term::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    self.push(&mut text, &self.one(part, input)?)?;
                }
                Item::made(text)
            }
            Term::Function(function) => self.function(*function, input)?,
            Term::Join(between) => self.join(input, &self.one(between, input)?)?,
            Term::Values { .. } | Term::Comma(..) | Term::OfKind(_) | Term::Nothing => {
                return Err(Beyond);
            }
        };
        self.shallower();
        Ok(value)
    }

    /// All that a term comes to, one after the other.
    pub(super) fn each(&self, term: &'a Term, input: &Item<'a>, then: Then<'_, 'a>) -> Result<()> {
        self.spend(1)?;
        self.deeper()?;
        match term {
            Term::Member { of, name, optional } => self.each(of, input, &mut |of| {
                let fits = matches!(of, Item::Null) || of.kind(self) == Kind::Object;
                match fits || !optional {
                    true => then(of.member(self, name)?),
                    false => Ok(()),
                }
            }),
            Term::Place(of, place) => self.each(of, input, &mut |of| then(of.place(self, *place)?)),
            Term::Values { of, optional } => self.each(of, input, &mut |of| {
                let fits = of.kind(self) >= Kind::List;
                match fits || !optional {
                    true => self.values(&of, then),
                    false => Ok(()),
                }
            }),
            Term::Pipe(left, right) => {
                self.each(left, input, &mut |left| self.each(right, &left, then))
            }
            Term::Bind {
                value,
                slot,
                then: body,
            } => self.each(value, input, &mut |value| {
                self.put(*slot, value)?;
                self.each(body, input, then)
            }),
            Term::Comma(left, right) => {
                self.each(left, input, then)?;
                self.each(right, input, then)
            }
            Term::Else(first, otherwise) => {
                let mut any = false;
                self.each(first, input, &mut |item| match item.is_true() {
                    true => {
                        any = true;
                        then(item)
                    }
                    false => Ok(()),
                })?;
                match any {
                    true => Ok(()),
                    false => self.each(otherwise, input, then),
                }
            }
            Term::If { .. } => self.each(self.branch(term, input)?, input, then),
            Term::OfKind(kind) if input.kind(self) == *kind => then(input.clone()),
            Term::OfKind(_) | Term::Nothing => Ok(()),
            term => then(self.one(term, input)?),
        }?;
        self.shallower();
        Ok(())
    }

    /// The branch of an `if` that is taken.
    pub(super) fn branch(&self, term: &'a Term, input: &Item<'a>) -> Result<&'a Term> {
        match term {
            Term::If {
                condition,
                then,
                otherwise,
            } => match self.one(condition, input)?.is_true() {
                true => Ok(then),
                false => Ok(otherwise),
            },
            _ => Err(Beyond),
        }
    }

    /// Of a term that comes to at most one value, that value if it is true.
    pub(super) fn first_true(&self, term: &'a Term, input: &Item<'a>) -> Result<Option<Item<'a>>> {
        let mut found = None;
        self.each(term, input, &mut |item| {
            if item.is_true() {
                found = Some(item);
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The items of a list, or the values of an object.
    pub(super) fn values(&self, of: &Item<'a>, then: Then<'_, 'a>) -> Result<()> {
        self.spend(of.members(self)?)?;
        match of {
            Item::Node(at) => {
                let mut values = self.tape.values(*at);
                values.try_for_each(|at| then(Item::of(self, at)?))
            }
            Item::List(items) => items.iter().try_for_each(|item| then(item.clone())),
            Item::Object(members) => {
                let mut members = members.iter();
                members.try_for_each(|(_, value)| then(value.clone()))
            }
            Item::Val(Val::Arr(items)) => items
                .iter()
                .try_for_each(|item| then(Item::variable(item)?)),
            Item::Val(Val::Obj(members)) => {
                let mut values = members.values();
                values.try_for_each(|value| then(Item::variable(value)?))
            }
            _ => Err(Beyond),
        }
    }

    fn add(&self, left: Item<'a>, right: Item<'a>) -> Result<Item<'a>> {
        Ok(match (left, right) {
            // With `null`, too, a number beyond the machine's becomes an approximate one.
            (Item::Number(_), _) | (_, Item::Number(_)) => return Err(Beyond),
            (Item::Null, other) | (other, Item::Null) => other,
            (Item::Int(left), Item::Int(right)) => {
                Item::Int(left.checked_add(right).ok_or(Beyond)?)
            }
            (left, right) => {
                let (left, right) = left.as_text().zip(right.as_text()).ok_or(Beyond)?;
                self.spend_bytes(left.len() + right.len())?;
                Item::made([left, right].concat())
            }
        })
    }

    fn function(&self, function: Function, input: &Item<'a>) -> Result<Item<'a>> {
        Ok(match function {
            Function::Not => Item::Bool(!input.is_true()),
            Function::Type => Item::Plain(input.kind(self).type_name()),
            Function::Length => {
                let length = match input.as_text() {
                    Some(text) => {
                        self.spend_bytes(text.len())?;
                        text.chars().count()
                    }
                    None => input.members(self)?,
                };
                Item::Int(isize::try_from(length).map_err(|_| Beyond)?)
            }
            Function::ToString if input.as_text().is_some() => input.clone(),
            Function::ToString => {
                let mut text = String::new();
                self.push(&mut text, input)?;
                Item::made(text)
            }
        })
    }

    fn join(&self, list: &Item<'a>, between: &Item<'a>) -> Result<Item<'a>> {
        if list.kind(self) != Kind::List {
            return Err(Beyond);
        }
        let between = between.as_text().ok_or(Beyond)?;
        let mut text = String::new();
        let mut is_first = true;
        self.values(list, &mut |item| {
            if !std::mem::take(&mut is_first) {
                self.spend_bytes(between.len())?;
                text.push_str(between);
            }
            match item {
                Item::Null => Ok(()),
                item => self.push(&mut text, &item),
            }
        })?;
        Ok(Item::made(text))
    }

    /// Appends a value as text: a text as it is, others as they are written.
    fn push(&self, text: &mut String, item: &Item<'a>) -> Result<()> {
        let before = text.len();
        match item {
            Item::Null => text.push_str("null"),
            Item::Bool(flag) => text.push_str(if *flag { "true" } else { "false" }),
            // Writing to memory does not fail.
            Item::Int(number) => drop(write!(text, "{number}")),
            Item::Number(written) => text.push_str(written),
            item => text.push_str(item.as_text().ok_or(Beyond)?),
        }
        self.spend_bytes(text.len() - before)
    }
}
