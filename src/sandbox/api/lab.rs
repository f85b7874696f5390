//! The laboratory, `/lab/v1/*`: a second API beside the first, small enough to describe in an hour.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde_json::json;

use super::Call;
use crate::sandbox::answer;
use crate::sandbox::refusal::Refusal;
use crate::sandbox::request;
use crate::sandbox::workspace::{Lab, Order, Progress, TESTS};

const MISSING: Refusal = Refusal::NotFound("There is no such order");

/// Whose credential this is: what a client asks to see whether it is let in.
pub fn account(call: &Call<'_>) -> Response {
    let id = &call.workspace.client_id;
    answer::ok(&json!({"account": id, "name": format!("Synthetic Laboratory of {id}")}))
}

pub fn tests() -> Response {
    answer::ok(&TESTS)
}

/// One page, oldest orders first; `next` is the `after` of the next page.
pub fn list(call: &Call<'_>) -> Result<Response, Refusal> {
    let query = &call.incoming.query;
    let limit = query.integer("limit", 1..=50)?.unwrap_or(20);
    let limit = usize::try_from(limit).unwrap_or_default();
    let (patient, status) = (query.get("patient"), query.get("status"));
    let after = query.get("after").unwrap_or_default();
    let lab = call.workspace.lab();
    let fits = |order: &&Order| {
        order.id.as_str() > after
            && patient.is_none_or(|patient| order.patient == patient)
            && status.is_none_or(|status| json!(order.status) == status)
    };
    let mut rest = lab.orders.values().filter(fits);
    let items: Vec<&Order> = rest.by_ref().take(limit).collect();
    let next = rest.next().and(items.last()).map(|last| &last.id);
    let account = &call.workspace.client_id;
    Ok(answer::ok(
        &json!({"account": account, "items": items, "next": next}),
    ))
}

/// An order with its results, which are none before it is reported.
pub fn get(call: &Call<'_>) -> Result<Response, Refusal> {
    let lab = call.workspace.lab();
    let order = find(&lab, call)?;
    let mut shown = json!(order);
    shown["account"] = json!(call.workspace.client_id);
    shown["results"] = json!(order.results);
    Ok(answer::ok(&shown))
}

/// 201 with a new order; 200 with the one that an equal `Idempotency-Key` made before.
pub fn create(call: &Call<'_>) -> Result<Response, Refusal> {
    let body = call.incoming.object()?;
    let patient = request::text(body, "patient")?;
    let code = request::text(body, "test")?;
    request::optional_text(body, "note")?;
    let test = TESTS.iter().find(|test| test.code == code);
    let test = test.ok_or_else(|| Refusal::field("test", "is no code of /v1/tests"))?;
    let key = call.incoming.header("idempotency-key");
    let mut lab = call.workspace.lab();
    let (order, again) = lab.order(key, (patient, test.code), call.now)?;
    let status = match again {
        true => StatusCode::OK,
        false => StatusCode::CREATED,
    };
    Ok(answer::json(status, &order))
}

/// 204, also when it was cancelled before.
pub fn cancel(call: &Call<'_>) -> Result<Response, Refusal> {
    let mut lab = call.workspace.lab();
    let order = lab.orders.get_mut(call.id()).ok_or(MISSING)?;
    if order.status == Progress::Reported {
        return Err(Refusal::NotAllowed {
            code: "already_reported",
            message: "The order has its results already",
        });
    }
    order.status = Progress::Cancelled;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// Something like a PDF file.
pub fn report(call: &Call<'_>) -> Result<Response, Refusal> {
    let lab = call.workspace.lab();
    let order = find(&lab, call)?;
    if order.status != Progress::Reported {
        return Err(Refusal::NotFound("There is no report yet"));
    }
    let (id, of) = (&order.id, &call.workspace.client_id);
    let bytes = format!("%PDF-1.4\n% synthetic report {id} of {of}\n%%EOF\n");
    Ok(([(CONTENT_TYPE, "application/pdf")], bytes).into_response())
}

fn find<'a>(lab: &'a Lab, call: &Call<'_>) -> Result<&'a Order, Refusal> {
    lab.orders.get(call.id()).ok_or(MISSING)
}
