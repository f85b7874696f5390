//! What a program that only chooses and arranges is made of.

use jaq_core::ops::Cmp;

use super::super::value::Kind;

/// What the terms of a program are run on is an input each, like the interpreter's.
pub(super) enum Term {
    Input,
    Constant(Constant),
    Slot(usize),
    /// `of.name`
    Member {
        of: Box<Self>,
        name: Name,
        /// Nothing, where it is no object: `of.name?`
        optional: bool,
    },
    /// `of[place]`
    Place(Box<Self>, isize),
    /// `of[]`, or `of[]?`
    Values {
        of: Box<Self>,
        optional: bool,
    },
    Object(Vec<Entry>),
    List(Option<Box<Self>>),
    Pipe(Box<Self>, Box<Self>),
    /// `value as $slot | then`
    Bind {
        value: Box<Self>,
        slot: usize,
        then: Box<Self>,
    },
    Comma(Box<Self>, Box<Self>),
    /// `first // otherwise`
    Else(Box<Self>, Box<Self>),
    /// `and`, which is decided by a `false` on its left, and `or`
    Logic {
        left: Box<Self>,
        decides: bool,
        right: Box<Self>,
    },
    Compare(Box<Self>, Cmp, Box<Self>),
    Add(Box<Self>, Box<Self>),
    If {
        condition: Box<Self>,
        then: Box<Self>,
        otherwise: Box<Self>,
    },
    /// Text with values in it.
    Text(Vec<Self>),
    Function(Function),
    /// `join`, with what stands between.
    Join(Box<Self>),
    /// The input, if it is of that kind.
    OfKind(Kind),
    Nothing,
}

/// A member that is looked for.
pub(super) struct Name {
    pub(super) text: String,
    /// Of all of them in the program.
    pub(super) number: usize,
}

pub(super) enum Constant {
    Null,
    Bool(bool),
    Int(isize),
    Text(String),
}

/// A member that is made.
pub(super) struct Entry {
    pub(super) name: String,
    /// As it is written: quoted, with a colon.
    pub(super) written: String,
    pub(super) value: Term,
}

/// Of the input.
#[derive(Clone, Copy)]
pub(super) enum Function {
    Length,
    Not,
    ToString,
    Type,
}

/// How many values a term comes to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outputs {
    One,
    OneOrNone,
    Any,
}

impl Term {
    fn outputs(&self) -> Outputs {
        match self {
            Self::Input
            | Self::Constant(_)
            | Self::Slot(_)
            | Self::Object(_)
            | Self::List(_)
            | Self::Logic { .. }
            | Self::Compare(..)
            | Self::Add(..)
            | Self::Text(_)
            | Self::Function(_)
            | Self::Join(_) => Outputs::One,
            Self::OfKind(_) | Self::Nothing => Outputs::OneOrNone,
            Self::Values { .. } | Self::Comma(..) => Outputs::Any,
            Self::Place(of, _) => of.outputs(),
            Self::Member { of, optional, .. } => match optional {
                true => of.outputs().max(Outputs::OneOrNone),
                false => of.outputs(),
            },
            Self::Pipe(left, right) => left.outputs().max(right.outputs()),
            Self::Bind { value, then, .. } => value.outputs().max(then.outputs()),
            Self::Else(first, otherwise) => match (first.outputs(), otherwise.outputs()) {
                (Outputs::Any, _) => Outputs::Any,
                (_, outputs) => outputs,
            },
            Self::If {
                then, otherwise, ..
            } => then.outputs().max(otherwise.outputs()),
        }
    }

    /// Whether it comes to exactly one value.
    pub(super) fn is_one(&self) -> bool {
        self.outputs() == Outputs::One
    }

    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Constant(Constant::Text(text.into()))
    }

    pub(super) fn bool(flag: bool) -> Self {
        Self::Constant(Constant::Bool(flag))
    }
}
