//! Lists in pages: `{"items": […], "next"?}`. A cursor is the place of the item after which the next
//! page begins (`domain::page`), as base64url of its JSON.

use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
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

/// A page, and the cursor of the next one if one follows.
#[derive(Serialize)]
pub(super) struct List<T> {
    items: Vec<T>,
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

    /// The place after which it begins; `None` is the beginning of the list.
    pub(super) fn after<P: DeserializeOwned>(&self) -> Result<Option<P>, Refusal> {
        let Some(cursor) = &self.cursor else {
            return Ok(None);
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok();
        let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        place.map(Some).ok_or(Refusal::NoPage)
    }
}

impl<T> List<T> {
    /// A page of `size` items. One more than that says that another page follows.
    pub(super) fn of<P: Serialize>(
        mut items: Vec<T>,
        size: usize,
        place: impl Fn(&T) -> P,
    ) -> Self {
        let more = items.len() > size;
        items.truncate(size);
        let last = items.last().filter(|_| more);
        let next = last.map(|last| cursor(&place(last)));
        Self { items, next }
    }
}

fn cursor(place: &impl Serialize) -> String {
    // A place has nothing that cannot be JSON.
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(place).unwrap_or_default())
}

/// A page whose next one has a cursor of its list's own.
pub(super) fn list<T: Serialize>(items: Vec<T>, next: Option<String>) -> Response {
    answer::ok(&List { items, next })
}
