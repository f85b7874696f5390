//! `POST /orgs/{org}/credentials/{env}/{provider}/revoke`: one version ends at once.

use serde::Deserialize;

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::body::{OptionalBody, integer};
use crate::http::admin::path::CredentialPath;
use crate::http::admin::precondition::Precondition;

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Which {
    /// The active one, when left out.
    #[serde(default, deserialize_with = "integer")]
    version: Option<i64>,
}

pub(in crate::http::admin) async fn revoke(
    Acting(admin): Acting,
    path: CredentialPath,
    precondition: Precondition,
    OptionalBody(which): OptionalBody<Which>,
) -> Answer {
    let admin = precondition.on(admin);
    let ended = admin.revoke_credential(&path.org, &path.env, &path.provider, which.version);
    Ok(ok(&ended.await?))
}
