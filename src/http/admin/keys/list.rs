//! `GET /keys` and `GET /orgs/{org}/keys`: gateway keys, oldest first, those that ended too.

use crate::admin::Admin;
use crate::domain::organization::OrganizationSlug;
use crate::domain::page::AfterId;
use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::{List, Page};
use crate::http::admin::path::{Asked, OrgPath};

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(page): Asked<Page>,
) -> Answer {
    keys(&admin, None, &page).await
}

pub(in crate::http::admin) async fn list_of_org(
    Acting(admin): Acting,
    OrgPath(org): OrgPath,
    Asked(page): Asked<Page>,
) -> Answer {
    keys(&admin, Some(&org), &page).await
}

async fn keys(admin: &Admin, org: Option<&OrganizationSlug>, page: &Page) -> Answer {
    let (size, after) = (page.size()?, page.after()?);
    let some = admin.keys_after(org, after.as_ref(), size + 1).await?;
    Ok(ok(&List::of(some, size, |key| AfterId {
        created_at: key.created_at,
        id: key.id.clone(),
    })))
}
