//! What names stand for at a place of a program.

use std::rc::Rc;

use jaq_core::load::parse::{Def, Term as Parsed};

/// The names at a place, the innermost first.
#[derive(Clone, Default)]
pub(super) struct Scope<'t, 's>(Option<Rc<(Known<'t, 's>, Self)>>);

#[derive(Clone)]
pub(super) enum Known<'t, 's> {
    /// `$name`, and its slot.
    Value(&'s str, usize),
    Definition(&'t Def<&'s str>),
    /// A definition's argument, and the names where it was written.
    Closure(&'s str, &'t Parsed<&'s str>, Scope<'t, 's>),
}

impl<'t, 's> Scope<'t, 's> {
    pub(super) fn with(&self, name: Known<'t, 's>) -> Self {
        Self(Some(Rc::new((name, self.clone()))))
    }

    /// Each name, with those around it.
    pub(super) fn names(&self) -> impl Iterator<Item = (&Known<'t, 's>, &Self)> {
        let first = self.0.as_deref();
        let all = std::iter::successors(first, |(_, outer)| outer.0.as_deref());
        all.map(|(name, outer)| (name, outer))
    }

    pub(super) fn slot(&self, of: &str) -> Option<usize> {
        self.names().find_map(|(name, _)| match name {
            Known::Value(name, slot) if *name == of => Some(*slot),
            _ => None,
        })
    }
}
