//! A checked program becomes what the interpreter runs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use jaq_core::data::{DataT, HasLut};
use jaq_core::load::parse::{Def, Term};
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Filter, Lut};
use jiff::tz::TimeZone;

use super::budget::spend;
use super::functions::{DEFINITIONS, FUNCTIONS, LIBRARY};
use super::{ProgramError, Value, natives, place};

/// The variables of every program, in the order of `Variables::in_order`.
pub(super) const VARIABLES: [&str; 5] = ["$args", "$steps", "$org", "$now", "$today"];

/// What programs work on.
pub(super) struct Language;

/// What functions see besides their input.
pub(super) struct Scope<'a> {
    pub(super) lut: &'a Lut<Language>,
    pub(super) zone: &'a TimeZone,
}

impl DataT for Language {
    type V<'a> = Value;
    type Data<'a> = &'a Scope<'a>;
}

impl<'a> HasLut<'a, Language> for &'a Scope<'a> {
    /// The interpreter looks here for each term that it runs.
    fn lut(&self) -> &'a Lut<Language> {
        spend(1);
        self.lut
    }
}

/// The library's own definitions, those of the allow-list.
static PRELUDE: LazyLock<Vec<Def<&'static str>>> = LazyLock::new(|| {
    let defs = jaq_core::defs().chain(jaq_std::defs());
    let allowed = |def: &Def<&str>| DEFINITIONS.contains(&(def.name, def.args.len()));
    defs.filter(allowed).collect()
});

/// What calls which others: of each name among them, the names in the bodies of its definitions.
static CALLS: LazyLock<BTreeMap<&'static str, BTreeSet<&'static str>>> = LazyLock::new(|| {
    let mut calls: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for def in PRELUDE.iter() {
        let body = format!("{:?}", def.body);
        let known = DEFINITIONS.iter().chain(FUNCTIONS).map(|(name, _)| *name);
        let known = known.chain(LIBRARY.iter().copied());
        let called = known.filter(|name| body.contains(&format!("Call({name:?}")));
        calls.entry(def.name).or_default().extend(called);
    }
    calls
});

/// What a program reaches by what it calls: all functions together take more memory than most
/// programs.
fn reached(called: BTreeSet<&str>) -> BTreeSet<&str> {
    let mut next: Vec<&str> = called.iter().copied().collect();
    let mut reached = called;
    while let Some(name) = next.pop() {
        let called = CALLS.get(name).into_iter().flatten();
        next.extend(called.filter(|name| reached.insert(name)));
    }
    reached
}

/// The name of the definition that a program becomes. A program that calls it is refused before,
/// because nothing on the allow-list has it; one that a program defines hides it.
const PROGRAM: &str = "program";

/// The loader reads texts; what is already read is handed to it as a definition.
pub(super) fn compile<'s>(
    source: &'s str,
    program: Term<&'s str>,
    called: BTreeSet<&'s str>,
) -> Result<Filter<Language>, ProgramError> {
    let reached = reached(called);
    let library = PRELUDE.iter().filter(|def| reached.contains(def.name));
    let program = Def {
        name: PROGRAM,
        args: Vec::new(),
        body: program,
    };
    let arena = Arena::default();
    let file = File {
        code: PROGRAM,
        path: (),
    };
    let loader = Loader::new(library.cloned().chain([program]));
    let modules = loader.load(&arena, file).map_err(|_| ProgramError {
        at: 0,
        message: "this is no jq program".to_owned(),
    })?;
    let compiler = Compiler::default()
        .with_funs(natives::of(&reached))
        .with_global_vars(VARIABLES);
    compiler.compile(modules).map_err(|errors| {
        let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
        let (at, message) = match first {
            Some((name, undefined)) => (
                place(source, name),
                format!("there is no {} `{name}` here", undefined.as_str()),
            ),
            None => (0, "this is no jq program".to_owned()),
        };
        ProgramError { at, message }
    })
}
