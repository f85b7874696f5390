//! `GET /orgs/{org}`: everything about an organization, but secrets.

use crate::http::admin::answer::{Answer, at_revision, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::OrgPath;

pub(in crate::http::admin) async fn show(Acting(admin): Acting, OrgPath(org): OrgPath) -> Answer {
    let detail = admin.organization_detail(&org).await?;
    Ok(at_revision(detail.organization.revision, ok(&detail)))
}
