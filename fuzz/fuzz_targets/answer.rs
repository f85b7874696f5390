//! Answers of upstreams to calls. Whatever comes, the client gets sound JSON: data as it came, or an
//! error with status and a short message in which nothing is repeated that was sent.

#![no_main]

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use locum::catalog::{Catalog, Entry};
use locum::domain::bearer::{AppliedHeader, Bearer, TokenHeaders};
use locum::domain::call::{Arguments, AuthorizedCall};
use locum::domain::credential::CredentialVersionId;
use locum::domain::origin::{Origin, RequestId};
use locum::domain::principal::Principal;
use locum::domain::provider::HeaderPlace;
use locum::domain::tenant::Tenant;
use locum::domain::tool::{ResponseKind, ResponseRule, Run};
use locum::gateway::{CallOutcome, fuzzing as gateway};
use locum::net::retry_after;
use locum::upstream::UpstreamReply;
use locum_fuzz::{Message, acme, principal, tenant};
use serde_json::Value;
use uuid::Uuid;

/// What was sent: a token, and a client id that is a number.
const SENT: [(&str, &str); 2] = [
    ("authorization", "token-synthetic"),
    ("client-id", "4711000815"),
];
const REQUEST_ID: Uuid = Uuid::from_u128(3);

static CATALOG: LazyLock<Catalog> = LazyLock::new(acme);
static CALLER: LazyLock<(Tenant, Principal)> = LazyLock::new(|| {
    let tenant = tenant();
    let principal = principal(&tenant);
    (tenant, principal)
});

fuzz_target!(|data: &[u8]| {
    let Message {
        first,
        headers,
        body,
    } = Message::read(data);
    let Ok(status) = first.parse::<StatusCode>() else {
        return;
    };
    for entry in CATALOG.tools() {
        let reply = UpstreamReply {
            status,
            retry_after: retry_after(&headers),
            content_type: headers.get(CONTENT_TYPE).cloned(),
            body: Bytes::copy_from_slice(body),
        };
        let Run::Request(only) = &entry.tool.run else {
            continue;
        };
        let outcome = outcome(entry, &only.response, reply);
        let json: Value = serde_json::from_str(&outcome.json).expect("sound JSON");
        assert!(gateway::words().contains(&outcome.code), "{}", outcome.code);
        assert_eq!(outcome.status, Some(status.as_u16()));
        assert_eq!(json["success"], !outcome.is_error);
        match outcome.is_error {
            true => check_error(&json["error"], status),
            false => check_data(&json["data"], &only.response, status, body),
        }
    }
});

fn outcome(entry: &Entry, rule: &ResponseRule, reply: UpstreamReply) -> CallOutcome {
    let (tenant, principal) = &*CALLER;
    let origin = Origin::new(RequestId::new(REQUEST_ID));
    let call = AuthorizedCall::authorize(
        principal,
        (tenant, None),
        &entry.tool,
        Arguments::new(),
        &origin,
    );
    let call = call.unwrap_or_else(|denied| panic!("{denied}"));
    let headers = SENT.map(|(name, secret)| AppliedHeader {
        place: Arc::new(HeaderPlace {
            path: None,
            name: HeaderName::from_static(name),
        }),
        value: HeaderValue::from_str(&format!("Bearer {secret}")).expect("a value"),
    });
    let token = TokenHeaders {
        tenant: tenant.clone(),
        version: CredentialVersionId(Uuid::from_u128(2)),
        generation: 1,
        headers: headers.into_iter().collect(),
        more: (),
    };
    let bearer = Bearer::for_call(&call, Arc::new(token));
    let provider = CATALOG.provider("acme").expect("the provider");
    gateway::outcome(&call, provider, (rule, bearer, reply), origin.id().as_str())
}

fn check_data(data: &Value, rule: &ResponseRule, status: StatusCode, body: &[u8]) {
    assert!(status.is_success(), "{status}");
    let body = str::from_utf8(body).expect("a text");
    if body.trim_ascii().is_empty() {
        return assert_eq!(*data, rule.empty.clone().unwrap_or_default());
    }
    match rule.kind {
        ResponseKind::Text => assert_eq!(*data, body),
        ResponseKind::Bytes => assert!(data["data"].is_string()),
        ResponseKind::Json => {
            let body = body.strip_prefix('\u{feff}').unwrap_or(body);
            let strict: Value = serde_json::from_str(body).expect("JSON for everybody");
            assert_eq!(*data, strict, "data is passed on as it came");
        }
    }
}

fn check_error(error: &Value, status: StatusCode) {
    assert_eq!(error["status_code"], status.as_u16());
    assert_eq!(error["request_id"], REQUEST_ID.simple().to_string());
    let texts = ["message", "error_code"].map(|key| error[key].as_str().expect("a text"));
    for text in texts {
        assert!(!text.is_empty() && text.chars().count() < 500, "{text}");
        assert!(!text.contains(char::is_control), "{text:?}");
        for (name, secret) in SENT {
            assert!(!text.contains(secret), "{name} in: {text}");
        }
    }
    let wait = error["retry_after"].as_u64().unwrap_or_default();
    assert!(wait <= 86_400, "{wait}");
}
