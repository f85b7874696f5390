//! What a call came to: the JSON that the client gets, and the one line that the log gets.
//!
//! An upstream failure is an outcome like any other: `{"success": false, "error": {"message",
//! "status_code", "error_code", "retry_after"?, "request_id"}}`, with the upstream's own status and
//! code. Nothing else of an upstream's body is passed on, and nothing of any body is logged.

use std::borrow::Cow;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

use super::run::MAX_ITEMS;
use super::{Answer, CallFailure, Limited, Visit};
use crate::catalog::InvalidArguments;
use crate::domain::bearer::Bearer;
use crate::domain::call::AuthorizedCall;
use crate::domain::json::sound;
use crate::domain::provider::Provider;
use crate::domain::tenant::Tenant;
use crate::domain::tool::{ResponseKind, ResponseRule, Run, Tool};
use crate::token::LoginError;
use crate::upstream::{UpstreamError, UpstreamReply};

/// A call whose client went away, or that was not done within `limits.call_timeout`.
pub(super) const ABORTED: &str = "aborted";

/// A call that was not made, because it could not be recorded before (`audit.strict`).
pub(super) const UNRECORDED: &str = "audit_unavailable";

/// A call of a tool that the key does not cover, in the audit log alone: its client is told that
/// there is no such tool.
pub(super) const DENIED: &str = "denied";

/// How calls end: the values of [`CallOutcome::code`], and [`ABORTED`].
pub(super) const WORDS: &[&str] = &[
    "ok",
    "invalid_arguments",
    "no_credential",
    "limited_per_minute",
    "limited_per_day",
    "limited_concurrency",
    "gateway_busy",
    "upstream_unauthorized",
    "upstream_rate_limited",
    "upstream_refused",
    "upstream_redirect",
    "upstream_error",
    "upstream_malformed",
    "upstream_unavailable",
    "credential_refused",
    "token_rejected",
    "credential_incomplete",
    "credential_sealed",
    "credential_revoked",
    "login_rate_limited",
    "login_unavailable",
    "login_malformed",
    "profile_error",
    "profile_failed",
    UNRECORDED,
    ABORTED,
];

/// A longer message of an upstream is cut.
const MAX_MESSAGE: usize = 300;

/// A longer error body is not looked into.
const MAX_ERROR_BODY: usize = 64 * 1024;

/// The result of a call. No `Debug`: it may hold secrets or patient data.
pub struct CallOutcome {
    /// JSON: data as the profile shapes it, or the error object.
    pub json: String,
    pub is_error: bool,
    /// A stable word for logs and metrics; `ok` when there is no error.
    pub code: &'static str,
    /// The upstream's status, where there was one.
    pub status: Option<u16>,
}

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    error: FailureDetail<'a>,
}

#[derive(Serialize)]
struct FailureDetail<'a> {
    message: &'a str,
    status_code: Option<u16>,
    error_code: &'a str,
    /// In seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    request_id: &'a str,
}

/// What is said of a failure besides its code.
#[derive(Default)]
struct Details<'a> {
    status: Option<u16>,
    upstream_code: Option<&'a str>,
    retry_after: Option<Duration>,
}

impl CallOutcome {
    pub(super) fn of(
        call: &AuthorizedCall<'_>,
        provider: Option<&Provider>,
        result: Result<Answer, CallFailure>,
        request_id: &str,
    ) -> Self {
        match (result, provider) {
            (Ok(Answer::Reply(bearer, reply)), Some(provider)) if !reply.status.is_success() => {
                Self::of_error_reply(call, provider, &bearer, &reply, request_id)
            }
            (Ok(Answer::Reply(_, reply)), Some(provider)) => {
                Self::of_reply(call, provider, &reply, request_id)
            }
            (Ok(Answer::Made { json, is_error }), Some(provider)) => {
                Self::made(call, provider, json, is_error)
            }
            (Err(CallFailure::Refused(refused)), Some(provider)) => {
                let (bearer, reply) = &*refused;
                Self::of_error_reply(call, provider, bearer, reply, request_id)
            }
            (Err(CallFailure::Malformed(status)), _) => Self::malformed(status, request_id),
            (Err(CallFailure::Check(message)), _) => {
                let details = Details::default();
                Self::failure("invalid_arguments", &message, details, request_id)
            }
            (Err(CallFailure::Program(step, error)), _) => {
                let message = format!(
                    "The profile's `{step}` cannot work with what the provider answered: {error}."
                );
                Self::failure("profile_failed", &message, Details::default(), request_id)
            }
            (Err(CallFailure::TooMany(step)), _) => {
                let message = format!(
                    "Step `{step}` would ask the provider for more than {MAX_ITEMS} things at once; \
                     ask for fewer."
                );
                Self::failure("profile_failed", &message, Details::default(), request_id)
            }
            (Err(CallFailure::Limited(limited)), _) => Self::limited(call, &limited, request_id),
            (Err(CallFailure::Login(error)), _) => Self::of_login(&error, request_id),
            (Err(CallFailure::Upstream(error)), _) => Self::of_upstream(&error, request_id),
            (Err(CallFailure::NoCredential | CallFailure::Refused(_)) | Ok(_), _) => {
                Self::no_credential(call, request_id)
            }
        }
    }

