//! What programs work on: the library's JSON values, with their work counted and their levels
//! bounded.
//!
//! Each value knows a bound of how many levels it has. Whatever would have more ends the program:
//! values are read, compared and dropped by recursion.

mod access;
mod arithmetic;
mod order;

use std::fmt;

use jaq_core::{Error, ValR, ValT};
use jaq_json::{Map, Num, Val};
use serde_json::Value as Json;

use super::budget::{exhaust, spend, spend_bytes};
use super::text::{self, Unwritable};

/// What a parsed document may have, twice: a program may wrap what it was given.
const MAX_LEVELS: u16 = 200;
/// What documents are checked for before they are parsed.
const DOCUMENT_LEVELS: u16 = 101;
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

    /// Reads JSON that `domain::json` has found sound; anything else is `null`.
    pub fn parse(sound: &str) -> Self {
        let json = jaq_json::read::parse_single(sound.as_bytes());
        Self::of(json.unwrap_or_default(), DOCUMENT_LEVELS)
    }

    /// The same as a value that templates take.
    pub fn to_json(&self) -> Result<Json, Unwritable> {
        serde_json::from_slice(&self.to_bytes()?).map_err(|_| Unwritable)
    }

    /// The same as text.
    pub fn to_text(&self) -> Result<String, Unwritable> {
        String::from_utf8(self.to_bytes()?).map_err(|_| Unwritable)
    }

    fn to_bytes(&self) -> Result<Vec<u8>, Unwritable> {
        let mut out = Vec::new();
        text::write(&self.json, &mut out)?;
        Ok(out)
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
            Val::TStr(bytes) => std::str::from_utf8(bytes).ok(),
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

    fn of(json: Val, levels: u16) -> Self {
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

    /// What kind of value it is, for messages: never the value itself.
    fn kind(&self) -> &'static str {
        match &self.json {
            Val::Null => "null",
            Val::Bool(_) => "a boolean",
            Val::Num(_) => "a number",
            Val::BStr(_) | Val::TStr(_) => "a text",
            Val::Arr(_) => "a list",
            Val::Obj(_) => "an object",
        }
    }
}

impl Clone for Value {
    fn clone(&self) -> Self {
        spend(1);
        Self::of(self.json.clone(), self.levels)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        Self::of(plain(json), DOCUMENT_LEVELS)
    }
}

fn plain(json: &Json) -> Val {
    match json {
        Json::Null => Val::Null,
        Json::Bool(flag) => Val::Bool(*flag),
        Json::Number(number) => {
            let number = Value::from_num(&number.to_string());
            number.map_or(Val::Null, |number| number.json)
        }
        Json::String(text) => Val::utf8_str(text.clone().into_bytes()),
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(members) => {
            let member = |(name, value): (&String, &Json)| {
                (Val::utf8_str(name.clone().into_bytes()), plain(value))
            };
            Val::obj(members.iter().map(member).collect::<Map>())
        }
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
        if !matches!(name.json, Val::TStr(_)) {
            return Err(Error::typ(name, "a name in an object; names are texts"));
        }
        levels = value.levels.max(levels);
        map.insert(name.json, value.json);
    }
    Ok(Value::around(Val::obj(map), levels))
}
