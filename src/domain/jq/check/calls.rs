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
    arguments: usize,
    /// `None` while its own definition is being read: calling it there would be recursion.
    levels: Option<usize>,
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
        self.0.push(Local {
            name,
            arguments: closures.len(),
            levels: None,
        });
        // What they are is counted where the definition is called.
        let closures = closures.iter().filter(|name| !name.starts_with('$'));
        self.0.extend(closures.map(|name| Local {
            name,
            arguments: 0,
            levels: Some(1),
        }));
        before
    }

    /// A definition ends: it may be called from here on.
    pub(super) fn close(&mut self, before: usize, levels: usize) {
        self.0.truncate(before + 1);
        if let Some(local) = self.0.last_mut() {
            local.levels = Some(levels);
        }
    }

    /// How deep a call goes, besides its arguments; or why it is refused.
    pub(super) fn levels(&self, name: &str, arguments: usize) -> Result<usize, String> {
        let mut locals = self.0.iter().rev();
        let local = locals.find(|local| local.name == name && local.arguments == arguments);
        match local {
            Some(local) => local
                .levels
                .ok_or_else(|| format!("`{name}` calls itself; recursion is not allowed")),
            None if FUNCTIONS.contains(&(name, arguments)) => Ok(LIBRARY_LEVELS),
            None => Err(unknown(name, arguments)),
        }
    }
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
