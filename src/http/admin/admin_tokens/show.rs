//! `GET /admin-tokens/{id}`: what may be shown of it, also when it ended.

use crate::http::admin::answer::{Answer, ok, tagged};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::IdPath;

pub(in crate::http::admin) async fn show(Acting(admin): Acting, IdPath(id): IdPath) -> Answer {
    let token = admin.token(&id).await?;
    Ok(tagged(&token.tag(), ok(&token)))
}
