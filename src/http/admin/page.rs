//! Lists in pages: `{"items": […], "next"?}`. A cursor is the key of the item after which the next
//! page begins, so that what is added or removed meanwhile moves nothing.

use axum::response::Response;
use serde::{Deserialize, Serialize};

use super::answer;
use super::refusal::Refusal;

const DEFAULT: usize = 100;
const MOST: usize = 1_000;

/// `limit` and `cursor` of a query.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Page {
    pub limit: Option<usize>,
    pub cursor: Option<String>,
}

#[derive(Serialize)]
struct List<'a, T> {
    items: &'a [T],
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl Page {
    pub(super) fn size(&self) -> Result<usize, Refusal> {
        let size = self.limit.unwrap_or(DEFAULT);
        match (1..=MOST).contains(&size) {
            true => Ok(size),
            false => Err(Refusal::Query(format!("limit: from 1 to {MOST}"))),
        }
    }

    /// The page out of all items, which are in the order of their keys.
    pub(super) fn of<T: Serialize>(
        &self,
        all: &[T],
        key: impl Fn(&T) -> String,
    ) -> Result<Response, Refusal> {
        let size = self.size()?;
        let start = match &self.cursor {
            None => 0,
            Some(after) => all.partition_point(|item| key(item) <= *after),
        };
        let items = &all[start..all.len().min(start + size)];
        let more = start + items.len() < all.len();
        Ok(list(items, items.last().filter(|_| more).map(key)))
    }
}

/// A page, and the key of its last item if another page follows.
pub(super) fn list<T: Serialize>(items: &[T], next: Option<String>) -> Response {
    answer::ok(&List { items, next })
}
