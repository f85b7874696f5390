//! `GET /admin-tokens`: all tokens, oldest first, those that ended too.

use crate::domain::page::AfterId;
use crate::http::admin::answer::{Answer, ok};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::{List, Page};
use crate::http::admin::path::Asked;

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(page): Asked<Page>,
) -> Answer {
    let (size, after) = (page.size()?, page.after()?);
    let some = admin.tokens_after(after.as_ref(), size + 1).await?;
    Ok(ok(&List::of(some, size, |token| AfterId {
        created_at: token.created_at,
        id: token.id.clone(),
    })))
}
