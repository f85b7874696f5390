//! Programs that only choose and arrange, run on a document's text.
//!
//! The interpreter makes a tree of a document, and a few values for every term that it runs: a call
//! with a short program took several times the CPU of one without. Most programs choose members and
//! arrange them in lists and objects. These are compiled once more, into terms that read a flat
//! [`Tape`] of the document and write the result's text at once.
//!
//! What it comes to is what the interpreter comes to, to the byte. Whatever is not an easy case, in
//! a program or in a document (a mistake of kinds, a name that stands twice, arithmetic beyond whole
//! numbers), is left to the interpreter: [`Beyond`]. Nothing is lost by that, because a program
//! changes nothing outside of itself.

mod compile;
mod item;
mod run;
mod scope;
mod tape;
mod term;
mod write;

use jaq_core::load::parse::Term;

use super::Variables;
use super::budget::Work;
use compile::Compiled;
use run::Run;
pub use tape::{Tape, TapeRecorder};

/// A program that only chooses and arranges.
pub struct Reshape(Compiled);

/// What is not made with so much work is the interpreter's: if it is found out late that a document
/// is, most of a call's work is still left.
const MOST: u64 = 200_000;

/// It is the interpreter's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Beyond;

impl Reshape {
    /// `None` for a program that does more.
    pub(super) fn of(program: &Term<&str>) -> Option<Self> {
        compile::compile(program).map(Self)
    }

    /// What it makes of a document, as text: what the program comes to when it is run, or `None`
    /// where that has to be done. The variables are asked for if it sees any.
    pub fn run<'a>(
        &self,
        tape: &Tape<'_>,
        variables: impl FnOnce() -> &'a Variables,
        work: &Work,
    ) -> Option<String> {
        let variables = self.0.sees_variables.then(variables);
        let (before, most) = (work.left(), work.left().min(MOST));
        let run = Run::new(tape, variables, &self.0, most).ok()?;
        let text = run.text(&self.0.term);
        work.leave(before - (most - run.left()));
        text.ok()
    }
}

impl std::fmt::Debug for Reshape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reshape")
    }
}
