//! What a profile's programs share: its own definitions, and those of them that a program carries.

use crate::domain::document::{Complaint, Document};
use crate::domain::jq::Program;

/// What the programs of a profile may call besides the functions of all.
#[derive(Default)]
pub(super) struct Definitions(Vec<Definition>);

struct Definition {
    name: String,
    /// With what stands between it and the next one.
    source: String,
}

impl Definitions {
    pub(super) fn parse(
        document: &Document<'_>,
        source: Option<String>,
    ) -> Result<Self, Complaint> {
        let Some(source) = source else {
            return Ok(Self::default());
        };
        let program = Program::parse(&[&source, "\n."].concat()).map_err(|error| {
            let message = format!("jq: {error}");
            let place = (source.as_str(), error.at);
            document.complain_within(&["definitions".into()], place, message)
        })?;
        let mut definitions = Vec::new();
        let mut rest = source.as_str();
        for (name, at) in program.defined().iter().rev() {
            let (before, here) = rest.split_at(start(rest, *at));
            definitions.push(Definition {
                name: name.clone(),
                source: here.to_owned(),
            });
            rest = before;
        }
        definitions.reverse();
        Ok(Self(definitions))
    }

    /// A program with the definitions before it.
    pub(super) fn with(&self, source: &str) -> String {
        [self.before(source).as_str(), "\n", source].concat()
    }

    /// Those whose names the program has in it, and those whose names they have in them: most
    /// programs call none.
    fn before(&self, source: &str) -> String {
        let mut taken: Vec<&Definition> = Vec::new();
        // Each sees those before it.
        for definition in self.0.iter().rev() {
            let is_in = |text: &str| text.contains(&definition.name);
            if is_in(source) || taken.iter().any(|later| is_in(&later.source)) {
                taken.push(definition);
            }
        }
        let sources = taken.iter().rev().map(|taken| taken.source.as_str());
        sources.collect()
    }
}

/// Where the definition begins whose name is there.
fn start(source: &str, name: usize) -> usize {
    let before = source.get(..name).unwrap_or_default();
    // Between `def` and its name there may be a comment, with anything in it.
    let mut words = before.rmatch_indices("def").map(|(at, _)| at);
    words
        .find(|at| is_blank(before.get(at + 3..).unwrap_or_default()))
        .unwrap_or_default()
}

/// Whether a text is blanks and comments.
fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim_start();
        line.is_empty() || line.starts_with('#')
    })
}
