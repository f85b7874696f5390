//! `GET /orgs`: the organizations that the actor knows of, by id.

use axum::response::Response;

use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::Page;
use crate::http::admin::path::Asked;
use crate::http::admin::refusal::Refusal;

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(page): Asked<Page>,
) -> Result<Response, Refusal> {
    let all = admin.organizations().await?;
    page.of(&all, |organization| organization.slug.to_string())
}
