//! `If-Match` (RFC 9110, section 13.1.1): a change of what is as it was when it was read.

use axum::extract::FromRequestParts;
use http::header::IF_MATCH;
use http::request::Parts;

use super::refusal::Refusal;
use crate::admin::Admin;

/// The tag that what is changed has to have, if the request says one.
pub(super) struct Precondition(Option<String>);

impl Precondition {
    pub(super) fn on(&self, admin: Admin) -> Admin {
        admin.expecting(self.0.as_deref())
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
                // What is no strong tag is not the one of anything.
                Ok(Self(Some(tag.unwrap_or_default().to_owned())))
            }
        }
    }
}
