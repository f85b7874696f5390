//! What terms come to.

use std::cmp::Ordering;
use std::rc::Rc;

use jaq_json::{Num, Val};

use super::super::budget::units;
use super::super::value::{Kind, place_in};
use super::Beyond;
use super::run::{Result, Run};
use super::tape::{At, Node};
use super::term::{Constant, Name};

/// So many members are looked at for a unit of work.
const LOOKED_AT: usize = 8;

/// A value: of the document, of the program, of a variable, or made.
#[derive(Clone)]
pub(super) enum Item<'a> {
    Null,
    Bool(bool),
    Int(isize),
    /// As it is written in the document.
    Number(&'a str),
    /// A text that needs no escapes.
    Plain(&'a str),
    Text(&'a str),
    Made(Rc<str>),
    /// A list or an object of the document.
    Node(At),
    List(Rc<[Self]>),
    Object(Rc<[(&'a str, Self)]>),
    /// A list or an object of a variable.
    Val(&'a Val),
}

impl<'a> Item<'a> {
    /// A node of the document.
    pub(super) fn of(run: &Run<'a>, at: At) -> Result<Self> {
        Ok(match run.tape.node(at).ok_or(Beyond)? {
            Node::Null => Self::Null,
            Node::Bool(flag) => Self::Bool(flag),
            Node::Int(number) => Self::Int(number),
            Node::Number(text) => Self::Number(text),
            Node::Text(text) => Self::Plain(text),
            Node::Escaped(quoted) => {
                run.spend_bytes(quoted.len())?;
                Self::made(unescaped(quoted)?)
            }
            Node::List { .. } | Node::Object { .. } => Self::Node(at),
        })
    }

    pub(super) fn constant(constant: &'a Constant) -> Self {
        match constant {
            Constant::Null => Self::Null,
            Constant::Bool(flag) => Self::Bool(*flag),
            Constant::Int(number) => Self::Int(*number),
            Constant::Text(text) => Self::Text(text),
        }
    }

    /// A variable, or a part of one.
    pub(super) fn variable(value: &'a Val) -> Result<Self> {
        Ok(match value {
            Val::Null => Self::Null,
            Val::Bool(flag) => Self::Bool(*flag),
            Val::Num(Num::Int(number)) => Self::Int(*number),
            Val::TStr(bytes) => Self::Text(std::str::from_utf8(bytes).map_err(|_| Beyond)?),
            Val::Arr(_) | Val::Obj(_) => Self::Val(value),
            Val::Num(_) | Val::BStr(_) => return Err(Beyond),
        })
    }

    pub(super) fn made(text: String) -> Self {
        Self::Made(text.into())
    }

    pub(super) fn kind(&self, run: &Run<'a>) -> Kind {
        match self {
            Self::Null => Kind::Null,
            Self::Bool(_) => Kind::Boolean,
            Self::Int(_) | Self::Number(_) => Kind::Number,
            Self::Plain(_) | Self::Text(_) | Self::Made(_) => Kind::Text,
            Self::List(_) => Kind::List,
            Self::Object(_) => Kind::Object,
            Self::Val(value) => Kind::of(value),
            Self::Node(at) => match run.tape.node(*at) {
                Some(Node::List { .. }) => Kind::List,
                _ => Kind::Object,
            },
        }
    }

    /// Neither `false` nor `null`.
    pub(super) fn is_true(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Plain(text) | Self::Text(text) => Some(text),
            Self::Made(text) => Some(text),
            _ => None,
        }
    }

    /// How many items or members it has, and for `null` none.
    pub(super) fn members(&self, run: &Run<'a>) -> Result<usize> {
        Ok(match self {
            Self::Null => 0,
            Self::List(items) => items.len(),
            Self::Object(members) => members.len(),
            Self::Val(Val::Arr(items)) => items.len(),
            Self::Val(Val::Obj(members)) => members.len(),
            Self::Node(at) => match run.tape.node(*at) {
                Some(Node::List { length, .. } | Node::Object { length, .. }) => length as usize,
                _ => return Err(Beyond),
            },
            _ => return Err(Beyond),
        })
    }

    /// `.name`
    pub(super) fn member(&self, run: &Run<'a>, name: &Name) -> Result<Self> {
        if let Self::Node(at) = self {
            return match node_member(run, *at, name)? {
                Some(value) => Self::of(run, value),
                None => Ok(Self::Null),
            };
        }
        let name = name.text.as_str();
        match self {
            Self::Null => Ok(Self::Null),
            Self::Object(members) => {
                look(run, members.len(), name)?;
                let member = members.iter().find(|(own, _)| *own == name);
                Ok(member.map_or(Self::Null, |(_, value)| value.clone()))
            }
            Self::Val(Val::Obj(members)) => {
                look(run, members.len(), name)?;
                let is = |key: &Val| matches!(key, Val::TStr(own) if **own == name.as_bytes());
                let member = members.iter().find(|(key, _)| is(key));
                member.map_or(Ok(Self::Null), |(_, value)| Self::variable(value))
            }
            _ => Err(Beyond),
        }
    }

    /// `.[place]`, from the end where it is negative.
    pub(super) fn place(&self, run: &Run<'a>, place: isize) -> Result<Self> {
        if matches!(self, Self::Null) {
            return Ok(Self::Null);
        }
        if self.kind(run) != Kind::List {
            return Err(Beyond);
        }
        let length = self.members(run)?;
        let Some(place) = place_in(length, place) else {
            return Ok(Self::Null);
        };
        match self {
            Self::List(items) => items.get(place).cloned().ok_or(Beyond),
            Self::Val(Val::Arr(items)) => Self::variable(items.get(place).ok_or(Beyond)?),
            Self::Node(at) => {
                run.spend(place / LOOKED_AT)?;
                Self::of(run, run.tape.values(*at).nth(place).ok_or(Beyond)?)
            }
            _ => Err(Beyond),
        }
    }

    /// As jq orders values; lists and objects only where one is empty.
    pub(super) fn compare(&self, run: &Run<'a>, other: &Self) -> Result<Ordering> {
        let (left, right) = (self.kind(run), other.kind(run));
        if left != right {
            return Ok(left.cmp(&right));
        }
        match (self, other) {
            (Self::Null, Self::Null) => Ok(Ordering::Equal),
            (Self::Bool(left), Self::Bool(right)) => Ok(left.cmp(right)),
            (Self::Int(left), Self::Int(right)) => Ok(left.cmp(right)),
            _ => match (self.as_text(), other.as_text()) {
                (Some(left), Some(right)) => {
                    run.spend_bytes(left.len().min(right.len()))?;
                    Ok(left.cmp(right))
                }
                _ if left >= Kind::List => {
                    let (left, right) = (self.members(run)?, other.members(run)?);
                    match left == 0 || right == 0 {
                        true => Ok(left.cmp(&right)),
                        false => Err(Beyond),
                    }
                }
                _ => Err(Beyond),
            },
        }
    }
}

/// `.name` of an object of the document.
pub(super) fn node_member(run: &Run<'_>, at: At, name: &Name) -> Result<Option<At>> {
    let Some(Node::Object { length, .. }) = run.tape.node(at) else {
        return Err(Beyond);
    };
    look(run, length as usize, &name.text)?;
    Ok(run.tape.member(at, &name.text, run.guess(name)?))
}

/// Counts looking for a name among so many members.
fn look(run: &Run<'_>, members: usize, name: &str) -> Result<()> {
    run.spend((1 + members / LOOKED_AT) * units(name.len()))
}

/// The content of a text that is written with escapes.
pub(super) fn unescaped(quoted: &str) -> Result<String> {
    serde_json::from_str(quoted).map_err(|_| Beyond)
}
