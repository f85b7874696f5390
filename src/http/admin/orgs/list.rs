//! `GET /orgs`: the organizations that the actor knows of, by id.

use axum::response::Response;

use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::{self, Page};
use crate::http::admin::path::Asked;
use crate::http::admin::refusal::Refusal;

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(asked): Asked<Page>,
) -> Result<Response, Refusal> {
    let size = asked.size()?;
    let after = asked.cursor.as_deref().unwrap_or_default();
    // One more than is shown says whether another page follows.
    let mut some = admin.organizations_after(after, size + 1).await?;
    let more = some.len() > size;
    some.truncate(size);
    let last = some.last().filter(|_| more);
    let next = last.map(|organization| organization.slug.to_string());
    Ok(page::list(&some, next))
}
