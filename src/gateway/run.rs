//! Running a tool's steps: round by round, those of a round side by side.
//!
//! Each request goes the way of every request: the call's own tenant and permit, counted for the
//! limits before it is sent. A call makes its requests one after the other where one needs what
//! another answered, or writes; else together.

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream;
use serde_json::Value as Json;

use super::outcome::data;
use super::recorder::Recording;
use super::send::Errand;
use super::{Answer, CallFailure, Gateway, Visit};
use crate::domain::call::{Arguments, AuthorizedCall};
use crate::domain::jq::{Program, RunError, Value, Variables};
use crate::domain::steps::{Action, ITEM, OnError, Plan, Step, StepRequest};
use crate::upstream::{Asked, UpstreamReply};

/// Requests that a step makes at most, and side by side.
pub(super) const MAX_ITEMS: usize = 100;
const SIDE_BY_SIDE: usize = 10;

/// The steps of a call, and what they came to so far.
struct Course<'a> {
    gateway: &'a Gateway,
    call: &'a AuthorizedCall<'a>,
    plan: &'a Plan,
    variables: Variables,
    zone: jiff::tz::TimeZone,
    /// By the steps' order.
    values: Vec<Option<Value>>,
}

impl Gateway {
    /// Runs a tool's steps; the arguments are checked once more before anything waits or is sent.
    pub(super) async fn run_steps(
        &self,
        plan: &Plan,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
        recording: &Recording<'_>,
    ) -> Result<Answer, CallFailure> {
        let course = Course::new(self, call, plan)?;
        let permit = self.admit(call, visit).await?;
        let errand = Errand {
            call,
            visit,
            permit: &permit,
            recording,
        };
        course.follow(errand).await
    }
}

/// What a step came to.
enum Came {
    Value(Value),
    Return(Answer),
}

impl<'a> Course<'a> {
    /// Checks the arguments as the profile says.
    fn new(
        gateway: &'a Gateway,
        call: &'a AuthorizedCall<'a>,
        plan: &'a Plan,
    ) -> Result<Self, CallFailure> {
        let provider = gateway.catalog.provider(call.tool().provider.as_str());
        let provider = provider.ok_or(CallFailure::NoCredential)?;
        let (now, zone) = (gateway.clock.now(), provider.time_zone.clone());
        let today = zone.to_datetime(now).date().to_string();
        let tenant = call.tenant();
        let org = [
            ("slug", Value::from(tenant.slug.as_str())),
            ("environment", Value::from(tenant.environment.as_str())),
        ];
        let course = Self {
            gateway,
            call,
            plan,
            variables: Variables {
                args: Value::from(&Json::Object(call.arguments().clone())),
                steps: Value::object([]),
                org: Value::object(org),
                now: Value::from(isize::try_from(now.as_second()).unwrap_or_default()),
                today: Value::from(today),
            },
            zone,
            values: plan.steps.iter().map(|_| None).collect(),
        };
        for check in &plan.checks {
            if !course
                .eval("checks", &check.require, Value::null())?
                .is_true()
            {
                return Err(CallFailure::Check(check.message.clone()));
            }
        }
        Ok(course)
    }

    async fn follow(mut self, errand: Errand<'_>) -> Result<Answer, CallFailure> {
        for round in &self.plan.rounds {
            let steps = round.iter().filter_map(|index| self.plan.steps.get(*index));
            let came = join_all(steps.map(|step| self.step(errand, step))).await;
            for (index, came) in round.iter().zip(came) {
                match came? {
                    Came::Return(answer) => return Ok(answer),
                    Came::Value(value) => {
                        if let Some(place) = self.values.get_mut(*index) {
                            *place = Some(value);
                        }
                    }
                }
            }
            self.variables.steps = self.steps_so_far();
        }
        let last = self.values.last_mut().and_then(Option::take);
        let output = &self.plan.output;
        let value = self.eval("output", output, last.unwrap_or_else(Value::null))?;
        answer("output", &value, false)
    }

    fn steps_so_far(&self) -> Value {
        let steps = self.plan.steps.iter().zip(&self.values);
        let done = steps.filter_map(|(step, value)| Some((step.name.as_str(), value.clone()?)));
        Value::object(done)
    }

