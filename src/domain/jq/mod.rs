//! Programs of profiles (jq): checked and compiled when a profile is loaded, run on data.
//!
//! A program sees its input and the variables, and nothing else: its functions are from an
//! allow-list, without recursion, and its work is counted. So it ends soon, whatever it is given,
//! and takes no more memory and stack than it may: a [`Work`] is for all programs of a call.

mod budget;
mod check;
mod compile;
mod dates;
mod functions;
mod natives;
mod reshape;
mod text;
mod value;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jaq_core::load::span;
use jaq_core::{Ctx, Vars};
use jiff::tz::TimeZone;

use budget::Outcome;
pub use budget::Work;
use compile::{Language, Scope};
pub use reshape::{Reshape, Tape, TapeRecorder};
pub use text::Unwritable;
pub use value::Value;

/// What a program may name besides its input.
pub struct Variables {
    /// `$args`: the arguments of the call.
    pub args: Value,
    /// `$steps`: what the steps before came to, by name.
    pub steps: Value,
    /// `$org`: for whom the call is made.
    pub org: Value,
    /// `$now`: seconds since 1970.
    pub now: Value,
    /// `$today`: the day in the provider's time zone, such as `2026-11-26`.
    pub today: Value,
}

/// What is wrong with a program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ProgramError {
    /// Where, in bytes from its beginning.
    pub at: usize,
    pub message: String,
}

/// Why a program came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// Says what was tried with which kinds of values, never with which values; the text of
    /// `error("…")` is the profile's own.
    #[error("{0}")]
    Failed(String),
    #[error("it takes too much work, too much memory or too many levels")]
    TooMuch,
    #[error("the interpreter failed")]
    Broken,
}

impl RunError {
    /// A word for logs, which get no text of a program.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Failed(_) => "failed",
            Self::TooMuch => "too_much",
            Self::Broken => "interpreter_failed",
        }
    }
}

/// A jq program.
pub struct Program {
    filter: jaq_core::Filter<Language>,
    /// The steps that it names as `$steps.NAME`, and where it does so first.
    steps: BTreeMap<String, usize>,
    /// What it defines, but for what it does so within.
    defined: Vec<(String, usize)>,
}

impl Program {
    /// Reads a program; its place in a file is for whoever read the file.
    pub fn parse(source: &str) -> Result<Self, ProgramError> {
        Self::of(source, check::check(source)?)
    }

    /// Reads a program that is run on a document's text, if it only chooses and arranges.
    pub fn parse_reshape(source: &str) -> Result<(Self, Option<Reshape>), ProgramError> {
        let checked = check::check(source)?;
        let reshape = Reshape::of(&checked.term);
        Ok((Self::of(source, checked)?, reshape))
    }

    fn of<'s>(source: &'s str, checked: check::Checked<'s>) -> Result<Self, ProgramError> {
        Ok(Self {
            filter: compile::compile(source, checked.term, checked.called)?,
            steps: checked.steps,
            defined: checked.defined,
        })
    }

    /// The names that it begins with definitions of, and where in it they are.
    pub fn defined(&self) -> &[(String, usize)] {
        &self.defined
    }

    /// The steps that it names, with the byte where it does so first.
    pub fn steps(&self) -> impl Iterator<Item = (&str, usize)> {
        self.steps.iter().map(|(name, at)| (name.as_str(), *at))
    }

    /// Its first output; `null` when there is none.
    pub fn run(
        &self,
        input: Value,
        variables: &Variables,
        zone: &TimeZone,
        work: &Work,
    ) -> Result<Value, RunError> {
        let scope = Scope {
            lut: &self.filter.lut,
            zone,
        };
        let first = || {
            let variables = Vars::new(variables.in_order());
            let context = Ctx::<Language>::new(&scope, variables);
            let output = self.filter.id.run((context, input)).next();
            // Only `halt` and `break` are no errors, and neither gets here.
            output.map(|output| output.map_err(|exception| exception.get_err().ok()))
        };
        match budget::within(work, first) {
            Outcome::Done(None) => Ok(Value::null()),
            Outcome::Done(Some(Ok(value))) => Ok(value),
            Outcome::Done(Some(Err(error))) => Err(RunError::Failed(message(error))),
            Outcome::Exhausted => Err(RunError::TooMuch),
            Outcome::Broken => Err(RunError::Broken),
        }
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Program")
    }
}

impl Variables {
    /// As [`compile`] counts on.
    fn in_order(&self) -> [Value; 5] {
        self.all().map(Value::clone)
    }

    fn all(&self) -> [&Value; 5] {
        [&self.args, &self.steps, &self.org, &self.now, &self.today]
    }
}

/// Where in a program a part of it is; a name that is no part of it is the library's.
fn place(source: &str, part: &str) -> usize {
    let range = source.as_bytes().as_ptr_range();
    let is_inside = range.contains(&part.as_ptr());
    if is_inside {
        span(source, part).start
    } else {
        0
    }
}

fn message(error: Option<jaq_core::Error<Value>>) -> String {
    let value = error.map(jaq_core::Error::into_val);
    let text = value.as_ref().and_then(Value::as_str);
    text.unwrap_or("it failed").to_owned()
}
