//! `GET /audit`: the records of what the actor knows of, newest first.

use axum::response::Response;
use serde::Deserialize;

use crate::admin::{AuditFilter, AuditOrder};
use crate::http::admin::authenticate::Acting;
use crate::http::admin::page::{self, Page};
use crate::http::admin::path::Asked;
use crate::http::admin::refusal::Refusal;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::http::admin) struct Query {
    org: Option<String>,
    env: Option<String>,
    provider: Option<String>,
    actor: Option<String>,
    action: Option<String>,
    outcome: Option<String>,
    since: Option<String>,
    until: Option<String>,
    limit: Option<usize>,
    /// The record before which the page ends.
    cursor: Option<i64>,
}

pub(in crate::http::admin) async fn list(
    Acting(admin): Acting,
    Asked(query): Asked<Query>,
) -> Result<Response, Refusal> {
    let page = Page {
        limit: query.limit,
        cursor: None,
    };
    let time = |field: &str, text: Option<String>| {
        let time = admin.time(field, text.as_deref());
        time.map_err(|error| Refusal::Query(error.to_string()))
    };
    let filter = AuditFilter {
        organization: query.org,
        environment: query.env,
        provider: query.provider,
        actor: query.actor,
        action: query.action,
        outcome: query.outcome,
        since: time("since", query.since)?,
        until: time("until", query.until)?,
    };
    let order = AuditOrder::NewestFirst(query.cursor);
    let limit = u32::try_from(page.size()?).unwrap_or(u32::MAX);
    let found = admin.audit_page(&filter, order, limit).await?;
    Ok(page::list(
        found.items,
        found.next.map(|seq| seq.to_string()),
    ))
}
