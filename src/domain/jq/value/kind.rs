//! What kinds of values there are: all that an error says of values.

use jaq_json::{Map, Num, Rc, Val};

use super::Value;

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl Kind {
    pub(super) fn of(json: &Val) -> Self {
        match json {
            Val::Null => Self::Null,
            Val::Bool(_) => Self::Boolean,
            Val::Num(_) => Self::Number,
            Val::BStr(_) | Val::TStr(_) => Self::Text,
            Val::Arr(_) => Self::List,
            Val::Obj(_) => Self::Object,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object => "an object",
        }
    }

    /// A value of this kind, for an error about one that is gone.
    pub(super) fn stand_in(self) -> Value {
        Value::flat(match self {
            Self::Null => Val::Null,
            Self::Boolean => Val::Bool(false),
            Self::Number => Val::Num(Num::Int(0)),
            Self::Text => Val::utf8_str(Vec::new()),
            Self::List => Val::Arr(Rc::default()),
            Self::Object => Val::obj(Map::default()),
        })
    }
}
