//! `GET /orgs/{org}`: everything about an organization, but secrets.

use crate::http::admin::answer::{Answer, ok, tagged};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::OrgPath;

pub(in crate::http::admin) async fn show(Acting(admin): Acting, OrgPath(org): OrgPath) -> Answer {
    let detail = admin.organization_detail(&org).await?;
    Ok(tagged(&detail.organization.tag(), ok(&detail)))
}
