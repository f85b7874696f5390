//! `POST /admin-tokens`: a new token, shown in this answer and never again.

use http::StatusCode;
use serde::Deserialize;

use crate::admin::TokenRequest;
use crate::domain::actor::Role;
use crate::domain::organization::OrganizationSlug;
use crate::http::admin::answer::{Answer, created, replayed, tagged, with_secret};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::body::Body;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct NewToken {
    role: Role,
    #[serde(default)]
    name: String,
    /// Left out or `null`: all.
    organization: Option<OrganizationSlug>,
    expires: Option<String>,
}

pub(in crate::http::admin) async fn create(Acting(admin): Acting, body: Body<NewToken>) -> Answer {
    let admin = body.once(admin);
    if let Some(first) = admin.replay().await? {
        return Ok(replayed(StatusCode::CREATED, &first));
    }
    let NewToken {
        role,
        name,
        organization,
        expires,
    } = body.value;
    let request = TokenRequest {
        name,
        role,
        organization,
        expires: admin.end("expires", expires.as_deref())?,
    };
    let issued = admin.create_token(&request).await?;
    let location = format!("/admin-tokens/{}", issued.summary.id);
    let data = with_secret(&issued.summary, "token", &issued.token);
    Ok(tagged(&issued.summary.tag(), created(&location, &data)))
}
