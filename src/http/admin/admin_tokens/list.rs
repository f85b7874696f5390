//! `GET /admin-tokens`: all tokens, oldest first, those that ended too.

use axum::response::Response;

use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::Page;
use crate::http::admin::path::Asked;
use crate::http::admin::refusal::Refusal;

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(page): Asked<Page>,
) -> Result<Response, Refusal> {
    let all = admin.tokens().await?;
    page.of(&all, |token| {
        format!("{:016} {}", token.created_at.as_millisecond(), token.id)
    })
}
