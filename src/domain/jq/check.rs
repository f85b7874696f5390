//! What a program may be: checked before it is compiled, term by term.
//!
//! Where a program says what is changed (the left side of `|=`, the argument of `del`), the
//! interpreter runs `reduce` and `foreach` by recursion, a level for each item: there they are
//! refused, and so is what calls them.

mod calls;
mod source;

use std::collections::{BTreeMap, BTreeSet};

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Pattern, Term};
use jaq_core::load::span;
use jaq_core::path::Part;

use super::{ProgramError, place};
use calls::Calls;

/// Terms within terms: each is a level of the interpreter's stack.
const MAX_LEVELS: usize = 120;

/// What a program is found to be.
pub(super) struct Checked<'s> {
    /// What is read of it.
    pub(super) term: Term<&'s str>,
    /// The functions that it calls, of the library and its own.
    pub(super) called: BTreeSet<&'s str>,
    /// The steps that it names, and where it does so first.
    pub(super) steps: BTreeMap<String, usize>,
    /// What it defines, but for what it does so within, and where the name is.
    pub(super) defined: Vec<(String, usize)>,
}

/// Checks a program.
pub(super) fn check(source: &str) -> Result<Checked<'_>, ProgramError> {
    let tokens = source::tokens(source)?;
    let term = source::term(source, &tokens)?;
    let mut check = Check {
        source,
        calls: Calls::default(),
        called: BTreeSet::new(),
        steps: BTreeMap::new(),
        changed: false,
    };
    let levels = check.term(&term)?;
    if levels > MAX_LEVELS {
        let message = "the program has too many terms within terms".to_owned();
        return Err(ProgramError { at: 0, message });
    }
    Ok(Checked {
        called: check.called,
        steps: check.steps,
        defined: defined(source, &term),
        term,
    })
}

fn defined(source: &str, term: &Term<&str>) -> Vec<(String, usize)> {
    let Term::Def(definitions, rest) = term else {
        return Vec::new();
    };
    let names = definitions.iter().map(|definition| {
        (
            definition.name.to_owned(),
            span(source, definition.name).start,
        )
    });
    names.chain(defined(source, rest)).collect()
}

struct Check<'s> {
    source: &'s str,
    calls: Calls<'s>,
    called: BTreeSet<&'s str>,
    steps: BTreeMap<String, usize>,
    /// Whether what is being read says what is changed.
    changed: bool,
}

/// How many levels a term has.
type Levels = Result<usize, ProgramError>;

impl<'s> Check<'s> {
    fn term(&mut self, term: &Term<&'s str>) -> Levels {
        let inner = match term {
            Term::Id | Term::Recurse | Term::Break(_) | Term::Arr(None) => 0,
            Term::Num(text) => self.number(text)?,
            Term::Str(Some(format), _) => {
                return self.refuse(format, format!("`{format}` is no function here"));
            }
            Term::Str(None, parts) => self.text(parts)?,
            Term::Arr(Some(term)) | Term::Neg(term) | Term::Label(_, term) => self.term(term)?,
            Term::Obj(members) => {
                let terms = members.iter();
                let terms = terms.flat_map(|(name, value)| std::iter::once(name).chain(value));
                // One object becomes as many as it has members.
                self.all(terms)? + members.len()
            }
            Term::BinOp(left, operator, right) => self.operation(left, operator, right)?,
            Term::Fold(name, list, pattern, arguments) => {
                if self.changed {
                    return self.refuse(name, format!("`{name}` cannot say what is changed"));
                }
                self.calls.fold();
                let pattern = self.pattern(pattern)?;
                pattern.max(self.term(list)?).max(self.all(arguments)?)
            }
            Term::TryCatch(term, catch) => {
                let catch = catch.as_deref();
                self.all(std::iter::once(&**term).chain(catch))?
            }
            Term::IfThenElse(branches, otherwise) => {
                let (conditions, then): (Vec<_>, Vec<_>) = branches
                    .iter()
                    .map(|(condition, then)| (condition, then))
                    .unzip();
                let conditions = self.within(false, |check| check.all(conditions))?;
                let then = self.all(then.into_iter().chain(otherwise.as_deref()))?;
                conditions.max(then) + branches.len()
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
            Term::Call(name, arguments) => self.call(name, arguments)?,
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

    /// Reads something that says what is changed, or that does not.
    fn within<T>(&mut self, changed: bool, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.changed, changed);
        let result = read(self);
        self.changed = before;
        result
    }

    fn operation(
        &mut self,
        left: &Term<&'s str>,
        operator: &BinaryOp<&'s str>,
        right: &Term<&'s str>,
    ) -> Levels {
        let changes = match operator {
            BinaryOp::Pipe(Some(pattern)) => {
                let pattern = self.pattern(pattern)?;
                let left = self.within(false, |check| check.term(left))?;
                return Ok(pattern.max(left).max(self.term(right)?));
            }
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => {
                true
            }
            _ => return self.all([left, right]),
        };
        let left = self.within(changes, |check| check.term(left))?;
        let right = self.within(false, |check| check.term(right))?;
        Ok(left.max(right))
    }

    fn call(&mut self, name: &'s str, arguments: &[Term<&'s str>]) -> Levels {
        let called = match self.calls.call(name, arguments.len(), self.changed) {
            Ok(called) => called,
            Err(message) => return self.refuse(name, message),
        };
        self.called.insert(name);
        let mut most = 0;
        for (argument, changes) in arguments.iter().zip(called.changes) {
            let levels = self.within(changes, |check| check.term(argument))?;
            most = most.max(levels);
        }
        Ok(called.levels + most)
    }

    /// A number that JSON has a word for.
    fn number(&self, text: &'s str) -> Levels {
        match text.parse::<f64>().is_ok_and(f64::is_finite) {
            true => Ok(0),
            false => self.refuse(text, "a number beyond all range".to_owned()),
        }
    }

    fn text(&mut self, parts: &[StrPart<&'s str, Term<&'s str>>]) -> Levels {
        let terms = parts.iter().filter_map(|part| match part {
            StrPart::Term(term) => Some(term),
            StrPart::Str(_) | StrPart::Char(_) => None,
        });
        Ok(self.all(terms)? + parts.len())
    }

    fn pattern(&mut self, pattern: &Pattern<&'s str>) -> Levels {
        self.within(false, |check| check.members(pattern))
    }

    fn members(&mut self, pattern: &Pattern<&'s str>) -> Levels {
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
        let levels = self.within(false, |check| check.term(&definition.body))?;
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
            most = most.max(self.within(false, |check| match part {
                Part::Index(term) => check.term(term),
                Part::Range(from, to) => check.all(from.iter().chain(to)),
            })?);
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
        let at = place(self.source, at);
        Err(ProgramError { at, message })
    }
}
