//! Which functions a program may call where, and how deep each goes.

use super::super::functions::FUNCTIONS;
use crate::domain::document::near;

/// How deep the library's own definitions go at most.
const LIBRARY_LEVELS: usize = 12;

/// The program's own functions and closures that can be called at a place, innermost last.
#[derive(Default)]
pub(super) struct Calls<'s>(Vec<Local<'s>>);

struct Local<'s> {
    name: &'s str,
    /// Of each argument, whether it says what is changed there.
    changes: Vec<bool>,
    /// `None` while its own definition is being read: calling it there would be recursion.
    levels: Option<usize>,
    /// A closure is called where its definition says what is changed.
    changed: bool,
    /// It has a `reduce` or `foreach` in it, or calls what has.
    folds: bool,
}

/// What a call comes to.
pub(super) struct Called {
    /// How deep it goes, besides its arguments.
    pub(super) levels: usize,
    /// Of each argument, whether it says what is changed.
    pub(super) changes: Vec<bool>,
}

impl<'s> Local<'s> {
    fn new(name: &'s str, arguments: usize, levels: Option<usize>) -> Self {
        Self {
            name,
            changes: vec![false; arguments],
            levels,
            changed: false,
            folds: false,
        }
    }
}

impl<'s> Calls<'s> {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets what has been defined since.
    pub(super) fn forget(&mut self, before: usize) {
        self.0.truncate(before);
    }

    /// A definition begins: neither itself nor, by another, itself may be called in it.
    pub(super) fn open(&mut self, name: &'s str, closures: &[&'s str]) -> usize {
        let before = self.0.len();
        self.0.push(Local::new(name, closures.len(), None));
        // What they are is counted where the definition is called. A `$name` is a value.
        let closures = closures.iter().map(|name| Local::new(name, 0, Some(1)));
        self.0.extend(closures);
        before
    }

    /// A definition ends: it may be called from here on.
    pub(super) fn close(&mut self, before: usize, levels: usize) {
        let closures = self.0.split_off(before + 1);
        if let Some(local) = self.0.last_mut() {
            local.levels = Some(levels);
            let changes = local.changes.iter_mut().zip(closures);
            changes.for_each(|(changes, closure)| *changes = closure.changed);
        }
    }

    /// There is a `reduce` or `foreach` in the definitions that are being read.
    pub(super) fn fold(&mut self) {
        let open = self.0.iter_mut().filter(|local| local.levels.is_none());
        open.for_each(|local| local.folds = true);
    }

    /// What a call comes to, where it says what is `changed` or elsewhere; or why it is refused.
    pub(super) fn call(
        &mut self,
        name: &str,
        arguments: usize,
        changed: bool,
    ) -> Result<Called, String> {
        let is = |local: &&mut Local<'_>| local.name == name && local.changes.len() == arguments;
        let Some(local) = self.0.iter_mut().rev().find(is) else {
            return library(name, arguments);
        };
        let Some(levels) = local.levels else {
            return Err(format!("`{name}` calls itself; recursion is not allowed"));
        };
        if local.folds && changed {
            return Err(format!(
                "`{name}` cannot say what is changed: it has a fold in it"
            ));
        }
        local.changed |= changed;
        let changes = match changed {
            // It is not known which of them do: all may.
            true => vec![true; arguments],
            false => local.changes.clone(),
        };
        if local.folds {
            self.fold();
        }
        Ok(Called { levels, changes })
    }
}

fn library(name: &str, arguments: usize) -> Result<Called, String> {
    if !FUNCTIONS.contains(&(name, arguments)) {
        return Err(unknown(name, arguments));
    }
    Ok(Called {
        levels: LIBRARY_LEVELS,
        changes: vec![name == "del"; arguments],
    })
}

fn unknown(name: &str, arguments: usize) -> String {
    let known = FUNCTIONS.iter().filter(|(known, _)| *known == name);
    let counts: Vec<String> = known.map(|(_, count)| count.to_string()).collect();
    if counts.is_empty() {
        let names: Vec<&str> = FUNCTIONS.iter().map(|(name, _)| *name).collect();
        let hint = near(name, &names);
        return format!("there is no function `{name}` here{hint}");
    }
    let counts = counts.join(" or ");
    format!("`{name}` takes {counts} arguments, not {arguments}")
}
