//! A checked program becomes what the interpreter runs.

use std::sync::LazyLock;

use jaq_core::data::{DataT, HasLut};
use jaq_core::load::parse::Def;
use jaq_core::load::{Arena, File, Loader, span};
use jaq_core::{Compiler, Filter, Lut};
use jiff::tz::TimeZone;

use super::budget::spend;
use super::functions::DEFINITIONS;
use super::{ProgramError, Value, natives};

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
pub(super) static PRELUDE: LazyLock<Vec<Def<&'static str>>> = LazyLock::new(|| {
    let defs = jaq_core::defs().chain(jaq_std::defs());
    let allowed = |def: &Def<&str>| DEFINITIONS.contains(&(def.name, def.args.len()));
    defs.filter(allowed).collect()
});

/// What stands in them: any name that one of them calls, and more.
static BODIES: LazyLock<Vec<String>> = LazyLock::new(|| {
    let bodies = PRELUDE.iter().map(|def| format!("{:?}", def.body));
    bodies.collect()
});

/// Those whose names are in a program, or in one that is taken: all of them together take more memory
/// than most programs.
fn prelude(source: &str) -> impl Iterator<Item = Def<&'static str>> {
    let mut taken: Vec<bool> = PRELUDE
        .iter()
        .map(|def| source.contains(def.name))
        .collect();
    loop {
        let is_called = |def: &Def<&str>| {
            let mut callers = BODIES.iter().zip(&taken);
            callers.any(|(body, taken)| *taken && body.contains(def.name))
        };
        let next: Vec<bool> = PRELUDE
            .iter()
            .zip(&taken)
            .map(|(def, taken)| *taken || is_called(def))
            .collect();
        if next == taken {
            break;
        }
        taken = next;
    }
    let defs = PRELUDE.iter().zip(taken);
    defs.filter(|(_, taken)| *taken).map(|(def, _)| def.clone())
}

pub(super) fn compile(source: &str) -> Result<Filter<Language>, ProgramError> {
    let arena = Arena::default();
    let file = File {
        code: source,
        path: (),
    };
    let loader = Loader::new(prelude(source));
    let modules = loader.load(&arena, file).map_err(|_| ProgramError {
        at: 0,
        message: "this is no jq program".to_owned(),
    })?;
    let compiler = Compiler::default()
        .with_funs(natives::all())
        .with_global_vars(VARIABLES);
    compiler.compile(modules).map_err(|errors| {
        let first = errors.into_iter().flat_map(|(_, errors)| errors).next();
        let (at, message) = match first {
            Some((name, undefined)) => (
                span(source, name).start,
                format!("there is no {} `{name}` here", undefined.as_str()),
            ),
            None => (0, "this is no jq program".to_owned()),
        };
        ProgramError { at, message }
    })
}