    /// The arguments do not fit the schema.
    pub(super) fn invalid_arguments(mistakes: &InvalidArguments, request_id: &str) -> Self {
        let message = format!("The arguments do not fit: {}.", mistakes.0.join("; "));
        Self::failure(
            "invalid_arguments",
            &message,
            Details::default(),
            request_id,
        )
    }

    fn no_credential(call: &AuthorizedCall<'_>, request_id: &str) -> Self {
        let message = format!(
            "Organization `{}` has no active credential for `{}` in environment `{}`; \
             an administrator can add one.",
            call.tenant().slug,
            call.tool().provider,
            call.tenant().environment
        );
        Self::failure("no_credential", &message, Details::default(), request_id)
    }

    fn limited(call: &AuthorizedCall<'_>, limited: &Limited, request_id: &str) -> Self {
        let Tenant {
            slug, environment, ..
        } = call.tenant();
        let of = format!("organization `{slug}` in environment `{environment}`");
        let message = match limited {
            Limited::Minute { limit, .. } => {
                format!("The limit of {limit} upstream requests a minute for {of} is used up.")
            }
            Limited::Day { limit, .. } => {
                format!("The limit of {limit} upstream requests a day (UTC) for {of} is used up.")
            }
            Limited::Tenant { limit } => {
                format!("All of the {limit} calls at a time for {of} are under way.")
            }
            Limited::Gateway => "The gateway has as many calls under way as it may.".to_owned(),
            Limited::Paused { .. } => format!("The provider asked {of} to wait."),
        };
        let details = Details {
            retry_after: Some(limited.wait()),
            ..Details::default()
        };
        Self::failure(limited.code(), &message, details, request_id)
    }

    fn of_reply(
        call: &AuthorizedCall<'_>,
        provider: &Provider,
        reply: &UpstreamReply,
        request_id: &str,
    ) -> Self {
        let rule = match &call.tool().run {
            Run::Request(only) => &only.response,
            Run::Steps(_) => return Self::malformed(reply.status, request_id),
        };
        match data(rule, reply) {
            Some(data) => Self {
                json: [
                    &provider.result.before,
                    data.as_ref(),
                    &provider.result.after,
                ]
                .concat(),
                is_error: false,
                code: "ok",
                status: Some(reply.status.as_u16()),
            },
            None => Self::malformed(reply.status, request_id),
        }
    }

    fn malformed(status: StatusCode, request_id: &str) -> Self {
        let message = "The provider's answer is not what it is documented to be (no JSON).";
        let details = Details {
            status: Some(status.as_u16()),
            ..Details::default()
        };
        Self::failure("upstream_malformed", message, details, request_id)
    }

    /// What steps made: an answer in its frame, or an error in the profile's own words.
    fn made(call: &AuthorizedCall<'_>, provider: &Provider, json: String, is_error: bool) -> Self {
        if is_error {
            return Self {
                json,
                is_error,
                code: "profile_error",
                status: None,
            };
        }
        let frame = match &call.tool().run {
            Run::Steps(plan) => plan.frame.as_ref(),
            Run::Request(_) => None,
        };
        let frame = frame.unwrap_or(&provider.result);
        Self {
            json: [&frame.before, json.as_str(), &frame.after].concat(),
            is_error,
            code: "ok",
            status: None,
        }
    }

