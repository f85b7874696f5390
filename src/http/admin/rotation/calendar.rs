//! `GET /rotation/calendar.ics`: the day of each credential and key, for calendars (RFC 5545).

use axum::response::Response;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

use crate::http::admin::authenticate::Acting;
use crate::http::admin::refusal::Refusal;

pub(in crate::http::admin) async fn calendar(Acting(admin): Acting) -> Result<Response, Refusal> {
    let mut response = Response::new(admin.calendar().await?.into());
    let headers = response.headers_mut();
    let kind = HeaderValue::from_static("text/calendar; charset=utf-8");
    headers.insert(CONTENT_TYPE, kind);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
