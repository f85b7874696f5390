//! `GET /keys` and `GET /orgs/{org}/keys`: gateway keys, oldest first, those that ended too.

use axum::response::Response;

use crate::admin::KeySummary;
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::Page;
use crate::http::admin::path::{Asked, OrgPath};
use crate::http::admin::refusal::Refusal;

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(page): Asked<Page>,
) -> Result<Response, Refusal> {
    page.of(&admin.keys().await?, order)
}

pub(in crate::http::admin) async fn list_of_org(
    Acting(admin): Acting,
    OrgPath(org): OrgPath,
    Asked(page): Asked<Page>,
) -> Result<Response, Refusal> {
    let organization = admin.organization(&org).await?;
    let mut keys = admin.keys().await?;
    keys.retain(|key| {
        let mut grants = key.grants.iter();
        grants.any(|grant| grant.organization == organization.slug.as_str())
    });
    page.of(&keys, order)
}

fn order(key: &KeySummary) -> String {
    format!("{:016} {}", key.created_at.as_millisecond(), key.id)
}
