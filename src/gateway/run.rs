//! Running a tool's steps: round by round, those of a round side by side.
//!
//! Each request goes the way of every request: the call's own tenant and permit, counted for the
//! limits before it is sent. A call makes its requests one after the other where one needs what
//! another answered, or writes; else together. After the first that fails the call, nothing more is
//! sent.

mod request;
mod room;
mod scene;

use std::sync::Arc;

use futures_util::future::try_join_all;

use super::call::{Answer, CallFailure};
use super::recorder::Recording;
use super::send::Errand;
use super::{Gateway, Visit};
use crate::domain::call::AuthorizedCall;
use crate::domain::jq::{Program, Reshape, RunError, Value};
use crate::domain::span::{Attribute, Step as SpanStep};
use crate::domain::steps::{Action, Plan, Step, StepRequest};
use room::{Read, Room};
use scene::Scene;

/// The steps of a call, and what they came to so far.
pub(super) struct Course<'a> {
    pub(super) gateway: &'a Gateway,
    call: &'a AuthorizedCall<'a>,
    plan: &'a Plan,
    scene: Scene<'a>,
    room: Arc<Room>,
    /// By the steps' order.
    values: Vec<Option<Value>>,
}

impl Gateway {
    /// Runs a tool's steps; the arguments are checked once more before anything waits or is sent.
    pub(super) async fn run_steps<'a>(
        &'a self,
        plan: &'a Plan,
        call: &'a AuthorizedCall<'a>,
        visit: &Visit,
        recording: &Recording<'_>,
    ) -> Result<Answer<'a>, CallFailure> {
        // What waits its turn holds nothing for it.
        if !plan.checks.is_empty() {
            Scene::new(self, call, visit)?.check(&plan.checks)?;
        }
        let permit = self.admit(call, visit).await?;
        let errand = Errand {
            call,
            visit,
            permit: &permit,
            recording,
        };
        self.course(plan, call, visit)?.follow(errand).await
    }

    pub(super) fn course<'a>(
        &'a self,
        plan: &'a Plan,
        call: &'a AuthorizedCall<'a>,
        visit: &Visit,
    ) -> Result<Course<'a>, CallFailure> {
        Ok(Course {
            gateway: self,
            call,
            plan,
            scene: Scene::new(self, call, visit)?,
            room: Room::of_call(),
            values: plan.steps.iter().map(|_| None).collect(),
        })
    }
}

/// What a step came to.
enum Came<'a> {
    Value(Value),
    Return(Answer<'a>),
}

impl<'a> Course<'a> {
    async fn follow(mut self, errand: Errand<'_>) -> Result<Answer<'a>, CallFailure> {
        if let Some(reshaped) = self.plan.reshaped() {
            return self.reshape(errand, reshaped).await;
        }
        for round in &self.plan.rounds {
            let steps = round.iter().filter_map(|index| self.plan.steps.get(*index));
            let came = try_join_all(steps.map(|step| self.step(errand, step))).await?;
            for (index, came) in round.iter().zip(came) {
                match came {
                    Came::Return(answer) => return Ok(answer),
                    Came::Value(value) => self.put(*index, value),
                }
            }
            self.round_is_over();
        }
        let last = self.values.last_mut().and_then(Option::take);
        let last = last.unwrap_or_else(Value::null);
        self.output(last).await
    }

    async fn output(&self, last: Value) -> Result<Answer<'a>, CallFailure> {
        let value = self.scene.eval("output", &self.plan.output, last).await?;
        self.answer("output", &value, false)
    }

    /// The output of a tool that only chooses and arranges what one request is answered.
    async fn reshape(
        &self,
        errand: Errand<'_>,
        (name, request, reshape): (&str, &StepRequest, &Reshape),
    ) -> Result<Answer<'a>, CallFailure> {
        let before = self.scene.left();
        let read = {
            let span = self.call.origin().step(SpanStep::ToolStep);
            span.note(Attribute::ToolStep(name));
            self.reshaped(errand, (name, request), reshape).await?
        };
        self.scene.give_way(before).await;
        match read {
            Read::Reshaped(json) => Ok(Answer::Made(json, self.plan.frame.as_ref())),
            Read::Value(value) => self.output(value).await,
        }
    }

    pub(super) fn put(&mut self, index: usize, value: Value) {
        if let Some(place) = self.values.get_mut(index) {
            *place = Some(value);
        }
    }

    /// What its steps came to is there for those of the next.
    pub(super) fn round_is_over(&mut self) {
        self.scene.set_steps(self.steps_so_far());
    }

    fn steps_so_far(&self) -> Value {
        let steps = self.plan.steps.iter().zip(&self.values);
        let done = steps.filter_map(|(step, value)| Some((step.name.as_str(), value.clone()?)));
        Value::object(done)
    }

    /// Checks the arguments as the profile says.
    pub(super) fn check(&self, plan: &Plan) -> Result<(), CallFailure> {
        self.scene.check(&plan.checks)
    }

    async fn step(&self, errand: Errand<'_>, step: &Step) -> Result<Came<'a>, CallFailure> {
        let name = &step.name;
        let span = self.call.origin().step(SpanStep::ToolStep);
        span.note(Attribute::ToolStep(name));
        if !self.is_taken(step).await? {
            span.note(Attribute::Outcome("left_out"));
            return Ok(Came::Value(Value::null()));
        }
        match &step.action {
            Action::Value(program) => Ok(Came::Value(self.eval(name, program).await?)),
            Action::Return { value, is_error } => {
                let value = self.eval(name, value).await?;
                self.answer(name, &value, *is_error).map(Came::Return)
            }
            Action::Request(request) => {
                let value = match &request.for_each {
                    None => self.request(errand, (name, request), None).await?,
                    Some(list) => Some(self.each(errand, (name, request), list).await?),
                };
                Ok(Came::Value(value.unwrap_or_else(Value::null)))
            }
        }
    }

    pub(super) async fn is_taken(&self, step: &Step) -> Result<bool, CallFailure> {
        match &step.when {
            None => Ok(true),
            Some(when) => Ok(self.eval(&step.name, when).await?.is_true()),
        }
    }

    pub(super) async fn eval(&self, name: &str, program: &Program) -> Result<Value, CallFailure> {
        self.scene.eval(name, program, Value::null()).await
    }

    fn answer(&self, name: &str, value: &Value, is_error: bool) -> Result<Answer<'a>, CallFailure> {
        let json = value.to_text().map_err(|_| too_large(name))?;
        Ok(match is_error {
            true => Answer::Failure(json),
            false => Answer::Made(json, self.plan.frame.as_ref()),
        })
    }
}

fn too_large(name: &str) -> CallFailure {
    CallFailure::Program(name.to_owned(), RunError::TooMuch)
}
