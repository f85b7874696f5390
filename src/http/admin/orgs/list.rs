//! `GET /orgs`: the organizations that the actor knows of, by id.

use crate::domain::organization::OrganizationSlug;
use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::{List, Page};
use crate::http::admin::path::Asked;

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(page): Asked<Page>,
) -> Answer {
    let (size, after) = (page.size()?, page.after::<OrganizationSlug>()?);
    let some = admin.organizations_after(after.as_ref(), size + 1).await?;
    Ok(ok(&List::of(some, size, |found| found.slug.clone())))
}
