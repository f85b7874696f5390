//! `GET /usage`: calls and upstream requests of a month, by organization.

use axum::response::Response;
use serde::Deserialize;

use crate::domain::organization::OrganizationSlug;
use crate::domain::usage::Month;
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page;
use crate::http::admin::path::Asked;
use crate::http::admin::refusal::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    org: Option<OrganizationSlug>,
    /// `YYYY-MM`; the present one, when left out.
    month: Option<String>,
}

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(query): Asked<Query>,
) -> Result<Response, Refusal> {
    let month = query.month.as_deref().map(str::parse::<Month>).transpose();
    let month = month.map_err(|error| Refusal::Query(format!("month: {error}")))?;
    let lines = admin.usage(query.org.as_ref(), month).await?;
    Ok(page::list(&lines, None))
}
