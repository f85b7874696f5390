//! What a tool does: one request as it is, or steps with their programs, put into rounds.

use std::collections::BTreeMap;

use http::Method;

use super::compile::{Place, hints, result};
use super::raw::{self, Returns};
use super::request::exchange;
use crate::domain::document::{Complaint, suggestion};
use crate::domain::jq::Program;
use crate::domain::steps::{Action, Check, ITEM, OnError, Plan, Step, StepRequest};
use crate::domain::template::TextTemplate;
use crate::domain::tool::Run;

/// The one step of a tool with a request and programs around it.
const ONLY: &str = "response";

/// What a tool does; `known` are its arguments.
pub(super) fn run(
    place: &Place<'_>,
    raw: &mut raw::Tool,
    known: &[&str],
) -> Result<Run, Complaint> {
    let response = raw.response.take();
    let steps = std::mem::take(&mut raw.steps);
    let foreign = response.is_some() && raw.request.is_none() && !steps.is_empty();
    let only = "the tool's `request`; a step has its own";
    only_for(place, "response", foreign, only)?;
    let response = response.unwrap_or_default();
    let mut rounds = Rounds::default();
    let steps = match (raw.request.take(), steps.is_empty()) {
        (Some(request), true) => {
            let plain = raw.checks.is_empty() && raw.output.is_none() && request.with.is_empty();
            if plain && raw.result.success.is_none() {
                let only = exchange(place, (&request, response), known)?;
                return Ok(Run::Request(Box::new(only)));
            }
            let request = step_request(place, (request, response), known, &mut rounds)?;
            rounds.add(ONLY, true);
            let action = Action::Request(Box::new(request));
            vec![Step {
                name: ONLY.to_owned(),
                when: None,
                action,
            }]
        }
        (None, false) => {
            let steps = steps.into_iter().enumerate();
            let place = place.at("steps");
            steps
                .map(|(index, raw)| step(&place.at(index), raw, known, &mut rounds))
                .collect::<Result<_, _>>()?
        }
        (Some(_), false) => {
            return Err(place.at("request").complain("either `request` or `steps`"));
        }
        (None, true) => return Err(place.complain("a tool has a `request` or `steps`")),
    };
    let checks = std::mem::take(&mut raw.checks).into_iter().enumerate();
    let checks = checks.map(|(index, raw)| check(&place.at("checks").at(index), raw));
    let checks = checks.collect::<Result<_, _>>()?;
    let (at, source) = (place.at("output"), raw.output.as_deref().unwrap_or("."));
    let (output, reshape) = at.reshape(source)?;
    rounds.follow(&at, source, &output)?;
    let only = Plan::only_request(&steps);
    Ok(Run::Steps(Box::new(Plan {
        checks,
        output,
        reshape: only.and(reshape),
        rounds: rounds.rounds,
        frame: result(&place.at("result").at("success"), raw.result.success.take())?,
        steps,
    })))
}

fn check(place: &Place<'_>, raw: raw::Check) -> Result<Check, Complaint> {
    Ok(Check {
        require: Rounds::default().program(&place.at("require"), &raw.require)?,
        message: raw.message,
    })
}

fn step(
    place: &Place<'_>,
    raw: raw::Step,
    known: &[&str],
    rounds: &mut Rounds,
) -> Result<Step, Complaint> {
    let name = place.at("name");
    let template = TextTemplate::parse(&format!("{{{}}}", raw.name));
    template.map_err(|error| name.complain(error))?;
    if rounds.by_name.contains_key(&raw.name) {
        return Err(name.complain("there is a step of this name already"));
    }
    let step = Step {
        when: rounds.optional(&place.at("when"), raw.when.as_deref())?,
        name: raw.name.clone(),
        action: action(place, raw, known, rounds)?,
    };
    let alone = match &step.action {
        Action::Request(request) => request.exchange.request.method != Method::GET,
        Action::Value(_) => false,
        Action::Return { .. } => true,
    };
    rounds.add(&step.name, alone);
    Ok(step)
}

fn action(
    place: &Place<'_>,
    raw: raw::Step,
    known: &[&str],
    rounds: &mut Rounds,
) -> Result<Action, Complaint> {
    match (raw.request.is_some(), raw.value.is_some()) {
        (true, true) => return Err(place.complain("either `request`, or `value`")),
        (false, false) => return Err(place.complain("a step has a `request` or a `value`")),
        (true, false) => {
            only_for(
                place,
                "return",
                raw.returns.is_some(),
                "steps with a `value`",
            )?;
        }
        (false, true) => {
            let list = "requests; a value uses map(…)";
            only_for(place, "for_each", raw.for_each.is_some(), list)?;
            let caught = "requests; a value uses try … catch …";
            only_for(place, "on_error", raw.on_error.is_some(), caught)?;
            only_for(place, "response", raw.response.is_some(), "requests")?;
            only_for(place, "hints", raw.hints.is_some(), "requests")?;
        }
    }
    if let Some(value) = &raw.value {
        let value = rounds.program(&place.at("value"), value)?;
        return Ok(match raw.returns {
            None => Action::Value(value),
            Some(returns) => Action::Return {
                value,
                is_error: matches!(returns, Returns::Error),
            },
        });
    }
    requests(place, raw, known, rounds)
}

