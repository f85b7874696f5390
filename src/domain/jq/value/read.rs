//! Documents and arguments become values.

use jaq_json::{Map, Num, Rc, Val};
use jaq_std::ValT as _;
use serde_json::{Number, Value as Json};

use super::Value;
use crate::domain::call::Arguments;

/// Deeper documents are not sound (`domain::json`).
const DOCUMENT_LEVELS: u16 = 101;
/// Deeper arguments are not read: the parser of requests stops there.
const ARGUMENT_LEVELS: u16 = 128;
/// A longer fraction is as good as the machine's number next to it, which costs less to compare.
pub(in super::super) const MAX_FRACTION: usize = 40;
/// From here on the machine's numbers are not all whole numbers that there are.
const WHOLE: f64 = 9e15;

impl Value {
    /// Reads JSON that `domain::json` has found sound; `None` where the interpreter's parser
    /// disagrees.
    pub fn parse(sound: &str) -> Option<Self> {
        let mut json = jaq_json::read::parse_single(sound.as_bytes()).ok()?;
        shorten(&mut json);
        Some(Self::of(json, DOCUMENT_LEVELS))
    }
}

impl From<&Json> for Value {
    fn from(json: &Json) -> Self {
        Self::of(plain(json), ARGUMENT_LEVELS)
    }
}

impl From<&Arguments> for Value {
    fn from(arguments: &Arguments) -> Self {
        Self::of(object(arguments), ARGUMENT_LEVELS)
    }
}

/// Long fractions, within a value that nobody else has.
fn shorten(json: &mut Val) {
    match json {
        Val::Num(Num::Dec(text)) if text.len() > MAX_FRACTION => {
            let number = json.as_f64().unwrap_or_default();
            *json = Val::Num(Num::Float(number));
        }
        Val::Arr(items) => {
            let items = Rc::get_mut(items).into_iter().flatten();
            items.for_each(shorten);
        }
        Val::Obj(members) => {
            let members = Rc::get_mut(members).into_iter();
            members.flat_map(Map::values_mut).for_each(shorten);
        }
        _ => {}
    }
}

fn plain(json: &Json) -> Val {
    match json {
        Json::Null => Val::Null,
        Json::Bool(flag) => Val::Bool(*flag),
        Json::Number(given) => Val::Num(number(given)),
        Json::String(text) => Val::utf8_str(text.clone().into_bytes()),
        Json::Array(items) => items.iter().map(plain).collect(),
        Json::Object(members) => object(members),
    }
}

fn object(members: &Arguments) -> Val {
    let member = |(name, value): (&String, &Json)| {
        let name = Val::utf8_str(name.clone().into_bytes());
        (name, plain(value))
    };
    Val::obj(members.iter().map(member).collect::<Map>())
}

/// A whole number is one however it is written, as for JSON Schema: 2.0 is 2.
fn number(number: &Number) -> Num {
    if let Some(whole) = number.as_i64() {
        return Num::from_integral(whole);
    }
    if let Some(whole) = number.as_u64() {
        return Num::from_integral(whole);
    }
    let number = number.as_f64().unwrap_or_default();
    match number.fract() == 0.0 && number.abs() < WHOLE {
        true => Num::Int(number as isize),
        false => Num::Float(number),
    }
}
