//! Reading values and changing parts of them, as paths such as `.a[0]` do.

use jaq_core::box_iter::{BoxIter, box_once};
use jaq_core::path::Opt;
use jaq_core::val::Range;
use jaq_core::{Error, Exn, ValR, ValT, ValX};
use jaq_json::{Map, Num, Rc, Val};

use super::super::budget::{exhaust, spend, spend_bytes};
use super::super::text;
use super::{MEMBER, Value, object};

impl Value {
    fn below(&self) -> u16 {
        self.levels.saturating_sub(1)
    }

    /// Characters, items or members; of a number it is the number.
    pub(crate) fn len(&self) -> Option<usize> {
        match &self.json {
            Val::Null => Some(0),
            Val::TStr(bytes) => {
                spend_bytes(bytes.len());
                Some(String::from_utf8_lossy(bytes).chars().count())
            }
            Val::Arr(items) => Some(items.len()),
            Val::Obj(members) => Some(members.len()),
            _ => None,
        }
    }

    pub(crate) fn has(&self, key: &Self) -> Option<bool> {
        match (&self.json, &key.json) {
            (Val::Obj(members), Val::TStr(_) | Val::Num(_)) => Some(member(members, key).is_some()),
            (Val::Arr(items), Val::Num(Num::Int(index))) => {
                let index = usize::try_from(*index);
                Some(index.is_ok_and(|index| index < items.len()))
            }
            _ => None,
        }
    }
}

/// A member by its name; a number names what is called as it is written.
fn member<'m>(members: &'m Map, name: &Value) -> Option<&'m Val> {
    match &name.json {
        Val::TStr(bytes) => {
            spend_bytes(bytes.len());
            members.get(&name.json)
        }
        _ => members.get(&Val::utf8_str(name.name()?.into_bytes())),
    }
}

/// Where in a list of that length a place is, which counts from the end where it is negative.
pub(in super::super) fn place_in(length: usize, place: isize) -> Option<usize> {
    let place = match usize::try_from(place) {
        Ok(place) => Some(place),
        Err(_) => length.checked_sub(place.unsigned_abs()),
    };
    place.filter(|place| *place < length)
}

/// A number as programs write it: whole numbers are exact, others the machine's.
fn written(text: &str) -> Option<Num> {
    let float = text.parse().ok().filter(|float: &f64| float.is_finite())?;
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Num::from_str_radix(text, 10),
        false => Some(Num::Float(float)),
    }
}

impl ValT for Value {
    fn from_num(text: &str) -> ValR<Self> {
        spend_bytes(text.len());
        match written(text) {
            Some(number) => Ok(Self::flat(Val::Num(number))),
            None => Err(Error::typ(Self::null(), "a number")),
        }
    }

    fn from_map<I: IntoIterator<Item = (Self, Self)>>(members: I) -> ValR<Self> {
        object(members)
    }

