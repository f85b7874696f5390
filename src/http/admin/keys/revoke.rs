//! `DELETE /keys/{id}`: refused everywhere from now on.

use serde_json::json;

use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::IdPath;
use crate::http::admin::precondition::Precondition;

pub(in crate::http::admin) async fn revoke(
    Acting(admin): Acting,
    IdPath(id): IdPath,
    precondition: Precondition,
) -> Answer {
    precondition.on(admin).revoke_key(&id).await?;
    Ok(ok(&json!({"id": id, "state": "revoked"})))
}
