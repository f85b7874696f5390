//! `GET /orgs/{org}/credentials/{env}/{provider}`: metadata of the version in use, and of all.

use crate::http::admin::answer::{Answer, ok, tagged};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::CredentialPath;

pub(in crate::http::admin) async fn show(Acting(admin): Acting, path: CredentialPath) -> Answer {
    let organization = admin.organization(&path.org).await?;
    let profile = admin
        .credential(&path.org, &path.env, &path.provider)
        .await?;
    Ok(tagged(&organization.tag(), ok(&profile)))
}
