//! `GET /orgs/{org}/credentials`: metadata of the versions that are not over; with `all`, of those
//! too. Newest first within each environment and provider.

use axum::response::Response;
use serde::Deserialize;

use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::Page;
use crate::http::admin::path::{Asked, OrgPath};
use crate::http::admin::refusal::Refusal;

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    all: bool,
    limit: Option<usize>,
    cursor: Option<String>,
}

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    OrgPath(org): OrgPath,
    Asked(query): Asked<Query>,
) -> Result<Response, Refusal> {
    let mut versions = admin.credentials(Some(&org)).await?;
    versions.retain(|version| query.all || !version.state.is_over());
    let page = Page {
        limit: query.limit,
        cursor: query.cursor,
    };
    page.of(&versions, |version| {
        let place = format!("{} {}", version.environment, version.provider);
        format!("{place} {:020}", i64::MAX - version.version)
    })
}
