//! `GET /orgs/{org}/credentials`: metadata of the versions that are not over; with `all`, of those
//! too. Newest first within each environment and provider.

use serde::Deserialize;

use crate::domain::page::AfterVersion;
use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::{List, Page};
use crate::http::admin::path::{Asked, OrgPath};

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
    Asked(Query { all, limit, cursor }): Asked<Query>,
) -> Answer {
    let page = Page { limit, cursor };
    let (size, after) = (page.size()?, page.after()?);
    let some = admin
        .credentials_after(&org, all, after.as_ref(), size + 1)
        .await?;
    Ok(ok(&List::of(some, size, |version| AfterVersion {
        environment: version.environment.clone(),
        provider: version.provider.clone(),
        version: version.version,
    })))
}
