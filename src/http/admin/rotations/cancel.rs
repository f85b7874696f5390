//! `POST …/rotations/{id}/cancel`: give a staged version up.

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::RotationPath;
use crate::http::admin::precondition::Precondition;

pub(in crate::http::admin) async fn cancel(
    Acting(admin): Acting,
    path: RotationPath,
    precondition: Precondition,
) -> Answer {
    let admin = precondition.on(admin);
    let rotation = admin
        .cancel_rotation(&path.org, &path.env, &path.provider, path.id)
        .await?;
    Ok(ok(&rotation))
}
