//! Rehearsing a call: the requests that it would make, as far as they do not depend on what an
//! upstream answers. Nothing is sent, no secret is opened, nothing is counted or recorded.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Value as Json;
use url::Url;

use super::call::CallFailure;
use super::run::Course;
use super::{CallOutcome, Gateway, NotCalled, Visit};
use crate::domain::call::{Arguments, AuthorizedCall};
use crate::domain::jq::{Program, Value};
use crate::domain::origin::Origin;
use crate::domain::provider::Provider;
use crate::domain::steps::{Action, Plan, Step, StepRequest};
use crate::domain::tool::{RequestTemplate, Run};
use crate::upstream::{Asked, DescribedRequest};

/// What a call would do, one thing after the other.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Rehearsed {
    /// It would be sent.
    Request {
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<String>,
        request: DescribedRequest,
    },
    /// What it does depends on what other steps are answered.
    Open {
        step: String,
        needs: Vec<String>,
        /// Method and path, where it is a request.
        #[serde(skip_serializing_if = "Option::is_none")]
        request: Option<String>,
        /// One request for each item of a list.
        for_each: bool,
    },
    /// Its `when` does not hold.
    LeftOut { step: String },
    /// The call ends here.
    Answer {
        step: String,
        is_error: bool,
        answer: Json,
    },
}

impl Gateway {
    /// What a call would do; `Err`: the result that it would have without asking anybody.
    pub async fn rehearse(
        &self,
        visit: &Visit,
        tool: &str,
        arguments: Arguments,
        origin: &Origin,
    ) -> Result<Result<Vec<Rehearsed>, CallOutcome>, NotCalled> {
        let entry = visit.edition.catalog.tool(tool);
        let entry = entry.filter(|entry| visit.admits(&entry.tool));
        let entry = entry.ok_or(NotCalled::UnknownTool)?;
        let request_id = origin.id().as_str();
        let arguments = match entry.schema.check(arguments) {
            Ok(arguments) => arguments,
            Err(mistakes) => {
                return Ok(Err(CallOutcome::invalid_arguments(&mistakes, request_id)));
            }
        };
        let here = (visit.tenant(), visit.place.settings.as_ref());
        let call =
            AuthorizedCall::authorize(&visit.principal, here, &entry.tool, arguments, origin)
                .map_err(|_| NotCalled::UnknownTool)?;
        let provider = visit.provider_of(&entry.tool);
        let upstream = provider.and_then(|p| p.environments.get(&call.tenant().environment));
        let rehearsed = match (provider, upstream) {
            (Some(provider), Some(upstream)) => {
                let to = (provider, upstream.base_url.as_ref());
                self.rehearse_call(&call, visit, to).await
            }
            _ => Err(CallFailure::NoCredential),
        };
        Ok(rehearsed.map_err(|failure| CallOutcome::of(&call, provider, Err(failure), request_id)))
    }

    async fn rehearse_call(
        &self,
        call: &AuthorizedCall<'_>,
        visit: &Visit,
        to: (&Provider, &Url),
    ) -> Result<Vec<Rehearsed>, CallFailure> {
        match &call.tool().run {
            Run::Request(only) => {
                let asked = Asked::new(&only.request, call.arguments());
                let request = self.describe(&asked, to)?;
                Ok(vec![Rehearsed::Request {
                    step: None,
                    request,
                }])
            }
            Run::Steps(plan) => {
                let course = self.course(plan, call, visit)?;
                let rehearsal = Rehearsal {
                    course,
                    plan,
                    to,
                    unknown: BTreeSet::new(),
                    rehearsed: Vec::new(),
                };
                rehearsal.run().await
            }
        }
    }

    fn describe(
        &self,
        asked: &Asked<'_>,
        (provider, base_url): (&Provider, &Url),
    ) -> Result<DescribedRequest, CallFailure> {
        let formed = self.rest.form(asked, base_url);
        let formed = formed.map_err(CallFailure::Upstream)?;
        Ok(formed.describe(asked, provider))
    }
}

