//! What the programs of a call see, and the work that they may do.

use std::sync::OnceLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::super::call::CallFailure;
use super::super::{Gateway, Visit};
use crate::domain::call::AuthorizedCall;
use crate::domain::jq::{Program, Reshape, RunError, Tape, Value, Variables, Work};
use crate::domain::steps::Check;

/// After a program that did more, other calls get their turn: about a millisecond's work.
const BRIEF: u64 = 10_000;

pub(super) struct Scene<'a> {
    call: &'a AuthorizedCall<'a>,
    now: Timestamp,
    zone: TimeZone,
    /// Made when a program first sees them: many see none.
    variables: OnceLock<Variables>,
    /// For all programs of the call but the checks.
    work: Work,
}

impl<'a> Scene<'a> {
    pub(super) fn new(
        gateway: &Gateway,
        call: &'a AuthorizedCall<'a>,
        visit: &Visit,
    ) -> Result<Self, CallFailure> {
        let provider = visit.provider_of(call.tool());
        let provider = provider.ok_or(CallFailure::NoCredential)?;
        Ok(Self {
            call,
            now: gateway.clock.now(),
            zone: provider.time_zone.clone(),
            variables: OnceLock::new(),
            work: Work::of_call(),
        })
    }

    fn variables(&self) -> &Variables {
        self.variables.get_or_init(|| self.first_variables())
    }

    fn first_variables(&self) -> Variables {
        let today = self.zone.to_datetime(self.now).date().to_string();
        let tenant = self.call.tenant();
        let values = self.call.settings().into_iter();
        let values = values.flat_map(|one| &one.values);
        let values = values.map(|(name, value)| (name.as_str(), Value::from(value.as_str())));
        let org = [
            ("slug", Value::from(tenant.slug.as_str())),
            ("environment", Value::from(tenant.environment.as_str())),
            ("settings", Value::object(values)),
        ];
        Variables {
            args: Value::from(self.call.arguments()),
            steps: Value::object([]),
            org: Value::object(org),
            now: Value::from(isize::try_from(self.now.as_second()).unwrap_or_default()),
            today: Value::from(today),
        }
    }

    /// What the steps before came to, for programs from now on.
    pub(super) fn set_steps(&mut self, steps: Value) {
        let made = self.variables.take();
        let made = made.unwrap_or_else(|| self.first_variables());
        self.variables = OnceLock::from(Variables { steps, ..made });
    }

    /// Checks the arguments as the profile says. Nothing limits yet how often, so it is little work.
    pub(super) fn check(&self, checks: &[Check]) -> Result<(), CallFailure> {
        let work = Work::of_checks();
        for check in checks {
            let holds = self.run("checks", &check.require, Value::null(), &work);
            if !holds.map_err(CallFailure::Unchecked)?.is_true() {
                return Err(CallFailure::Check(check.message.clone()));
            }
        }
        Ok(())
    }

    /// What a program of a step comes to.
    pub(super) async fn eval(
        &self,
        step: &str,
        program: &Program,
        input: Value,
    ) -> Result<Value, CallFailure> {
        let before = self.left();
        let value = self.run(step, program, input, &self.work);
        self.give_way(before).await;
        value.map_err(|error| CallFailure::Program(step.to_owned(), error))
    }

    /// The work that is left.
    pub(super) fn left(&self) -> u64 {
        self.work.left()
    }

    /// Lets other calls have their turn, if much was done since.
    pub(super) async fn give_way(&self, before: u64) {
        if before - self.left() > BRIEF {
            tokio::task::yield_now().await;
        }
    }

    /// What a program makes of a document, where it only chooses and arranges.
    pub(super) fn reshape(&self, reshape: &Reshape, tape: &Tape<'_>) -> Option<String> {
        reshape.run(tape, || self.variables(), &self.work)
    }

    fn run(
        &self,
        step: &str,
        program: &Program,
        input: Value,
        work: &Work,
    ) -> Result<Value, RunError> {
        let value = program.run(input, self.variables(), &self.zone, work);
        if let Err(error) = &value {
            // Which, and how: its text may be the profile's own, with anything in it.
            tracing::warn!(
                request_id = self.call.origin().id().as_str(),
                tool = %self.call.tool().name,
                step,
                kind = error.kind(),
                "a program of a profile failed"
            );
        }
        value
    }
}
