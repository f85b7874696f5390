//! Names and texts of a description, brought into the shapes that a profile has.

use std::collections::{BTreeMap, BTreeSet};

/// `listPets`, `repos/list-for-org`, `X-Rate-Limit` → `list_pets`, `repos_list_for_org`,
/// `x_rate_limit`: a name as templates have them; empty where nothing is left.
pub(super) fn snake(text: &str, longest: usize) -> String {
    let mut name = String::new();
    let mut before = ' ';
    let mut rest = text.chars().take(500).peekable();
    while let Some(c) = rest.next() {
        let begins = c.is_ascii_uppercase()
            && (before.is_ascii_lowercase()
                || before.is_ascii_digit()
                || before.is_ascii_uppercase()
                    && rest.peek().is_some_and(char::is_ascii_lowercase));
        if (begins || !c.is_ascii_alphanumeric()) && !name.is_empty() && !name.ends_with('_') {
            name.push('_');
        }
        let kept = c.is_ascii_alphabetic() || c.is_ascii_digit() && !name.is_empty();
        if kept {
            name.push(c.to_ascii_lowercase());
        }
        before = c;
        if name.len() >= longest {
            break;
        }
    }
    name.truncate(longest);
    name.trim_end_matches('_').to_owned()
}

/// What a number at the end of a name takes at most.
const MAX_SUFFIX: usize = 8;

/// Names that are given once.
#[derive(Default)]
pub(super) struct Names {
    given: BTreeSet<String>,
    /// The last number that was tried, so that a thousand equal names are not a million tries.
    numbers: BTreeMap<String, usize>,
}

impl Names {
    /// The name, which is ASCII, or the name with a number, at most `longest` bytes.
    pub fn unique(&mut self, name: &str, longest: usize) -> String {
        let stem = name[..name.len().min(longest - MAX_SUFFIX)].trim_end_matches('_');
        let mut free = name.to_owned();
        while self.given.contains(&free) {
            let number = self.numbers.entry(stem.to_owned()).or_insert(1);
            *number += 1;
            free = format!("{stem}_{number}");
        }
        self.given.insert(free.clone());
        free
    }
}

/// One line without control characters, cut between words.
pub(super) fn line(text: &str, longest: usize) -> String {
    let text = text.get(..cut(text, longest * 8)).unwrap_or_default();
    let words: Vec<&str> = text
        .split(|c: char| c.is_whitespace() || c.is_control())
        .collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    shortened(&words.join(" "), longest)
}

/// Paragraphs without control characters, cut where one ends, or a sentence, or a word.
pub(super) fn paragraphs(text: &str, longest: usize) -> String {
    let text = text.get(..cut(text, longest * 8)).unwrap_or_default();
    let kept = |c: &char| *c == '\n' || !c.is_control();
    let text: String = text.replace('\t', "  ").chars().filter(kept).collect();
    let mut lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    lines.dedup_by(|one, other| one.is_empty() && other.is_empty());
    shortened(lines.join("\n").trim(), longest)
}

fn shortened(text: &str, longest: usize) -> String {
    if text.len() <= longest {
        return text.to_owned();
    }
    let begin = &text[..cut(text, longest)];
    let far = |at: &usize| *at > longest / 2;
    let ends = [begin.rfind("\n\n"), begin.rfind(". ").map(|at| at + 1)];
    if let Some(at) = ends.into_iter().flatten().filter(far).max() {
        return begin[..at].trim_end().to_owned();
    }
    let at = begin
        .rfind(char::is_whitespace)
        .filter(far)
        .unwrap_or(begin.len());
    format!("{}…", begin[..at].trim_end())
}

/// The last boundary between characters that is not after `at`.
fn cut(text: &str, at: usize) -> usize {
    (0..=at.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at))
        .unwrap_or(0)
}