struct Rehearsal<'a> {
    course: Course<'a>,
    plan: &'a Plan,
    to: (&'a Provider, &'a Url),
    /// Steps whose values only an upstream knows.
    unknown: BTreeSet<&'a str>,
    rehearsed: Vec<Rehearsed>,
}

/// Whether the call goes on.
enum Then {
    On,
    Over,
}

impl<'a> Rehearsal<'a> {
    async fn run(mut self) -> Result<Vec<Rehearsed>, CallFailure> {
        self.course.check(self.plan)?;
        for round in &self.plan.rounds {
            for index in round {
                let Some(step) = self.plan.steps.get(*index) else {
                    continue;
                };
                if matches!(self.step(*index, step).await?, Then::Over) {
                    return Ok(self.rehearsed);
                }
            }
            self.course.round_is_over();
        }
        Ok(self.rehearsed)
    }

    async fn step(&mut self, index: usize, step: &'a Step) -> Result<Then, CallFailure> {
        let needs = self.needs(step);
        if !needs.is_empty() {
            self.unknown.insert(&step.name);
            self.rehearsed.push(open(step, needs));
            return Ok(Then::On);
        }
        if !self.course.is_taken(step).await? {
            let step = step.name.clone();
            self.rehearsed.push(Rehearsed::LeftOut { step });
            self.course.put(index, Value::null());
            return Ok(Then::On);
        }
        match &step.action {
            Action::Value(program) => {
                let value = self.course.eval(&step.name, program).await?;
                self.course.put(index, value);
            }
            Action::Return { value, is_error } => {
                let value = self.course.eval(&step.name, value).await?;
                self.rehearsed.push(Rehearsed::Answer {
                    step: step.name.clone(),
                    is_error: *is_error,
                    answer: value.to_json().unwrap_or_default(),
                });
                return Ok(Then::Over);
            }
            Action::Request(request) => {
                self.unknown.insert(&step.name);
                self.requests(&step.name, request).await?;
            }
        }
        Ok(Then::On)
    }

    async fn requests(&mut self, name: &str, request: &StepRequest) -> Result<(), CallFailure> {
        let items = match &request.for_each {
            None => vec![None],
            Some(list) => {
                let items = self.course.listed(name, list).await?;
                items.into_iter().map(Some).collect()
            }
        };
        for item in &items {
            let own = self.course.own(name, request, item.as_ref()).await?;
            let asked = self.course.asked(request, &own);
            let request = self.course.gateway.describe(&asked, self.to)?;
            self.rehearsed.push(Rehearsed::Request {
                step: Some(name.to_owned()),
                request,
            });
        }
        Ok(())
    }

    /// The unknown steps that a step works with.
    fn needs(&self, step: &Step) -> Vec<String> {
        let named = programs(step).into_iter().flat_map(Program::steps);
        let unknown = named
            .map(|(name, _)| name)
            .filter(|name| self.unknown.contains(name));
        let unknown: BTreeSet<&str> = unknown.collect();
        unknown.into_iter().map(str::to_owned).collect()
    }
}

fn programs(step: &Step) -> Vec<&Program> {
    let when = step.when.iter();
    match &step.action {
        Action::Value(value) | Action::Return { value, .. } => when.chain([value]).collect(),
        Action::Request(request) => {
            let with = request.with.iter().map(|(_, program)| program);
            when.chain(&request.for_each).chain(with).collect()
        }
    }
}

fn open(step: &Step, needs: Vec<String>) -> Rehearsed {
    let request = match &step.action {
        Action::Request(request) => Some(request),
        Action::Value(_) | Action::Return { .. } => None,
    };
    Rehearsed::Open {
        step: step.name.clone(),
        needs,
        request: request.map(|request| in_short(&request.exchange.request)),
        for_each: request.is_some_and(|request| request.for_each.is_some()),
    }
}

/// Method and path as the profile has them.
fn in_short(template: &RequestTemplate) -> String {
    let segments = template.path.iter().map(|segment| format!("/{segment}"));
    format!("{} {}", template.method, segments.collect::<String>())
}
