//! `GET /status`: how each credential stands, and what its calls come to.

use serde::Deserialize;

use crate::domain::organization::OrganizationSlug;
use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::Asked;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    org: Option<OrganizationSlug>,
}

pub(in crate::http::admin) async fn show(
    Acting(admin): Acting,
    Asked(query): Asked<Query>,
) -> Answer {
    Ok(ok(&admin.status(query.org.as_ref()).await?))
}
