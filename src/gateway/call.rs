//! A call, from its tool's name to what its client is told.

use http::StatusCode;

use super::admit::{Limited, Permit};
use super::kept::Attendance;
use super::recorder::Recording;
use super::send::{self, Errand};
use super::{CallOutcome, Gateway, NotCalled, Visit, outcome};
use crate::domain::bearer::Bearer;
use crate::domain::call::{Arguments, AuthorizedCall};
use crate::domain::jq::RunError;
use crate::domain::origin::Origin;
use crate::domain::principal::PrincipalKind;
use crate::domain::provider::ResultShape;
use crate::domain::span::Attribute;
use crate::domain::tool::{ResponseRule, Run};
use crate::token::LoginError;
use crate::upstream::{Asked, UpstreamError, UpstreamReply};

/// What a call came to.
pub(super) enum Answer<'a> {
    /// What the upstream answered, whatever its status, and how it becomes data.
    Reply(Bearer, UpstreamReply, &'a ResponseRule),
    /// What steps made of several answers: JSON, and its frame where it has one of its own.
    Made(String, Option<&'a ResultShape>),
    /// An error in the profile's own words: JSON.
    Failure(String),
}

/// Why a call did not get an answer to work with.
pub(super) enum CallFailure {
    NoCredential,
    Limited(Limited),
    Login(LoginError),
    Upstream(UpstreamError),
    /// The arguments do not go together, in the profile's words.
    Check(String),
    /// The arguments are none that the profile's checks can work with.
    Unchecked(RunError),
    /// A step was answered with an error.
    Refused(Box<Refused>),
    /// A step's answer is not what it is documented to be.
    Malformed(StatusCode),
    /// What a step is to ask for, out of other answers, is nothing that can be asked for.
    Unaskable(String),
    /// The answers to a call's steps take more room than one call may take.
    TooLarge,
    /// A program of the profile's did not work.
    Program(String, RunError),
    /// A step would make more requests than so many.
    TooMany(String, usize),
}

/// An error that a step was answered with.
pub(super) struct Refused {
    pub(super) bearer: Bearer,
    pub(super) reply: UpstreamReply,
    /// What the profile says about it there.
    pub(super) hint: Option<String>,
}

impl From<Limited> for CallFailure {
    fn from(limited: Limited) -> Self {
        Self::Limited(limited)
    }
}

impl Gateway {
    pub(super) async fn make_call(
        &self,
        visit: &Visit,
        tool: &str,
        arguments: Arguments,
        (origin, attended): (&Origin, Attendance),
    ) -> Result<CallOutcome, NotCalled> {
        let request_id = origin.id().as_str();
        let edition = &visit.edition;
        let entry = edition.catalog.tool(tool).ok_or(NotCalled::UnknownTool)?;
        if !visit.admits(&entry.tool) {
            let now = self.clock.now();
            self.recorder.denied(visit, entry, origin, now);
            return Err(NotCalled::UnknownTool);
        }
        origin.note(Attribute::Tool(&entry.tool.name));
        origin.note(Attribute::Provider(&entry.tool.provider));
        let environment = &visit.tenant().environment;
        let ongoing = edition.meters.begin(&entry.tool, environment, &self.clock);
        let (clock, started) = (&self.clock, ongoing.started());
        let route = visit.place.route(&entry.tool.provider);
        // Where they are is known by now.
        if let Some(route) = route {
            route.account.token_ahead();
        }
        let begun = self.recorder.begin(visit, entry, origin, clock, started);
        let Ok(recording) = begun.await else {
            ongoing.end(outcome::UNRECORDED);
            return Err(NotCalled::Unrecorded);
        };
        match &visit.place.gate {
            Some(gate) => gate.count_call(started),
            None => self.admission.count_ungated(visit.tenant(), started),
        }
        let outcome = match entry.schema.check(arguments) {
            Err(mistakes) => CallOutcome::invalid_arguments(&mistakes, request_id),
            Ok(arguments) => {
                let here = (visit.tenant(), visit.place.settings.as_ref());
                let (principal, tool) = (&visit.principal, &entry.tool);
                let call = AuthorizedCall::authorize(principal, here, tool, arguments, origin)
                    .map_err(|_| NotCalled::UnknownTool)?;
                let answer = self.answer(&call, visit, &recording, attended).await;
                answer.ok_or(NotCalled::Abandoned)?
            }
        };
        let (now, elapsed) = ongoing.end(outcome.code);
        recording.end(outcome.code, now);
        if let Some(route) = route {
            route.count(outcome.code, outcome.status, now);
        }
        origin.note(Attribute::Outcome(outcome.code));
        outcome.log(visit, &entry.tool, request_id, elapsed);
        Ok(outcome)
    }

    /// The answer of an authorized call: one that is kept, or a new one. `None`: nobody waits for it
    /// any more, or it may not be made any more.
    async fn answer(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
        recording: &Recording<'_>,
        attended: Attendance,
    ) -> Option<CallOutcome> {
        let tool = call.tool();
        let outcome = match (&tool.keep, visit.place.route(&tool.provider)) {
            (Some(keep), Some(route)) => {
                let version = route.account.credential.id;
                let now = || self.clock.now();
                let whose = (version, visit.edition.number);
                let new = async {
                    // It may have waited for others; who may call is asked as for a new one.
                    let may = visit.principal.kind == PrincipalKind::Local
                        || self.revisit(visit).is_ok_and(|now| now.admits(tool));
                    match may {
                        true => Some(self.new_answer(call, visit, recording).await),
                        false => None,
                    }
                };
                let made = self.kept.or_make((call, keep), whose, now, attended, new);
                Box::pin(made).await
            }
            // Without a credential nothing is given, kept or not.
            (None, _) | (_, None) => Some(self.new_answer(call, visit, recording).await),
        };
        self.kept.forget(call, &tool.forgets);
        outcome
    }

    async fn new_answer(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
        recording: &Recording<'_>,
    ) -> CallOutcome {
        let result = self.run(call, visit, recording).await;
        let provider = visit.provider_of(call.tool());
        let request_id = call.origin().id().as_str();
        CallOutcome::of(call, provider, result, request_id)
    }

    async fn run<'a>(
        &'a self,
        call: &'a AuthorizedCall<'a>,
        visit: &Visit,
        recording: &Recording<'_>,
    ) -> Result<Answer<'a>, CallFailure> {
        let only = match &call.tool().run {
            Run::Request(only) => only,
            // A call of one request does not carry the state of many.
            Run::Steps(plan) => {
                return Box::pin(self.run_steps(plan, call, visit, recording)).await;
            }
        };
        let permit = self.admit(call, visit).await?;
        let errand = Errand {
            call,
            visit,
            permit: &permit,
            recording,
        };
        let asked = Asked::new(&only.request, call.arguments());
        let (bearer, reply) = self.exchange(errand, &asked).await?;
        Ok(Answer::Reply(bearer, reply, &only.response))
    }

    /// Waits for a place among the calls that are under way.
    pub(super) async fn admit<'a>(
        &'a self,
        call: &AuthorizedCall<'_>,
        visit: &'a Visit,
    ) -> Result<Permit<'a>, CallFailure> {
        send::route(&visit.place, call)?;
        let gate = visit.place.gate.as_deref();
        let gate = gate.ok_or(CallFailure::NoCredential)?;
        let now = self.clock.now();
        let permit = self.admission.admit(call.tenant(), gate, now).await;
        permit.map_err(CallFailure::Limited)
    }
}
