//! `GET /status`: how each credential stands, and what its calls come to; in pages, each with the
//! server's own state.

use serde::{Deserialize, Serialize};

use crate::admin::{ProfileStatus, ServerStatus};
use crate::domain::organization::OrganizationSlug;
use crate::domain::page::AfterProfile;
use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::{List, Page};
use crate::http::admin::path::Asked;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    org: Option<OrganizationSlug>,
    limit: Option<usize>,
    cursor: Option<String>,
}

#[derive(Serialize)]
struct Shown {
    server: ServerStatus,
    #[serde(flatten)]
    profiles: List<ProfileStatus>,
}

pub(in crate::http::admin) async fn show(
    Acting(admin): Acting,
    Asked(Query { org, limit, cursor }): Asked<Query>,
) -> Answer {
    let page = Page { limit, cursor };
    let (size, after) = (page.size()?, page.after()?);
    let report = admin
        .status_after(org.as_ref(), after.as_ref(), size + 1)
        .await?;
    let place = |item: &ProfileStatus| AfterProfile {
        organization: item.organization.clone(),
        environment: item.environment.clone(),
        provider: item.provider.clone(),
    };
    Ok(ok(&Shown {
        server: report.server,
        profiles: List::of(report.items, size, place),
    }))
}
