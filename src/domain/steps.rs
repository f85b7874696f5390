//! Tools that take several steps: requests and values, in rounds of those that need nothing of
//! each other.

use std::collections::BTreeMap;

use super::jq::{Program, Reshape};
use super::provider::ResultShape;
use super::tool::Exchange;

/// What a tool does, step by step.
#[derive(Debug)]
pub struct Plan {
    /// What arguments have to be to each other, before anything is sent.
    pub checks: Vec<Check>,
    pub steps: Vec<Step>,
    /// Indices of steps. Those of one round run side by side, after those of the rounds before.
    pub rounds: Vec<Vec<usize>>,
    /// The tool's answer; its input is the value of the last step.
    pub output: Program,
    /// The output once more, where it only chooses and arranges what one request is answered.
    pub reshape: Option<Reshape>,
    /// How the answer is framed, where not as the provider's others are.
    pub frame: Option<ResultShape>,
}

impl Plan {
    /// The only step, if it is a request.
    pub fn only_request(steps: &[Step]) -> Option<(&str, &StepRequest)> {
        match steps {
            [
                Step {
                    name,
                    when: None,
                    action: Action::Request(request),
                },
            ] if request.for_each.is_none() => Some((name, request)),
            _ => None,
        }
    }

    /// The request, if the answer is made of its answer's text, and how.
    pub fn reshaped(&self) -> Option<(&str, &StepRequest, &Reshape)> {
        let reshape = self.reshape.as_ref()?;
        let (name, request) = Self::only_request(&self.steps)?;
        Some((name, request, reshape))
    }
}

/// Something that has to be true of the arguments.
#[derive(Debug)]
pub struct Check {
    pub require: Program,
    pub message: String,
}

/// One step of a tool.
#[derive(Debug)]
pub struct Step {
    pub name: String,
    /// Without it, or with a value that is true, the step is taken; else its value is `null`.
    pub when: Option<Program>,
    pub action: Action,
}

/// What a step does.
#[derive(Debug)]
pub enum Action {
    Request(Box<StepRequest>),
    Value(Program),
    /// Ends the call.
    Return {
        value: Program,
        is_error: bool,
    },
}

/// A step's request.
#[derive(Debug)]
pub struct StepRequest {
    /// One request for each distinct item of this list.
    pub for_each: Option<Program>,
    /// Names for the template, beside the arguments; the item is their input.
    pub with: Vec<(String, Program)>,
    pub exchange: Exchange,
    pub on_error: OnError,
    /// What to tell the model about an upstream status, instead of what the tool tells it.
    pub hints: Option<BTreeMap<u16, String>>,
}

/// What an upstream's failure means for the call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnError {
    /// The call fails.
    #[default]
    Fail,
    /// The value is `null`.
    Null,
    /// The item is left out.
    Skip,
}

/// The name of an item in a template.
pub const ITEM: &str = "item";
