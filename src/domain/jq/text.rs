//! Values to JSON that every client can read.

use jaq_json::{Num, Val};

use super::budget::spend_bytes;

/// As deep as JSON of strangers may be.
pub(super) const MAX_LEVELS: usize = 100;
/// A longer text is no answer.
pub(super) const MAX_ANSWER: usize = 16 << 20;
/// A longer text is no part of a request.
pub(super) const MAX_REQUEST: usize = 1 << 20;

/// Why a value is not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the result is too large, or nested too deeply")]
pub struct Unwritable;

/// Appends a value, at most so many bytes. What JSON has no word for, such as an infinite number, is
/// `null`.
pub(super) fn write(value: &Val, out: &mut Vec<u8>, most: usize) -> Result<(), Unwritable> {
    level(value, out, most, 0)?;
    // What was written last is not looked at before.
    (out.len() <= most).then_some(()).ok_or(Unwritable)
}

/// The same of a value within so many others.
pub(super) fn level(
    value: &Val,
    out: &mut Vec<u8>,
    most: usize,
    depth: usize,
) -> Result<(), Unwritable> {
    let too_deep = depth == MAX_LEVELS && matches!(value, Val::Arr(_) | Val::Obj(_));
    if too_deep || out.len() > most {
        return Err(Unwritable);
    }
    match value {
        Val::Null => out.extend(b"null"),
        Val::Bool(true) => out.extend(b"true"),
        Val::Bool(false) => out.extend(b"false"),
        Val::Num(number) => write_number(number, out),
        Val::TStr(bytes) | Val::BStr(bytes) => write_text(bytes, out),
        Val::Arr(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                level(item, out, most, depth + 1)?;
            }
            out.push(b']');
        }
        Val::Obj(members) => {
            out.push(b'{');
            for (index, (key, member)) in members.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                level(key, out, most, depth + 1)?;
                out.push(b':');
                level(member, out, most, depth + 1)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn write_number(number: &Num, out: &mut Vec<u8>) {
    let text = match number {
        Num::Int(number) => number.to_string(),
        Num::BigInt(number) => number.to_string(),
        Num::Dec(text) => text.as_str().to_owned(),
        Num::Float(number) if !number.is_finite() => "null".to_owned(),
        // A whole number is written as one: 2, not 2.0.
        Num::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            format!("{number:.0}")
        }
        Num::Float(number) => serde_json::Number::from_f64(*number)
            .map_or_else(|| "null".to_owned(), |number| number.to_string()),
    };
    out.extend(text.as_bytes());
}

fn write_text(bytes: &[u8], out: &mut Vec<u8>) {
    spend_bytes(bytes.len());
    // Writing to memory does not fail.
    let _ = serde_json::to_writer(out, &String::from_utf8_lossy(bytes));
}
