//! `GET …/rotations/{id}`: how a rotation stands.

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::RotationPath;

pub(in crate::http::admin) async fn show(Acting(admin): Acting, path: RotationPath) -> Answer {
    let rotation = admin
        .rotation(&path.org, &path.env, &path.provider, path.id)
        .await?;
    Ok(ok(&rotation))
}
