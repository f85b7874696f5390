//! A parsed program becomes terms, if it only chooses and arranges.
//!
//! A definition is written out where it is called: there is no recursion, and so a fixed place for
//! each name that stands for a value.

use jaq_core::load::lex::StrPart;
use jaq_core::load::parse::{BinaryOp, Def, Pattern, Term as Parsed};
use jaq_core::ops::Math;
use jaq_core::path::{Opt, Part as PathPart};

use super::super::compile::VARIABLES;
use super::super::value::Kind;
use super::scope::{Known, Scope};
use super::term::{Constant, Entry, Function, Name, Term};

/// A program with more terms, its definitions written out, is not compiled.
const MAX_TERMS: usize = 2_000;
/// Names and texts in it, in bytes.
const MAX_TEXT: usize = 64 * 1024;
/// Lists and objects that it makes: each may be in the next one. The interpreter takes values of two
/// hundred levels, and has a hundred and some for what it is given.
const MAX_MADE: usize = 70;

/// A program that is compiled.
pub(super) struct Compiled {
    pub term: Term,
    /// Places for what it gives names to, the variables included.
    pub slots: usize,
    /// Names of members.
    pub names: usize,
    pub sees_variables: bool,
}

/// `None` where it is the interpreter's.
pub(super) fn compile(program: &Parsed<&str>) -> Option<Compiled> {
    let mut scope = Scope::default();
    for (slot, name) in VARIABLES.iter().enumerate() {
        // What steps came to is put together for the interpreter.
        if *name != "$steps" {
            scope = scope.with(Known::Value(name, slot));
        }
    }
    let mut compiler = Compiler {
        slots: VARIABLES.len(),
        names: 0,
        terms: 0,
        text: 0,
        made: 0,
        sees_variables: false,
    };
    Some(Compiled {
        term: compiler.one(program, &scope)?,
        slots: compiler.slots,
        names: compiler.names,
        sees_variables: compiler.sees_variables,
    })
}

struct Compiler {
    slots: usize,
    names: usize,
    terms: usize,
    text: usize,
    made: usize,
    sees_variables: bool,
}

type Boxed = Option<Box<Term>>;

impl Compiler {
    fn slot(&mut self) -> usize {
        self.slots += 1;
        self.slots - 1
    }

    /// `$name`
    fn variable(&mut self, name: &str, scope: &Scope<'_, '_>) -> Option<Term> {
        let slot = scope.slot(name)?;
        self.sees_variables |= slot < VARIABLES.len();
        Some(Term::Slot(slot))
    }

    /// Counts terms.
    fn count(&mut self, terms: usize) -> Option<()> {
        self.terms += terms;
        (self.terms <= MAX_TERMS).then_some(())
    }

    /// Counts a list or an object that is made.
    fn make(&mut self) -> Option<()> {
        self.made += 1;
        (self.made <= MAX_MADE).then_some(())
    }

    /// A text without values in it.
    fn constant(&mut self, parts: &[StrPart<&str, Parsed<&str>>]) -> Option<String> {
        let text = constant(parts)?;
        self.text += text.len();
        (self.text <= MAX_TEXT).then_some(text)
    }

    fn one<'t, 's>(&mut self, term: &'t Parsed<&'s str>, scope: &Scope<'t, 's>) -> Option<Term> {
        self.term(term, scope).filter(Term::is_one)
    }

    fn boxed<'t, 's>(&mut self, term: &'t Parsed<&'s str>, scope: &Scope<'t, 's>) -> Boxed {
        self.term(term, scope).map(Box::new)
    }

    fn boxed_one<'t, 's>(&mut self, term: &'t Parsed<&'s str>, scope: &Scope<'t, 's>) -> Boxed {
        self.one(term, scope).map(Box::new)
    }

    fn term<'t, 's>(&mut self, term: &'t Parsed<&'s str>, scope: &Scope<'t, 's>) -> Option<Term> {
        self.count(1)?;
        if matches!(term, Parsed::Arr(_) | Parsed::Obj(_)) {
            self.make()?;
        }
        Some(match term {
            Parsed::Id => Term::Input,
            Parsed::Num(_) | Parsed::Neg(_) => Term::Constant(Constant::Int(integer(term)?)),
            Parsed::Str(None, parts) => self.parts(parts, scope)?,
            Parsed::Arr(None) => Term::List(None),
            Parsed::Arr(Some(items)) => Term::List(Some(self.boxed(items, scope)?)),
            Parsed::Obj(members) => self.object(members, scope)?,
            Parsed::BinOp(left, operator, right) => self.operation(left, operator, right, scope)?,
            Parsed::IfThenElse(branches, otherwise) => {
                self.branches(branches, otherwise.as_deref(), scope)?
            }
            Parsed::Def(definitions, rest) => {
                let scope = definitions.iter().fold(scope.clone(), |scope, definition| {
                    scope.with(Known::Definition(definition))
                });
                self.term(rest, &scope)?
            }
            Parsed::Call(name, arguments) => self.call(name, arguments, scope)?,
            Parsed::Var(name) => self.variable(name, scope)?,
            Parsed::Path(of, path) => {
                self.count(path.0.len())?;
                let of = self.term(of, scope)?;
                path.0.iter().try_fold(of, |of, part| self.part(of, part))?
            }
            _ => return None,
        })
    }

