//! Functions that are compiled: the library's on the allow-list, and our own.

use std::collections::BTreeSet;

use jaq_core::native::{Filter, Fun, bome, run, unary, v};
use jaq_core::{Error, RunPtr, ValR, ValT as _, ValXs};
use jaq_std::ValT as _;

use super::budget::spend_bytes;
use super::compile::Language;
use super::functions::LIBRARY;
use super::{Value, dates};

/// A range has no more numbers.
const MAX_RANGE: isize = 10_000;
/// A text with more bytes, blanks around it included, is no number.
const MAX_NUMBER: usize = 40;

/// The compiled functions of these names.
pub(super) fn of(names: &BTreeSet<&str>) -> impl Iterator<Item = Fun<Language>> {
    let library = jaq_core::funs().chain(jaq_std::base_funs());
    let library = library.filter(|(name, ..)| LIBRARY.contains(name));
    let own: [Filter<RunPtr<Language>>; 6] = [
        ("length", v(0), |cv| bome(length(cv.1))),
        ("has", v(1), |cv| unary(cv, |value, key| has(&value, &key))),
        ("join", v(1), |cv| unary(cv, |list, by| join(list, &by))),
        ("tonumber", v(0), |cv| bome(to_number(cv.1))),
        ("range", v(1), |mut cv| {
            let to = cv.0.pop_var();
            range(Value::from(0_usize), to)
        }),
        ("range", v(2), |mut cv| {
            let to = cv.0.pop_var();
            let from = cv.0.pop_var();
            range(from, to)
        }),
    ];
    let own = own.into_iter().map(run::<Language>);
    let all = library.chain(own).chain(dates::all());
    all.filter(|(name, ..)| names.contains(name))
}

fn length(value: Value) -> ValR<Value> {
    match value.len() {
        Some(length) => Ok(Value::from(length)),
        None => Err(Error::typ(value, "something with a length")),
    }
}

fn has(value: &Value, key: &Value) -> ValR<Value> {
    match value.has(key) {
        Some(has) => Ok(Value::from(has)),
        None => Err(Error::index(value.clone(), key.clone())),
    }
}

/// The texts of a list; numbers and booleans as they are written, `null` as nothing.
fn join(list: Value, by: &Value) -> ValR<Value> {
    let Some(by) = by.as_str() else {
        return Err(Error::typ(by.clone(), "a text to join with"));
    };
    let mut out = String::new();
    for (index, item) in list.values().enumerate() {
        if index > 0 {
            spend_bytes(by.len());
            out.push_str(by);
        }
        let item = item?;
        if !item.is_null() {
            let text = item.into_string();
            // Reading it is counted.
            out.push_str(text.as_str().unwrap_or_default());
        }
    }
    Ok(Value::from(out))
}

fn to_number(value: Value) -> ValR<Value> {
    if value.as_f64().is_some() {
        return Ok(value);
    }
    let text = value.as_short_str(MAX_NUMBER).map(str::trim);
    let number = text.and_then(|text| {
        let finite = |number: &f64| number.is_finite();
        let integer = text.parse::<isize>().ok().map(Value::from);
        integer.or_else(|| Some(Value::from(text.parse().ok().filter(finite)?)))
    });
    number.ok_or_else(|| Error::typ(value, "a number"))
}

fn range<'a>(from: Value, to: Value) -> ValXs<'a, Value> {
    let (Some(first), Some(end)) = (from.as_isize(), to.as_isize()) else {
        return bome(Err(Error::typ(to, "the end of a range of integers")));
    };
    if end.saturating_sub(first) > MAX_RANGE {
        return bome(Err(Error::typ(to, "the end of a range of at most 10000")));
    }
    Box::new((first..end).map(|number| Ok(Value::from(number))))
}
