//! Comparing values, which is as much work as they have members.

use std::cmp::Ordering;

use jaq_json::Val;

use super::super::budget::{spend, spend_bytes};
use super::Value;

/// Values within a value, itself included; counted as work, as long as there is any left.
pub(super) fn nodes(json: &Val) -> usize {
    match json {
        Val::TStr(bytes) => {
            spend_bytes(bytes.len());
            1
        }
        Val::Arr(items) => {
            spend(items.len());
            1 + items.iter().map(nodes).sum::<usize>()
        }
        // Members are sorted before they are compared.
        Val::Obj(members) => {
            spend(8 * members.len());
            1 + members.values().map(nodes).sum::<usize>()
        }
        _ => 1,
    }
}

/// Counts a comparison: only as deep as both go.
fn count(left: &Value, right: &Value) {
    match (&left.json, &right.json) {
        (Val::Arr(a), Val::Arr(b)) if a.is_empty() || b.is_empty() => spend(1),
        (Val::Obj(a), Val::Obj(b)) if a.is_empty() || b.is_empty() => spend(1),
        (Val::Arr(_), Val::Arr(_)) | (Val::Obj(_), Val::Obj(_)) => {
            nodes(&left.json);
            nodes(&right.json);
        }
        (Val::TStr(left), Val::TStr(right)) => spend_bytes(left.len().min(right.len())),
        _ => spend(1),
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        count(self, other);
        self.json == other.json
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Self) -> Ordering {
        count(self, other);
        self.json.cmp(&other.json)
    }
}
