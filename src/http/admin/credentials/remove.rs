//! `DELETE /orgs/{org}/credentials/{env}/{provider}`: every version ends at once; bytes are gone.

use serde_json::json;

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::CredentialPath;
use crate::http::admin::precondition::Precondition;

pub(in crate::http::admin) async fn remove(
    Acting(admin): Acting,
    path: CredentialPath,
    precondition: Precondition,
) -> Answer {
    let admin = precondition.on(admin);
    let ended = admin.remove_credential(&path.org, &path.env, &path.provider);
    Ok(ok(&json!({"state": "revoked", "versions": ended.await?})))
}
