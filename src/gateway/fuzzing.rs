//! What a client is told of an upstream's answer, for `fuzz/`: exists with `--cfg fuzzing` only.

use super::CallOutcome;
use super::call::Answer;
use super::outcome::WORDS;
use crate::domain::bearer::Bearer;
use crate::domain::call::AuthorizedCall;
use crate::domain::provider::Provider;
use crate::domain::tool::ResponseRule;
use crate::upstream::UpstreamReply;

pub fn outcome(
    call: &AuthorizedCall<'_>,
    provider: &Provider,
    (rule, bearer, reply): (&ResponseRule, Bearer, UpstreamReply),
    request_id: &str,
) -> CallOutcome {
    CallOutcome::of(
        call,
        Some(provider),
        Ok(Answer::Reply(bearer, reply, rule)),
        request_id,
    )
}

/// How calls may end.
pub fn words() -> &'static [&'static str] {
    WORDS
}
