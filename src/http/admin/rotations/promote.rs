//! `POST …/rotations/{id}/promote`: the staged version is the one in use from the next call on.

use serde::Deserialize;

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::{Asked, RotationPath};
use crate::http::admin::precondition::Precondition;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    /// Although it has not logged in.
    #[serde(default)]
    unverified: bool,
}

pub(in crate::http::admin) async fn promote(
    Acting(admin): Acting,
    path: RotationPath,
    Asked(query): Asked<Query>,
    precondition: Precondition,
) -> Answer {
    let admin = precondition.on(admin);
    let promoted = admin.promote_rotation(
        &path.org,
        &path.env,
        &path.provider,
        path.id,
        query.unverified,
    );
    Ok(ok(&promoted.await?))
}
