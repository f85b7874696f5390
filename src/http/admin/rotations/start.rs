//! `POST …/rotations`: a version is sealed, and not used before it is promoted.

use http::StatusCode;

use crate::http::admin::answer::{Answer, created, replayed};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::body::Body;
use crate::http::admin::credentials::NewVersion;
use crate::http::admin::path::CredentialPath;
use crate::http::admin::precondition::Precondition;

pub(in crate::http::admin) async fn start(
    Acting(admin): Acting,
    path: CredentialPath,
    precondition: Precondition,
    body: Body<NewVersion>,
) -> Answer {
    let admin = precondition.on(body.once(admin));
    if let Some(first) = admin.replay().await? {
        return Ok(replayed(StatusCode::CREATED, &first));
    }
    let place = format!(
        "/orgs/{}/credentials/{}/{}",
        path.org, path.env, path.provider
    );
    let (input, fields) = body.value.entered(path, &admin)?;
    let rotation = admin.stage_credential(input, fields).await?;
    let location = format!("{place}/rotations/{}", rotation.credential.id);
    Ok(created(&location, &rotation))
}
