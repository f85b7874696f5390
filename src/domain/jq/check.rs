//! What a program may be: checked before it is compiled, term by term.

mod calls;
mod source;

use std::collections::BTreeMap;

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::load::span;
use jaq_core::path::Part;

use super::ProgramError;
use calls::Calls;

/// Terms within terms: each is a level of the interpreter's stack.
const MAX_LEVELS: usize = 120;

/// Checks a program; the steps that it names, and where it does so first.
pub(super) fn check(source: &str) -> Result<BTreeMap<String, usize>, ProgramError> {
    let tokens = source::tokens(source)?;
    let term = source::term(source, &tokens)?;
    let mut check = Check {
        source,
        calls: Calls::default(),
        steps: BTreeMap::new(),
    };
    let levels = check.term(&term)?;
    if levels > MAX_LEVELS {
        let message = "the program has too many terms within terms".to_owned();
        return Err(ProgramError { at: 0, message });
    }
    Ok(check.steps)
}

struct Check<'s> {
    source: &'s str,
    calls: Calls<'s>,
    steps: BTreeMap<String, usize>,
}

/// How many levels a term has.
type Levels = Result<usize, ProgramError>;

impl<'s> Check<'s> {
    fn term(&mut self, term: &Term<&'s str>) -> Levels {
        let inner = match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Break(_) | Term::Arr(None) => 0,
            Term::Str(Some(format), _) => {
                return self.refuse(format, format!("`{format}` is no function here"));
            }
            Term::Str(None, parts) => self.text(parts)?,
            Term::Arr(Some(term)) | Term::Neg(term) | Term::Label(_, term) => self.term(term)?,
            Term::Obj(members) => {
                let members = members.iter();
                let terms = members.flat_map(|(name, value)| std::iter::once(name).chain(value));
                // One object becomes as many as it has members.
                self.all(terms)? + members_levels(term)
            }
            Term::BinOp(left, operator, right) => {
                let pattern = match operator {
                    BinaryOp::Pipe(Some(pattern)) => self.pattern(pattern)?,
                    _ => 0,
                };
                pattern.max(self.all([&**left, &**right])?)
            }
            Term::Fold(_, list, pattern, arguments) => {
                let pattern = self.pattern(pattern)?;
                pattern.max(self.term(list)?).max(self.all(arguments)?)
            }
            Term::TryCatch(term, catch) => {
                let catch = catch.as_deref();
                self.all(std::iter::once(&**term).chain(catch))?
            }
            Term::IfThenElse(branches, otherwise) => {
                let branches_levels = branches.len();
                let terms = branches
                    .iter()
                    .flat_map(|(condition, then)| [condition, then]);
                self.all(terms.chain(otherwise.as_deref()))? + branches_levels
            }
            Term::Def(definitions, term) => {
                let before = self.calls.len();
                for definition in definitions {
                    self.definition(definition)?;
                }
                let levels = self.term(term)?;
                self.calls.forget(before);
                levels
            }
            Term::Call(name, arguments) => {
                let own = match self.calls.levels(name, arguments.len()) {
                    Ok(levels) => levels,
                    Err(message) => return self.refuse(name, message),
                };
                own + self.all(arguments)?
            }
            Term::Var(name) => return self.variable(name),
            Term::Path(term, path) => self.path(term, &path.0)?,
        };
        Ok(inner + 1)
    }

    fn all<'t>(&mut self, terms: impl IntoIterator<Item = &'t Term<&'s str>>) -> Levels
    where
        's: 't,
    {
        let mut most = 0;
        for term in terms {
            most = most.max(self.term(term)?);
        }
        Ok(most)
    }

    fn text(&mut self, parts: &[StrPart<&'s str, Term<&'s str>>]) -> Levels {
        let terms = parts.iter().filter_map(|part| match part {
            StrPart::Term(term) => Some(term),
            StrPart::Str(_) | StrPart::Char(_) => None,
        });
        Ok(self.all(terms)? + parts.len())
    }

    fn pattern(&mut self, pattern: &Pattern<&'s str>) -> Levels {
        Ok(1 + match pattern {
            Pattern::Var(_) => 0,
            Pattern::Arr(items) => {
                let mut most = 0;
                for item in items {
                    most = most.max(self.pattern(item)?);
                }
                most + items.len()
            }
            Pattern::Obj(members) => {
                let mut most = 0;
                for (name, value) in members {
                    most = most.max(self.term(name)?).max(self.pattern(value)?);
                }
                most + members.len()
            }
        })
    }

    fn definition(
        &mut self,
        definition: &jaq_core::load::parse::Def<&'s str>,
    ) -> Result<(), ProgramError> {
        let before = self.calls.open(definition.name, &definition.args);
        let levels = self.term(&definition.body)?;
        self.calls.close(before, levels);
        Ok(())
    }

    fn path(
        &mut self,
        term: &Term<&'s str>,
        parts: &[(Part<Term<&'s str>>, jaq_core::path::Opt)],
    ) -> Levels {
        let (mut most, mut rest) = (0, parts);
        match (term, parts.split_first()) {
            (Term::Var("$steps"), Some(((Part::Index(name), _), others))) => {
                self.step(name)?;
                rest = others;
            }
            _ => most = self.term(term)?,
        }
        for (part, _) in rest {
            most = most.max(match part {
                Part::Index(term) => self.term(term)?,
                Part::Range(from, to) => self.all(from.iter().chain(to))?,
            });
        }
        Ok(most + parts.len())
    }

    /// Notes a step that is named as `$steps.NAME`.
    fn step(&mut self, name: &Term<&'s str>) -> Result<(), ProgramError> {
        let Term::Str(None, parts) = name else {
            return self.variable("$steps").map(drop);
        };
        let [StrPart::Str(name)] = parts.as_slice() else {
            return self.variable("$steps").map(drop);
        };
        let at = span(self.source, name).start;
        self.steps.entry((*name).to_owned()).or_insert(at);
        Ok(())
    }

    fn variable(&mut self, name: &'s str) -> Levels {
        if name != "$steps" {
            return Ok(1);
        }
        self.refuse(name, "name a step, as in $steps.patient".to_owned())
    }

    fn refuse<T>(&self, at: &str, message: String) -> Result<T, ProgramError> {
        // A name that is not a part of the source is one of ours.
        let range = self.source.as_bytes().as_ptr_range();
        let inside = range.contains(&at.as_ptr());
        let at = if inside {
            span(self.source, at).start
        } else {
            0
        };
        Err(ProgramError { at, message })
    }
}

fn members_levels(term: &Term<&str>) -> usize {
    match term {
        Term::Obj(members) => members.len(),
        _ => 0,
    }
}
