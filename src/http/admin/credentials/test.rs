//! `POST /orgs/{org}/credentials/{env}/{provider}/test`: log in now with the version in use.

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::CredentialPath;

pub(in crate::http::admin) async fn test(Acting(admin): Acting, path: CredentialPath) -> Answer {
    let report = admin
        .test_credential(&path.org, &path.env, &path.provider)
        .await?;
    Ok(ok(&report))
}
