//! `GET /rotation/due`: what is due, overdue, never verified, refused or about to end.
//!
//! Not in pages: what is due follows from every credential, its last login and the configuration's
//! days, and the list is ordered by that. A page would be cut out of the whole; `within` is what
//! keeps the answer short.

use axum::response::Response;
use serde::Deserialize;

use crate::domain::units::parse_duration;
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page;
use crate::http::admin::path::Asked;
use crate::http::admin::refusal::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    /// A duration from now; as far as reminders go, when left out.
    within: Option<String>,
    set_by: Option<String>,
}

pub(in crate::http::admin) async fn due(
    Acting(admin): Acting,
    Asked(query): Asked<Query>,
) -> Result<Response, Refusal> {
    let within = query.within.as_deref().map(parse_duration).transpose();
    let within = within.map_err(|error| Refusal::Query(format!("within: {error}")))?;
    let items = admin.rotation_due(within, query.set_by.as_deref()).await?;
    Ok(page::list(items, None))
}
