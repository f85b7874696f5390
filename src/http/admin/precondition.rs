//! `If-Match` (RFC 9110, section 13.1.1): a change of what is as it was when it was read.

use axum::extract::FromRequestParts;
use http::header::IF_MATCH;
use http::request::Parts;

use super::refusal::Refusal;
use crate::admin::Admin;

/// The revision that an organization has to have, if the request says one.
pub(super) struct Precondition(Option<i64>);

/// A tag that no revision has.
const NEVER: i64 = -1;

impl Precondition {
    pub(super) fn on(&self, admin: Admin) -> Admin {
        admin.expecting(self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        let mut values = parts.headers.get_all(IF_MATCH).iter();
        let (first, second) = (values.next(), values.next());
        match (first, second) {
            (None, _) => Ok(Self(None)),
            (Some(_), Some(_)) => Err(Refusal::Duplicate(IF_MATCH)),
            (Some(value), None) if value == "*" => Ok(Self(None)),
            (Some(value), None) => {
                let text = value.to_str().unwrap_or_default();
                let tag = text
                    .strip_prefix('"')
                    .and_then(|text| text.strip_suffix('"'));
                let revision = tag.and_then(|tag| tag.parse().ok());
                Ok(Self(Some(revision.unwrap_or(NEVER))))
            }
        }
    }
}
