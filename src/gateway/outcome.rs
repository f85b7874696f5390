//! What a call came to: the JSON that the client gets, and the one line that the log gets.
//!
//! An upstream failure is an outcome like any other: `{"success": false, "error": {"message",
//! "status_code", "error_code", "retry_after"?, "request_id"}}`, with the upstream's own status and
//! code. Nothing else of an upstream's body is passed on, and nothing of any body is logged.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use serde::Serialize;
use serde_json::Value;

use super::Visit;
use super::admit::Limited;
use super::call::{Answer, CallFailure};
use super::data::data;
use crate::catalog::InvalidArguments;
use crate::domain::bearer::Bearer;
use crate::domain::call::AuthorizedCall;
use crate::domain::jq::RunError;
use crate::domain::provider::{Provider, ResultShape};
use crate::domain::tenant::Tenant;
use crate::domain::tool::{ResponseRule, Tool};
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
    REPEATED,
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

/// An answer of an earlier call that was given again: nothing was asked or done upstream.
pub(super) const REPEATED: &str = "repeated";

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
    /// The answer of an earlier call.
    pub(super) fn repeated(json: &str) -> Self {
        Self {
            json: json.to_owned(),
            is_error: false,
            code: REPEATED,
            status: None,
        }
    }

    pub(super) fn is_success(&self) -> bool {
        self.code == "ok"
    }

    pub(super) fn of(
        call: &AuthorizedCall<'_>,
        provider: Option<&Provider>,
        result: Result<Answer<'_>, CallFailure>,
        request_id: &str,
    ) -> Self {
        let Some(provider) = provider else {
            return Self::no_credential(call, request_id);
        };
        match result {
            Ok(Answer::Reply(bearer, reply, _)) if !reply.status.is_success() => {
                let hint = call.tool().hints.get(&reply.status.as_u16());
                Self::of_error_reply(provider, &bearer, &reply, hint, request_id)
            }
            Ok(Answer::Reply(_, reply, rule)) => Self::of_reply(rule, provider, &reply, request_id),
            Ok(Answer::Made(json, frame)) => Self::made(frame.unwrap_or(&provider.result), &json),
            Ok(Answer::Failure(json)) => Self {
                json,
                is_error: true,
                code: "profile_error",
                status: None,
            },
            Err(failure) => Self::of_failure(call, provider, failure, request_id),
        }
    }

    fn of_failure(
        call: &AuthorizedCall<'_>,
        provider: &Provider,
        failure: CallFailure,
        request_id: &str,
    ) -> Self {
        let failed =
            |code, message: &str| Self::failure(code, message, Details::default(), request_id);
        match failure {
            CallFailure::Refused(refused) => {
                let (bearer, reply) = (&refused.bearer, &refused.reply);
                Self::of_error_reply(provider, bearer, reply, refused.hint.as_ref(), request_id)
            }
            CallFailure::Malformed(status) => Self::malformed(status, request_id),
            CallFailure::Check(message) => failed("invalid_arguments", &message),
            CallFailure::Unchecked(error) => {
                let message = format!("The arguments cannot be checked: {}.", words(&error));
                failed("invalid_arguments", &message)
            }
            CallFailure::Unaskable(step) => {
                let message = format!(
                    "What the provider answered leaves nothing for step `{step}` to ask for: it is \
                     a part of the request's path, and empty, `.` or `..`."
                );
                failed("upstream_malformed", &message)
            }
            CallFailure::TooLarge => failed(
                "profile_failed",
                "The provider's answers are too large together for one call; ask for less.",
            ),
            CallFailure::Program(step, error) => {
                let message = format!(
                    "The profile's `{step}` cannot work with what the provider answered: {}.",
                    words(&error)
                );
                failed("profile_failed", &message)
            }
            CallFailure::TooMany(step, most) => {
                let message = format!(
                    "Step `{step}` would ask the provider for more than {most} things at once; \
                     ask for fewer."
                );
                failed("invalid_arguments", &message)
            }
            CallFailure::Limited(limited) => Self::limited(call, &limited, request_id),
            CallFailure::Login(error) => Self::of_login(&error, request_id),
            CallFailure::Upstream(error) => Self::of_upstream(&error, request_id),
            CallFailure::NoCredential => Self::no_credential(call, request_id),
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
        rule: &ResponseRule,
        provider: &Provider,
        reply: &UpstreamReply,
        request_id: &str,
    ) -> Self {
        match data(rule, reply) {
            Some(data) => Self {
                status: Some(reply.status.as_u16()),
                ..Self::made(&provider.result, &data)
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

    /// Data in its frame.
    fn made(frame: &ResultShape, data: &str) -> Self {
        Self {
            json: [&frame.before, data, &frame.after].concat(),
            is_error: false,
            code: "ok",
            status: None,
        }
    }

    fn of_error_reply(
        provider: &Provider,
        bearer: &Bearer,
        reply: &UpstreamReply,
        hint: Option<&String>,
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
        if let Some(hint) = hint.or_else(|| provider.errors.hints.get(&status)) {
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

/// What a program says went wrong: `error("…")` may have anything in it.
fn words(error: &RunError) -> String {
    let text = error.to_string();
    let plain = text.chars().filter(|c| !c.is_control());
    plain.take(MAX_MESSAGE).collect()
}
