//! `GET /keys/{id}`: what may be shown of it, also when it ended.

use crate::http::admin::answer::{Answer, ok, tagged};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::path::IdPath;

pub(in crate::http::admin) async fn show(Acting(admin): Acting, IdPath(id): IdPath) -> Answer {
    let key = admin.key(&id).await?;
    Ok(tagged(&key.tag(), ok(&key)))
}