/// Refuses a key that means nothing in a step of this kind.
fn only_for(place: &Place<'_>, key: &str, is_there: bool, what: &str) -> Result<(), Complaint> {
    match is_there {
        true => Err(place.at(key).complain(format!("only for {what}"))),
        false => Ok(()),
    }
}

fn requests(
    place: &Place<'_>,
    raw: raw::Step,
    known: &[&str],
    rounds: &mut Rounds,
) -> Result<Action, Complaint> {
    let Some(request) = raw.request else {
        return Err(place.complain("a step has a `request` or a `value`"));
    };
    let list = rounds.optional(&place.at("for_each"), raw.for_each.as_deref())?;
    let on_error = raw.on_error.unwrap_or_default();
    if on_error == OnError::Skip && list.is_none() {
        let each = "`for_each`: use \"fail\" or \"null\"";
        only_for(place, "on_error", true, each)?;
    }
    if list.is_some() && request.with.contains_key(ITEM) {
        let place = place.at("request").at("with").at(ITEM);
        return Err(place.complain("`item` is the item of `for_each`; take another name"));
    }
    let item = list.as_ref().map(|_| ITEM);
    let known: Vec<&str> = known.iter().copied().chain(item).collect();
    let response = raw.response.unwrap_or_default();
    let mut request = step_request(place, (request, response), &known, rounds)?;
    (request.for_each, request.on_error) = (list, on_error);
    let own = raw.hints.map(|own| hints(&place.at("hints"), own));
    request.hints = own.transpose()?;
    Ok(Action::Request(Box::new(request)))
}

fn step_request(
    place: &Place<'_>,
    (raw, response): (raw::Request, raw::Response),
    known: &[&str],
    rounds: &mut Rounds,
) -> Result<StepRequest, Complaint> {
    let names = place.at("request").at("with");
    let mut with = Vec::with_capacity(raw.with.len());
    for (name, source) in &raw.with {
        let place = names.at(name.as_str());
        let template = TextTemplate::parse(&format!("{{{name}}}"));
        template.map_err(|error| place.complain(error))?;
        with.push((name.clone(), rounds.program(&place, source)?));
    }
    let own = raw.with.keys().map(String::as_str);
    let known: Vec<&str> = known.iter().copied().chain(own).collect();
    Ok(StepRequest {
        for_each: None,
        with,
        exchange: exchange(place, (&raw, response), &known)?,
        on_error: OnError::Fail,
        hints: None,
    })
}

/// Puts steps into rounds: each comes after the steps that it names; one that writes or returns
/// comes after all before it, and all after it come after it.
#[derive(Default)]
struct Rounds {
    by_name: BTreeMap<String, usize>,
    rounds: Vec<Vec<usize>>,
    /// No step from here on comes earlier.
    earliest: usize,
    /// The step that is being read does not come earlier, because of what its programs name.
    needed: usize,
}

impl Rounds {
    /// A program of the step that is being read.
    fn program(&mut self, place: &Place<'_>, source: &str) -> Result<Program, Complaint> {
        let program = place.program(source)?;
        self.follow(place, source, &program)?;
        Ok(program)
    }

    /// What is being read comes after the steps that a program of it names.
    fn follow(
        &mut self,
        place: &Place<'_>,
        source: &str,
        program: &Program,
    ) -> Result<(), Complaint> {
        for (name, at) in program.steps() {
            let Some(round) = self.by_name.get(name) else {
                let known: Vec<&str> = self.by_name.keys().map(String::as_str).collect();
                let hint = suggestion(name, &known);
                let message = format!("there is no step `{name}` before this{hint}");
                return Err(place.complain_in(source, at, &message));
            };
            self.needed = self.needed.max(round + 1);
        }
        Ok(())
    }

    fn optional(
        &mut self,
        place: &Place<'_>,
        source: Option<&str>,
    ) -> Result<Option<Program>, Complaint> {
        source.map(|source| self.program(place, source)).transpose()
    }

    fn add(&mut self, name: &str, alone: bool) {
        let mut round = std::mem::take(&mut self.needed).max(self.earliest);
        if alone {
            round = round.max(self.rounds.len());
            self.earliest = round + 1;
        }
        let step = self.rounds.iter().map(Vec::len).sum();
        let count = self.rounds.len().max(round + 1);
        self.rounds.resize(count, Vec::new());
        if let Some(steps) = self.rounds.get_mut(round) {
            steps.push(step);
        }
        self.by_name.insert(name.to_owned(), round);
    }
}