    fn of_error_reply(
        call: &AuthorizedCall<'_>,
        provider: &Provider,
        bearer: &Bearer,
        reply: &UpstreamReply,
        request_id: &str,
    ) -> Self {
        let status = reply.status.as_u16();
        // A tree of values is many times as large as its text: no message is looked for in a long one.
        let small = reply.body.len() <= MAX_ERROR_BODY;
        let body = small
            .then(|| serde_json::from_slice::<Value>(&reply.body).ok())
            .flatten();
        let body = body.unwrap_or_default();
        let words =
            |pointers: &[String]| pointers.iter().find_map(|p| text(body.pointer(p)?, bearer));
        let mut message = match words(&provider.errors.message) {
            Some(message) => {
                let message = message.trim_end().trim_end_matches('.');
                format!("The provider answered {status}: {message}.")
            }
            None => format!("The provider answered {status}."),
        };
        let hints = [&call.tool().hints, &provider.errors.hints];
        if let Some(hint) = hints.into_iter().find_map(|hints| hints.get(&status)) {
            message.push(' ');
            message.push_str(hint);
        }
        let code = match reply.status {
            StatusCode::UNAUTHORIZED => "upstream_unauthorized",
            StatusCode::TOO_MANY_REQUESTS => "upstream_rate_limited",
            status if status.is_redirection() => "upstream_redirect",
            status if status.is_client_error() => "upstream_refused",
            _ => "upstream_error",
        };
        let upstream_code = words(&provider.errors.code);
        let details = Details {
            status: Some(status),
            upstream_code: upstream_code.as_deref(),
            retry_after: reply.retry_after,
        };
        Self::failure(code, &message, details, request_id)
    }

    fn of_login(error: &LoginError, request_id: &str) -> Self {
        // What exactly is wrong with a credential is for its administrators: it is in the log.
        let message = match error.code() {
            "credential_refused" | "token_rejected" => {
                "The provider refused the organization's credential; \
                 an administrator has to look at it."
            }
            "credential_incomplete" | "credential_sealed" | "credential_revoked" => {
                "The organization's credential cannot be used; an administrator has to look at it."
            }
            _ => "The provider's login is not available at present.",
        };
        let details = Details {
            status: error.status(),
            retry_after: error.retry_after(),
            ..Details::default()
        };
        Self::failure(error.code(), message, details, request_id)
    }

    fn of_upstream(error: &UpstreamError, request_id: &str) -> Self {
        let mut message = error.to_string();
        message[..1].make_ascii_uppercase();
        message.push('.');
        Self::failure(error.code(), &message, Details::default(), request_id)
    }

    fn failure(code: &'static str, message: &str, details: Details<'_>, request_id: &str) -> Self {
        let retry_after = details.retry_after.map(whole_seconds);
        let message = match retry_after {
            Some(seconds) => format!("{message} Retry after {seconds} seconds.").into(),
            None => Cow::Borrowed(message),
        };
        let error = FailureDetail {
            message: &message,
            status_code: details.status,
            error_code: details.upstream_code.unwrap_or(code),
            retry_after,
            request_id,
        };
        let json = serde_json::to_string(&Failure {
            success: false,
            error,
        })
        .unwrap_or_default();
        Self {
            json,
            is_error: true,
            code,
            status: details.status,
        }
    }

    /// The one line that a call leaves: who, for whom, what, how it ended.
    pub(super) fn log(&self, visit: &Visit, tool: &Tool, request_id: &str, elapsed: Duration) {
        tracing::info!(
            target: "locum::call",
            request_id,
            tenant = %visit.tenant(),
            principal = &*visit.principal().id,
            tool = %tool.name,
            outcome = self.code,
            status = self.status,
            micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX),
            "call"
        );
    }
}

/// Rounded up: who waits as long does not come too early.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// The data of a successful answer as JSON, or `None` when it is not what the profile says.
pub(super) fn data<'a>(rule: &ResponseRule, reply: &'a UpstreamReply) -> Option<Cow<'a, str>> {
    if reply.body.iter().all(u8::is_ascii_whitespace) {
        let empty = rule.empty.as_ref().unwrap_or(&Value::Null);
        return Some(empty.to_string().into());
    }
    match rule.kind {
        ResponseKind::Json => Some(sound(&reply.body)?.into()),
        ResponseKind::Text => {
            let text = std::str::from_utf8(&reply.body).ok()?;
            Some(Value::from(text).to_string().into())
        }
        ResponseKind::Bytes => {
            let kind = reply.content_type.as_ref();
            let kind = kind.and_then(|kind| kind.to_str().ok());
            let data = BASE64_STANDARD.encode(&reply.body);
            Some(
                json!({"content_type": kind, "data": data})
                    .to_string()
                    .into(),
            )
        }
    }
}

/// A message or code: a short string, or a number. An upstream may repeat what it was sent, and
/// control characters are gone before it is looked for: they would hide a secret and then join it.
fn text(value: &Value, bearer: &Bearer) -> Option<String> {
    let plain = match value {
        Value::String(text) => text.chars().filter(|c| !c.is_control()).collect(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    let text: String = bearer.conceal(&plain).chars().take(MAX_MESSAGE).collect();
    (!text.is_empty()).then_some(text)
}
