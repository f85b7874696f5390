//! A checked program becomes what the interpreter runs.

use std::collections::BTreeSet;
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

/// Of each of them, which others it takes, and itself: by the names in their bodies.
static TAKES: LazyLock<Vec<Vec<usize>>> = LazyLock::new(|| {
    let bodies = PRELUDE.iter().map(|def| format!("{:?}", def.body));
    let named: Vec<Vec<usize>> = bodies.map(|body| named_in(&body)).collect();
    (0..PRELUDE.len())
        .map(|first| {
            let mut taken = vec![first];
            let mut next = 0;
            while let Some(at) = taken.get(next) {
                let named = named.get(*at).into_iter().flatten();
                let new: Vec<usize> = named.filter(|at| !taken.contains(at)).copied().collect();
                taken.extend(new);
                next += 1;
            }
            taken
        })
        .collect()
});

/// Those whose names are in a text.
fn named_in(text: &str) -> Vec<usize> {
    let defs = PRELUDE.iter().enumerate();
    let named = defs.filter(|(_, def)| text.contains(def.name));
    named.map(|(at, _)| at).collect()
}

/// Those whose names are in a program, and what they take: all of them together take more memory
/// than most programs.
fn prelude(source: &str) -> impl Iterator<Item = Def<&'static str>> {
    let named = named_in(source).into_iter();
    let taken = named.filter_map(|at| TAKES.get(at)).flatten();
    // In their order: a definition follows what it takes.
    let taken: BTreeSet<usize> = taken.copied().collect();
    taken.into_iter().filter_map(|at| PRELUDE.get(at).cloned())
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