    async fn step(&self, errand: Errand<'_>, step: &Step) -> Result<Came, CallFailure> {
        let name = &step.name;
        if let Some(when) = &step.when
            && !self.eval(name, when, Value::null())?.is_true()
        {
            return Ok(Came::Value(Value::null()));
        }
        match &step.action {
            Action::Value(program) => Ok(Came::Value(self.eval(name, program, Value::null())?)),
            Action::Return { value, is_error } => {
                let value = self.eval(name, value, Value::null())?;
                answer(name, &value, *is_error).map(Came::Return)
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

    /// One request for each distinct item: an object of what was answered, by item.
    async fn each(
        &self,
        errand: Errand<'_>,
        (name, request): (&str, &StepRequest),
        list: &Program,
    ) -> Result<Value, CallFailure> {
        let items = distinct(&self.eval(name, list, Value::null())?);
        if items.len() > MAX_ITEMS {
            return Err(CallFailure::TooMany(name.to_owned()));
        }
        let asking = items
            .iter()
            .map(|item| self.request(errand, (name, request), Some(item)));
        let asking: Vec<_> = asking.collect();
        let answers: Vec<_> = stream::iter(asking).buffered(SIDE_BY_SIDE).collect().await;
        let mut values = Vec::with_capacity(items.len());
        for (item, answer) in items.iter().zip(answers) {
            match answer? {
                Some(value) => values.push((item.as_str(), value)),
                None if request.on_error == OnError::Skip => {}
                None => values.push((item.as_str(), Value::null())),
            }
        }
        Ok(Value::object(values))
    }

    /// `None` where it failed and may fail.
    async fn request(
        &self,
        errand: Errand<'_>,
        (name, request): (&str, &StepRequest),
        item: Option<&String>,
    ) -> Result<Option<Value>, CallFailure> {
        let mut own = Arguments::new();
        for (key, program) in &request.with {
            let input = item.map_or_else(Value::null, |item| Value::from(item.as_str()));
            let value = self.eval(name, program, input)?.to_json();
            let value = value.map_err(|_| too_large(name))?;
            own.insert(key.clone(), value);
        }
        if let Some(item) = item {
            own.insert(ITEM.to_owned(), Json::from(item.as_str()));
        }
        let exchange = &request.exchange;
        let asked = Asked::new(&exchange.request, self.call.arguments()).with(&own);
        let may_fail = request.on_error != OnError::Fail;
        let (bearer, reply) = match self.gateway.exchange(errand, &asked).await {
            Ok(answered) => answered,
            Err(CallFailure::Upstream(_)) if may_fail => return Ok(None),
            Err(failure) => return Err(failure),
        };
        if !reply.status.is_success() {
            if may_fail && is_about_the_item(&reply) {
                return Ok(None);
            }
            return Err(CallFailure::Refused(Box::new((bearer, reply))));
        }
        match data(&exchange.response, &reply) {
            Some(json) => Ok(Some(Value::parse(&json))),
            None if may_fail => Ok(None),
            None => Err(CallFailure::Malformed(reply.status)),
        }
    }

    fn eval(&self, name: &str, program: &Program, input: Value) -> Result<Value, CallFailure> {
        let value = program.run(input, &self.variables, &self.zone);
        value.map_err(|error| CallFailure::Program(name.to_owned(), error))
    }
}

/// A refused token and a limit of the upstream's say nothing about what was asked for.
fn is_about_the_item(reply: &UpstreamReply) -> bool {
    !matches!(reply.status.as_u16(), 401 | 429)
}

fn answer(name: &str, value: &Value, is_error: bool) -> Result<Answer, CallFailure> {
    let json = value.to_text().map_err(|_| too_large(name))?;
    Ok(Answer::Made { json, is_error })
}

fn too_large(name: &str) -> CallFailure {
    CallFailure::Program(name.to_owned(), RunError::TooMuch)
}

/// Texts and numbers of a list, each once, in their order; what is neither names nothing.
fn distinct(list: &Value) -> Vec<String> {
    let mut seen = Vec::new();
    for item in list.items().unwrap_or_default() {
        let Some(text) = item.name().filter(|text| !text.is_empty()) else {
            continue;
        };
        if !seen.contains(&text) {
            seen.push(text);
        }
        // It is refused already.
        if seen.len() > MAX_ITEMS {
            break;
        }
    }
    seen
}
