//! `GET /usage`: calls and upstream requests of a month, by organization.

use serde::Deserialize;

use crate::domain::organization::OrganizationSlug;
use crate::domain::usage::Month;
use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::{List, Page};
use crate::http::admin::path::Asked;
use crate::http::admin::refusal::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    org: Option<OrganizationSlug>,
    /// `YYYY-MM`; the present one, when left out.
    month: Option<String>,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(query): Asked<Query>,
) -> Answer {
    let Query {
        org,
        month,
        limit,
        cursor,
    } = query;
    let month = month.as_deref().map(str::parse::<Month>).transpose();
    let month = month.map_err(|error| Refusal::Query(format!("month: {error}")))?;
    let page = Page { limit, cursor };
    let (size, after) = (page.size()?, page.after()?);
    let some = admin
        .usage_after(org.as_ref(), month, after.as_ref(), size + 1)
        .await?;
    Ok(ok(&List::of(some, size, |line| line.organization.clone())))
}
