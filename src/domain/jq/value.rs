//! What programs work on: the library's JSON values, with their work counted and their levels
//! bounded.
//!
//! Each value knows a bound of how many levels it has. Whatever would have more ends the program:
//! values are read, compared and dropped by recursion.

mod access;
mod arithmetic;
mod kind;
mod order;
mod read;

use std::fmt;

use jaq_core::{Error, ValR, ValT};
use jaq_json::{Map, Num, Val};
use serde_json::Value as Json;

use super::budget::{exhaust, spend, spend_bytes};
use super::text::{self, Unwritable};
pub(super) use access::place_in;
pub(super) use kind::Kind;
pub(super) use read::MAX_FRACTION;

/// What a parsed document may have, twice: a program may wrap what it was given.
const MAX_LEVELS: u16 = 200;
/// An object's member costs more than a list's item.
const MEMBER: usize = 4;

/// JSON. No `Debug`: it may be patient data.
pub struct Value {
    json: Val,
    /// At most so many levels.
    levels: u16,
}

impl Value {
    pub fn null() -> Self {
        Self::flat(Val::Null)
    }

    /// The same as a value that templates take, which is small: a tree takes many times the room
    /// of its text.
    pub fn to_json(&self) -> Result<Json, Unwritable> {
        let text = self.written(text::MAX_REQUEST)?;
        serde_json::from_slice(&text).map_err(|_| Unwritable)
    }

    /// The same as text.
    pub fn to_text(&self) -> Result<String, Unwritable> {
        String::from_utf8(self.written(text::MAX_ANSWER)?).map_err(|_| Unwritable)
    }

    fn written(&self, most: usize) -> Result<Vec<u8>, Unwritable> {
        let mut out = Vec::new();
        text::write(&self.json, &mut out, most)?;
        Ok(out)
    }

    pub(super) fn json(&self) -> &Val {
        &self.json
    }

    /// Neither `false` nor `null`.
    pub fn is_true(&self) -> bool {
        self.as_bool()
    }

    pub fn is_null(&self) -> bool {
        matches!(self.json, Val::Null)
    }

    /// A text's content.
    pub fn as_str(&self) -> Option<&str> {
        match &self.json {
            Val::TStr(bytes) => {
                spend_bytes(bytes.len());
                std::str::from_utf8(bytes).ok()
            }
            _ => None,
        }
    }

    /// The content of a text of at most so many bytes; a longer one is not looked at.
    pub(super) fn as_short_str(&self, longest: usize) -> Option<&str> {
        match &self.json {
            Val::TStr(bytes) if bytes.len() <= longest => std::str::from_utf8(bytes).ok(),
            _ => None,
        }
    }

    /// A text, or a number as it is written.
    pub fn name(&self) -> Option<String> {
        match &self.json {
            Val::TStr(_) => self.as_str().map(str::to_owned),
            Val::Num(_) => self.to_text().ok(),
            _ => None,
        }
    }

    /// A list's items.
    pub fn items(&self) -> Option<Vec<Self>> {
        let Val::Arr(items) = &self.json else {
            return None;
        };
        let item = |item: &Val| Self::of(item.clone(), self.levels.saturating_sub(1));
        Some(items.iter().map(item).collect())
    }

    /// An object of these members, in this order.
    pub fn object<'a>(members: impl IntoIterator<Item = (&'a str, Self)>) -> Self {
        let mut levels = 0;
        let members = members.into_iter().map(|(name, value)| {
            levels = value.levels.max(levels);
            (Val::utf8_str(name.as_bytes().to_vec()), value.json)
        });
        let members = members.collect();
        Self::of(Val::obj(members), levels.saturating_add(1))
    }

    /// Every value of a program is made here.
    fn of(json: Val, levels: u16) -> Self {
        spend(1);
        Self { json, levels }
    }

    fn flat(json: Val) -> Self {
        Self::of(json, 0)
    }

    /// A value around others of so many levels.
    fn around(json: Val, levels: u16) -> Self {
        if levels >= MAX_LEVELS {
            exhaust();
        }
        Self::of(json, levels + 1)
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        Self::of(self.json.clone(), self.levels)
    }
}

/// What kind of value it is, for messages: never the value itself.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Kind::of(&self.json).name())
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::flat(Val::Bool(flag))
    }
}

impl From<isize> for Value {
    fn from(number: isize) -> Self {
        Self::flat(Val::Num(Num::Int(number)))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::flat(Val::from(number))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::flat(Val::Num(Num::Float(number)))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        spend_bytes(text.len());
        Self::flat(Val::utf8_str(text.into_bytes()))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

/// Needed for paths as values, which no program can ask for.
impl From<jaq_core::val::Range<Self>> for Value {
    fn from(_: jaq_core::val::Range<Self>) -> Self {
        Self::null()
    }
}

impl FromIterator<Self> for Value {
    fn from_iter<T: IntoIterator<Item = Self>>(items: T) -> Self {
        let mut levels = 0;
        let items = items.into_iter().map(|item| {
            spend(1);
            levels = item.levels.max(levels);
            item.json
        });
        let items = items.collect();
        Self::around(items, levels)
    }
}

/// An object out of members, whose names have to be texts.
fn object(members: impl IntoIterator<Item = (Value, Value)>) -> ValR<Value> {
    let mut levels = 0;
    let mut map = Map::default();
    for (name, value) in members {
        spend(MEMBER);
        let Val::TStr(bytes) = &name.json else {
            return Err(Error::typ(name, "a name in an object; names are texts"));
        };
        spend_bytes(bytes.len());
        levels = value.levels.max(levels);
        map.insert(name.json, value.json);
    }
    Ok(Value::around(Val::obj(map), levels))
}
