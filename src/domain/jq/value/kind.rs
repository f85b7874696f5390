//! What kinds of values there are: all that an error says of values.

use jaq_json::{Map, Num, Rc, Val};

use super::Value;

/// In the order of jq.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Kind {
    Null,
    Boolean,
    Number,
    Text,
    List,
    Object,
}

impl Kind {
    pub(in super::super) fn of(json: &Val) -> Self {
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

    /// As jq's `type` calls it.
    pub(in super::super) fn type_name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Number => "number",
            Self::Text => "string",
            Self::List => "array",
            Self::Object => "object",
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