    fn member(&mut self, of: Term, text: String, optional: bool) -> Term {
        let number = self.names;
        self.names += 1;
        Term::Member {
            of: Box::new(of),
            name: Name { text, number },
            optional,
        }
    }

    /// A part of a path, such as `.name`.
    fn part(&mut self, of: Term, (part, optional): &(PathPart<Parsed<&str>>, Opt)) -> Option<Term> {
        let optional = matches!(optional, Opt::Optional);
        Some(match part {
            PathPart::Index(Parsed::Str(None, parts)) => {
                let name = self.constant(parts)?;
                self.member(of, name, optional)
            }
            PathPart::Index(place) if !optional => Term::Place(Box::new(of), integer(place)?),
            PathPart::Range(None, None) => Term::Values {
                of: Box::new(of),
                optional,
            },
            _ => return None,
        })
    }

    fn parts<'t, 's>(
        &mut self,
        parts: &'t [StrPart<&'s str, Parsed<&'s str>>],
        scope: &Scope<'t, 's>,
    ) -> Option<Term> {
        if constant(parts).is_some() {
            return self.constant(parts).map(Term::text);
        }
        let part = |part: &'t StrPart<&'s str, Parsed<&'s str>>| match part {
            StrPart::Term(term) => self.one(term, scope),
            text => self.constant(std::slice::from_ref(text)).map(Term::text),
        };
        Some(Term::Text(parts.iter().map(part).collect::<Option<_>>()?))
    }

    fn object<'t, 's>(
        &mut self,
        members: &'t [(Parsed<&'s str>, Option<Parsed<&'s str>>)],
        scope: &Scope<'t, 's>,
    ) -> Option<Term> {
        let mut entries: Vec<Entry> = Vec::new();
        for (key, value) in members {
            let name = match (key, value) {
                (Parsed::Var(name), None) => name.strip_prefix('$')?.to_owned(),
                (Parsed::Str(None, parts), _) => self.constant(parts)?,
                _ => return None,
            };
            self.count(1)?;
            let value = match (value, key) {
                (Some(value), _) => self.one(value, scope)?,
                (None, Parsed::Var(variable)) => self.variable(variable, scope)?,
                (None, _) => self.member(Term::Input, name.clone(), false),
            };
            if entries.iter().any(|entry| entry.name == name) {
                return None;
            }
            let written = format!("{}:", serde_json::Value::from(name.as_str()));
            entries.push(Entry {
                name,
                written,
                value,
            });
        }
        Some(Term::Object(entries))
    }

    fn operation<'t, 's>(
        &mut self,
        left: &'t Parsed<&'s str>,
        operator: &'t BinaryOp<&'s str>,
        right: &'t Parsed<&'s str>,
        scope: &Scope<'t, 's>,
    ) -> Option<Term> {
        Some(match operator {
            BinaryOp::Pipe(None) => Term::Pipe(self.boxed(left, scope)?, self.boxed(right, scope)?),
            BinaryOp::Pipe(Some(Pattern::Var(name))) => {
                let value = self.boxed(left, scope)?;
                let slot = self.slot();
                let then = self.boxed(right, &scope.with(Known::Value(name, slot)))?;
                Term::Bind { value, slot, then }
            }
            BinaryOp::Comma => Term::Comma(self.boxed(left, scope)?, self.boxed(right, scope)?),
            BinaryOp::Alt => Term::Else(self.boxed(left, scope)?, self.boxed(right, scope)?),
            BinaryOp::Or | BinaryOp::And => Term::Logic {
                left: self.boxed_one(left, scope)?,
                decides: matches!(operator, BinaryOp::Or),
                right: self.boxed_one(right, scope)?,
            },
            BinaryOp::Cmp(compare) => {
                let left = self.boxed_one(left, scope)?;
                Term::Compare(left, *compare, self.boxed_one(right, scope)?)
            }
            BinaryOp::Math(Math::Add) => {
                Term::Add(self.boxed_one(left, scope)?, self.boxed_one(right, scope)?)
            }
            _ => return None,
        })
    }

    fn branches<'t, 's>(
        &mut self,
        branches: &'t [(Parsed<&'s str>, Parsed<&'s str>)],
        otherwise: Option<&'t Parsed<&'s str>>,
        scope: &Scope<'t, 's>,
    ) -> Option<Term> {
        let Some(((condition, then), rest)) = branches.split_first() else {
            return match otherwise {
                Some(otherwise) => self.term(otherwise, scope),
                None => Some(Term::Input),
            };
        };
        Some(Term::If {
            condition: self.boxed_one(condition, scope)?,
            then: self.boxed(then, scope)?,
            otherwise: Box::new(self.branches(rest, otherwise, scope)?),
        })
    }

    fn call<'t, 's>(
        &mut self,
        name: &'s str,
        arguments: &'t [Parsed<&'s str>],
        scope: &Scope<'t, 's>,
    ) -> Option<Term> {
        let own = scope.names().find_map(|(known, outer)| match known {
            Known::Definition(definition)
                if definition.name == name && definition.args.len() == arguments.len() =>
            {
                Some((known.clone(), outer.clone()))
            }
            Known::Closure(known_name, ..) if *known_name == name && arguments.is_empty() => {
                Some((known.clone(), outer.clone()))
            }
            _ => None,
        });
        match own {
            Some((Known::Closure(_, term, written), _)) => self.term(term, &written),
            Some((Known::Definition(definition), outer)) => {
                self.written_out(definition, arguments, scope, &outer)
            }
            _ => self.library(name, arguments, scope),
        }
    }

    /// A definition with its arguments, which are read where it is called.
    fn written_out<'t, 's>(
        &mut self,
        definition: &'t Def<&'s str>,
        arguments: &'t [Parsed<&'s str>],
        scope: &Scope<'t, 's>,
        outer: &Scope<'t, 's>,
    ) -> Option<Term> {
        let mut inner = outer.clone();
        let mut values = Vec::new();
        for (name, argument) in definition.args.iter().zip(arguments) {
            inner = inner.with(match name.starts_with('$') {
                false => Known::Closure(name, argument, scope.clone()),
                true => {
                    let (value, slot) = (self.boxed(argument, scope)?, self.slot());
                    values.push((value, slot));
                    Known::Value(name, slot)
                }
            });
        }
        let body = self.term(&definition.body, &inner)?;
        let bind = |then, (value, slot)| Term::Bind {
            value,
            slot,
            then: Box::new(then),
        };
        Some(values.into_iter().rev().fold(body, bind))
    }

    fn library<'t, 's>(
        &mut self,
        name: &'s str,
        arguments: &'t [Parsed<&'s str>],
        scope: &Scope<'t, 's>,
    ) -> Option<Term> {
        Some(match (name, arguments) {
            ("null", []) => Term::Constant(Constant::Null),
            ("true", []) => Term::bool(true),
            ("false", []) => Term::bool(false),
            ("empty", []) => Term::Nothing,
            ("first", []) => Term::Place(Box::new(Term::Input), 0),
            ("last", []) => Term::Place(Box::new(Term::Input), -1),
            ("length", []) => Term::Function(Function::Length),
            ("not", []) => Term::Function(Function::Not),
            ("tostring", []) => Term::Function(Function::ToString),
            ("type", []) => Term::Function(Function::Type),
            ("arrays", []) => Term::OfKind(Kind::List),
            ("objects", []) => Term::OfKind(Kind::Object),
            ("strings", []) => Term::OfKind(Kind::Text),
            ("numbers", []) => Term::OfKind(Kind::Number),
            ("join", [between]) => Term::Join(self.boxed_one(between, scope)?),
            ("map", [each]) => {
                let items = Term::Values {
                    of: Box::new(Term::Input),
                    optional: false,
                };
                self.make()?;
                let each = self.boxed(each, scope)?;
                Term::List(Some(Box::new(Term::Pipe(Box::new(items), each))))
            }
            ("select", [condition]) => Term::If {
                condition: self.boxed_one(condition, scope)?,
                then: Box::new(Term::Input),
                otherwise: Box::new(Term::Nothing),
            },
            _ => return None,
        })
    }
}

fn constant(parts: &[StrPart<&str, Parsed<&str>>]) -> Option<String> {
    let part = |part: &StrPart<&str, Parsed<&str>>| match part {
        StrPart::Str(text) => Some((*text).to_owned()),
        StrPart::Char(character) => Some(character.to_string()),
        StrPart::Term(_) => None,
    };
    parts.iter().map(part).collect()
}

/// A whole number that the machine has.
fn integer(term: &Parsed<&str>) -> Option<isize> {
    match term {
        Parsed::Num(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().ok()
        }
        Parsed::Neg(number) if matches!(**number, Parsed::Num(_)) => Some(-integer(number)?),
        _ => None,
    }
}
