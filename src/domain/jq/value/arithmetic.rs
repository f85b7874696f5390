//! What `+ - * / %` do, and what they cost.

use std::ops::{Add, Div, Mul, Neg, Rem, Sub};
use std::sync::Arc;

use jaq_core::ops::Math;
use jaq_core::{Error, ValR};
use jaq_json::{Num, Val};
use jaq_std::ValT as _;

use super::super::budget::{spend, spend_bytes};
use super::kind::Kind;
use super::order::nodes;
use super::{MEMBER, Value};

impl Add for Value {
    type Output = ValR<Self>;

    fn add(self, right: Self) -> Self::Output {
        match (&self.json, &right.json) {
            (Val::TStr(left), Val::TStr(right)) => spend_bytes(left.len() + right.len()),
            (Val::Arr(left), Val::Arr(right)) => spend(copied(left, left.len()) + right.len()),
            (Val::Obj(left), Val::Obj(right)) => {
                spend(MEMBER * (copied(left, left.len()) + right.len()));
            }
            _ => {}
        }
        calculate(self, Math::Add, right)
    }
}

/// What of the left side is copied: one that nobody else has grows in place.
fn copied<T>(left: &Arc<T>, length: usize) -> usize {
    match Arc::strong_count(left) {
        1 => 0,
        _ => length,
    }
}

impl Sub for Value {
    type Output = ValR<Self>;

    fn sub(self, right: Self) -> Self::Output {
        if matches!((&self.json, &right.json), (Val::Arr(_), Val::Arr(_))) {
            // Every item is compared with some of the others.
            spend(16 * (nodes(&self.json) + nodes(&right.json)));
        }
        calculate(self, Math::Sub, right)
    }
}

impl Mul for Value {
    type Output = ValR<Self>;

    fn mul(self, right: Self) -> Self::Output {
        match (&self.json, &right.json) {
            (Val::Num(_), Val::Num(_)) => {}
            (Val::Obj(_), Val::Obj(_)) => {
                spend(MEMBER * (nodes(&self.json) + nodes(&right.json)));
            }
            // A text repeated: its length would be up to the data.
            _ => return Err(Error::math(self, Math::Mul, right)),
        }
        calculate(self, Math::Mul, right)
    }
}

impl Div for Value {
    type Output = ValR<Self>;

    fn div(self, right: Self) -> Self::Output {
        if let Val::TStr(text) = &self.json {
            spend(text.len().max(1));
        }
        let mut quotient = calculate(self, Math::Div, right)?;
        quotient.levels = 1;
        Ok(quotient)
    }
}

impl Rem for Value {
    type Output = ValR<Self>;

    fn rem(self, right: Self) -> Self::Output {
        calculate(self, Math::Rem, right)
    }
}

impl Neg for Value {
    type Output = ValR<Self>;

    fn neg(self) -> Self::Output {
        match self.json {
            Val::Num(number) => Ok(Self::flat(machine(Val::Num(-number)))),
            _ => Err(Error::typ(self, "a number")),
        }
    }
}

/// Both sides are handed over, so that the left one can grow in place.
fn calculate(left: Value, with: Math, right: Value) -> ValR<Value> {
    let levels = left.levels.max(right.levels);
    let kinds = (Kind::of(&left.json), Kind::of(&right.json));
    let result = with.run::<Val, jaq_json::ValR>(machine(left.json), machine(right.json));
    match result {
        Ok(json) => Ok(Value::of(machine(json), levels)),
        Err(_) => Err(Error::math(kinds.0.stand_in(), with, kinds.1.stand_in())),
    }
}

/// Integers beyond the machine's become approximate, rather than long.
fn machine(json: Val) -> Val {
    match &json {
        Val::Num(Num::BigInt(_)) => Val::from(json.as_f64().unwrap_or_default()),
        _ => json,
    }
}