    fn key_values(self) -> BoxIter<'static, ValR<(Self, Self), Self>> {
        let below = self.below();
        match self.json {
            Val::Arr(items) => Box::new((0..items.len()).map(move |index| {
                let item = items.get(index).cloned().unwrap_or_default();
                Ok((Self::from(index), Self::of(item, below)))
            })),
            Val::Obj(members) => Box::new((0..members.len()).map(move |index| {
                let member = members.get_index(index);
                let (name, value) = member.map(|(k, v)| (k.clone(), v.clone())).unzip();
                let name = Self::flat(name.unwrap_or_default());
                Ok((name, Self::of(value.unwrap_or_default(), below)))
            })),
            json => {
                let value = Self::flat(json);
                box_once(Err(Error::typ(value, "a list or an object")))
            }
        }
    }

    fn values(self) -> Box<dyn Iterator<Item = ValR<Self>>> {
        Box::new(
            self.key_values()
                .map(|member| member.map(|(_, value)| value)),
        )
    }

    fn index(self, index: &Self) -> ValR<Self> {
        let below = self.below();
        let found = match (&self.json, &index.json) {
            (Val::Null, _) | (Val::Obj(_), Val::Null) => Some(Val::Null),
            (Val::Obj(members), Val::TStr(_) | Val::Num(_)) => {
                Some(member(members, index).cloned().unwrap_or_default())
            }
            (Val::Arr(_), Val::Num(_)) => self.json.clone().index(&index.json).ok(),
            _ => None,
        };
        match found {
            Some(json) => Ok(Self::of(json, below)),
            None => Err(Error::index(self, index.clone())),
        }
    }

    fn range(self, range: Range<&Self>) -> ValR<Self> {
        match &self.json {
            Val::TStr(bytes) => spend_bytes(bytes.len()),
            Val::Arr(items) => spend(items.len()),
            _ => {}
        }
        let bounds = range.start.map(|v| &v.json)..range.end.map(|v| &v.json);
        let part = self.json.clone().range(bounds);
        part.map(|json| Self::of(json, self.levels))
            .map_err(|_| Error::typ(self, "something to take a part of"))
    }

    fn map_values<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let below = self.below();
        match self.json {
            Val::Arr(items) => {
                spend(items.len());
                let items = Rc::unwrap_or_clone(items).into_iter();
                items.flat_map(|item| f(Self::of(item, below))).collect()
            }
            Val::Obj(members) => {
                spend(MEMBER * members.len());
                let mut kept = Vec::with_capacity(members.len());
                for (name, value) in Rc::unwrap_or_clone(members) {
                    if let Some(value) = f(Self::of(value, below)).next().transpose()? {
                        kept.push((Self::flat(name), value));
                    }
                }
                Ok(object(kept)?)
            }
            json => opt.fail(Self::flat(json), |value| {
                Exn::from(Error::typ(value, "a list or an object"))
            }),
        }
    }

    fn map_index<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        index: &Self,
        opt: Opt,
        f: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        let (below, levels) = (self.below(), self.levels);
        match (self.json, &index.json) {
            (Val::Null, Val::TStr(_)) => {
                let empty = Self::of(Val::obj(Map::default()), 1);
                empty.map_index(index, opt, f)
            }
            (Val::Obj(members), Val::TStr(name)) => {
                spend(MEMBER * members.len());
                spend_bytes(name.len());
                let mut members = Rc::unwrap_or_clone(members);
                let member = members.get(&index.json).cloned().unwrap_or_default();
                let mut inner = 0;
                match f(Self::of(member, below)).next().transpose()? {
                    Some(value) => {
                        inner = value.levels;
                        members.insert(index.json.clone(), value.json);
                    }
                    None => drop(members.shift_remove(&index.json)),
                }
                Ok(Self::around(Val::obj(members), below.max(inner)))
            }
            (Val::Arr(items), Val::Num(Num::Int(place))) => {
                spend(items.len());
                let mut items = Rc::unwrap_or_clone(items);
                let Some(at) = place_in(items.len(), *place) else {
                    let list = Self::of(Val::Arr(Rc::new(items)), levels);
                    return opt.fail(list, |list| Error::index(list, index.clone()).into());
                };
                let item = items.get(at).cloned().unwrap_or_default();
                let mut inner = 0;
                match f(Self::of(item, below)).next().transpose()? {
                    Some(value) => {
                        inner = value.levels;
                        items[at] = value.json;
                    }
                    None => drop(items.remove(at)),
                }
                Ok(Self::around(Val::Arr(Rc::new(items)), below.max(inner)))
            }
            (json, _) => opt.fail(Self::of(json, levels), |value| {
                Error::index(value, index.clone()).into()
            }),
        }
    }

    fn map_range<'a, I: Iterator<Item = ValX<'a, Self>>>(
        self,
        _: Range<&Self>,
        opt: Opt,
        _: impl Fn(Self) -> I,
    ) -> ValX<'a, Self> {
        opt.fail(self, |value| {
            Error::typ(value, "something whose part is changed").into()
        })
    }

    fn as_bool(&self) -> bool {
        self.json.as_bool()
    }

    fn into_string(self) -> Self {
        if matches!(self.json, Val::TStr(_)) {
            return self;
        }
        let mut out = Vec::new();
        if text::write(&self.json, &mut out, text::MAX_ANSWER).is_err() {
            exhaust();
        }
        spend_bytes(out.len());
        Self::flat(Val::utf8_str(out))
    }
}

impl jaq_std::ValT for Value {
    fn into_seq<S: FromIterator<Self>>(self) -> Result<S, Self> {
        let below = self.below();
        match self.json {
            Val::Arr(items) => {
                spend(items.len());
                let items = Rc::unwrap_or_clone(items).into_iter();
                Ok(items.map(|item| Self::of(item, below)).collect())
            }
            _ => Err(self),
        }
    }

    fn is_int(&self) -> bool {
        self.json.is_int()
    }

    fn as_isize(&self) -> Option<isize> {
        self.json.as_isize()
    }

    fn as_f64(&self) -> Option<f64> {
        self.json.as_f64()
    }

    fn is_utf8_str(&self) -> bool {
        self.json.is_utf8_str()
    }

    fn as_bytes(&self) -> Option<&[u8]> {
        let bytes = self.json.as_bytes();
        spend_bytes(bytes.map_or(0, <[u8]>::len));
        bytes
    }

    fn as_sub_str(&self, sub: &[u8]) -> Self {
        Self::flat(self.json.as_sub_str(sub))
    }

    fn from_utf8_bytes(bytes: impl AsRef<[u8]> + Send + 'static) -> Self {
        spend_bytes(bytes.as_ref().len());
        Self::flat(Val::from_utf8_bytes(bytes))
    }
}
