//! `POST …/rotations/{id}/rollback`: take a promotion back.

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::RotationPath;
use crate::http::admin::precondition::Precondition;

pub(in crate::http::admin) async fn rollback(
    Acting(admin): Acting,
    path: RotationPath,
    precondition: Precondition,
) -> Answer {
    let admin = precondition.on(admin);
    let rotation = admin
        .rollback_rotation(&path.org, &path.env, &path.provider, path.id)
        .await?;
    Ok(ok(&rotation))
}
