//! `POST /orgs`: a new organization.

use http::StatusCode;
use serde::Deserialize;

use crate::domain::organization::OrganizationSlug;
use crate::http::admin::answer::{Answer, created, replayed, tagged};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::body::{Body, parsed};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct NewOrganization {
    #[serde(deserialize_with = "parsed")]
    id: OrganizationSlug,
    name: String,
}

pub(in crate::http::admin) async fn create(
    Acting(admin): Acting,
    body: Body<NewOrganization>,
) -> Answer {
    let admin = body.once(admin);
    if let Some(first) = admin.replay().await? {
        return Ok(replayed(StatusCode::CREATED, &first));
    }
    let NewOrganization { id, name } = body.value;
    let organization = admin.create_organization(id, &name).await?;
    let location = format!("/orgs/{}", organization.slug);
    let response = created(&location, &organization);
    Ok(tagged(&organization.tag(), response))
}
