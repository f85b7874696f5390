//! `POST …/rotations/{id}/verify`: log in with the staged version.

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::RotationPath;
use crate::http::admin::precondition::Precondition;

pub(in crate::http::admin) async fn verify(
    Acting(admin): Acting,
    path: RotationPath,
    precondition: Precondition,
) -> Answer {
    let admin = precondition.on(admin);
    let rotation = admin
        .verify_rotation(&path.org, &path.env, &path.provider, path.id)
        .await?;
    Ok(ok(&rotation))
}
