//! TOML documents that people write: complaints name file, line and field, and the nearest word.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    pub file: PathBuf,
    /// Counted from 1.
    pub line: Option<usize>,
    /// Counted from 1, in characters; where the mistake is within a text.
    pub column: Option<usize>,
    /// Dotted path of the key, such as `tools[3].request.path`.
    pub field: Option<String>,
    pub message: String,
}

impl Complaint {
    /// The file's name and the line: what may be told to anybody.
    pub fn place(&self) -> String {
        let name = self.file.file_name().unwrap_or_default().to_string_lossy();
        match self.line {
            Some(line) => format!("{name}:{line}"),
            None => name.into_owned(),
        }
    }
}

impl std::error::Error for Complaint {}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
            if let Some(column) = self.column {
                write!(f, ":{column}")?;
            }
        }
        if let Some(field) = &self.field {
            write!(f, ": {field}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// One step from a table or list to what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

impl From<&str> for Step {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Where in a document a key and its value are, in bytes.
struct Place {
    key: usize,
    value: Range<usize>,
}

/// A document as it was read.
pub struct Document<'a> {
    file: &'a Path,
    text: &'a str,
}

impl<'a> Document<'a> {
    pub fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text }
    }

    /// Reads the whole document as a `T`.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Complaint> {
        toml::from_str(self.text).map_err(|error| Complaint {
            file: self.file.to_owned(),
            line: match error.span() {
                Some(span) => Some(line_at(self.text, span.start)),
                None => self.line_of(error.message()),
            },
            column: None,
            field: None,
            message: explain(error.message()),
        })
    }

    /// The line of a mistake that the parser tells without a place, as it does of a key with too
    /// many dots. The text is read from its beginning: what ends before that line lacks the mistake,
    /// whatever others the cut makes, and what ends with it or later has it.
    fn line_of(&self, message: &str) -> Option<usize> {
        let newlines = self.text.match_indices('\n').map(|(at, _)| at + 1);
        let ends: Vec<usize> = newlines.chain([self.text.len()]).collect();
        let lacks_it = |end: &usize| {
            let (_, mistakes) = DeTable::parse_recoverable(&self.text[..*end]);
            let is_it = |mistake: &toml::de::Error| {
                mistake.span().is_none() && mistake.message() == message
            };
            !mistakes.iter().any(is_it)
        };
        let lines_before = ends.partition_point(lacks_it);
        (lines_before < ends.len()).then_some(lines_before + 1)
    }

    /// A complaint about the value at `path`, with its line. Steps that lead nowhere are left
    /// out of the search, so a missing key is reported where it is missing.
    pub fn complain(&self, path: &[Step], message: impl Into<String>) -> Complaint {
        Complaint {
            file: self.file.to_owned(),
            line: self.locate(path).map(|place| line_at(self.text, place.key)),
            column: None,
            field: (!path.is_empty()).then(|| dotted(path)),
            message: message.into(),
        }
    }

    /// A complaint about the byte `at` of the text that is the value at `path`. Where the text is
    /// written with escapes, the place is that of its key.
    pub fn complain_within(
        &self,
        path: &[Step],
        (text, at): (&str, usize),
        message: impl Into<String>,
    ) -> Complaint {
        let complaint = self.complain(path, message);
        let begins = self.locate(path).and_then(|place| {
            let written = self.text.get(place.value.clone())?;
            Some(place.value.start + written.find(text)?)
        });
        let Some(at) = begins.map(|begins| begins + at) else {
            return complaint;
        };
        let before = self.text.get(..at).unwrap_or_default();
        let line_begins = before.rfind('\n').map_or(0, |newline| newline + 1);
        Complaint {
            line: Some(line_at(self.text, at)),
            column: Some(before[line_begins..].chars().count() + 1),
            ..complaint
        }
    }

    fn locate(&self, path: &[Step]) -> Option<Place> {
        let root = DeTable::parse(self.text).ok()?;
        let mut at: Option<Place> = None;
        let mut value = &DeValue::Table(root.into_inner());
        for step in path {
            let next = match (step, value) {
                (Step::Key(key), DeValue::Table(table)) => table
                    .iter()
                    .find(|(name, _)| name.get_ref() == key)
                    .map(|(name, inner)| {
                        at = Some(Place {
                            key: name.span().start,
                            value: inner.span(),
                        });
                        inner.get_ref()
                    }),
                (Step::Index(index), DeValue::Array(items)) => items.get(*index).map(|item| {
                    at = Some(Place {
                        key: item.span().start,
                        value: item.span(),
                    });
                    item.get_ref()
                }),
                _ => None,
            };
            let Some(inner) = next else { break };
            value = inner;
        }
        at
    }
}

fn dotted(path: &[Step]) -> String {
    let mut out = String::new();
    for step in path {
        match step {
            Step::Key(key) if out.is_empty() => out.push_str(key),
            Step::Key(key) => {
                out.push('.');
                out.push_str(key);
            }
            Step::Index(index) => out.push_str(&format!("[{index}]")),
        }
    }
    out
}

/// The line, counted from 1, that the byte at `offset` is in.
pub fn line_at(text: &str, offset: usize) -> usize {
    let before = text.as_bytes().iter().take(offset);
    before.filter(|byte| **byte == b'\n').count() + 1
}

/// A word that serde did not know: what it is, itself, and a hint at the nearest known one.
pub struct UnknownWord<'a> {
    pub is_key: bool,
    pub word: &'a str,
    pub hint: String,
}

/// Reads serde's message about an unknown field or variant; other messages are none.
pub fn unknown_word(message: &str) -> Option<UnknownWord<'_>> {
    let (is_key, rest) = match message.strip_prefix("unknown field `") {
        Some(rest) => (true, rest),
        None => (false, message.strip_prefix("unknown variant `")?),
    };
    let word = rest.split('`').next()?;
    let known: Vec<&str> = rest.split('`').skip(2).step_by(2).collect();
    Some(UnknownWord {
        is_key,
        word,
        hint: suggestion(word, &known),
    })
}

fn explain(message: &str) -> String {
    match unknown_word(message) {
        Some(UnknownWord {
            is_key: true,
            word,
            hint,
        }) => format!("unknown key `{word}`{hint}"),
        Some(UnknownWord { word, hint, .. }) => format!("unknown value `{word}`{hint}"),
        None if message == "recursion limit" => "a key with too many dots".to_owned(),
        None => message.to_owned(),
    }
}

/// `; did you mean …?` where a known word is near, the list of them where it is short.
pub fn suggestion(unknown: &str, known: &[&str]) -> String {
    match near(unknown, known) {
        hint if !hint.is_empty() || known.is_empty() => hint,
        _ => format!("; known here: {}", known.join(", ")),
    }
}

/// The nearest word, if one is near; for lists that are too long to repeat.
pub fn near(unknown: &str, known: &[&str]) -> String {
    let nearest = known
        .iter()
        .map(|word| (strsim::damerau_levenshtein(unknown, word), word))
        .min()
        .filter(|(distance, _)| *distance <= 1 + unknown.len() / 3);
    nearest.map_or_else(String::new, |(_, word)| format!("; did you mean `{word}`?"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is used")]
    struct Shape {
        listen: Option<String>,
        deep: Option<BTreeMap<String, i64>>,
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
        let document = Document::new(Path::new("x.toml"), "# one\n\nlisten_ = \"a\"\n");
        let complaint = document.read::<Shape>().unwrap_err();
        assert_eq!(
            complaint.to_string(),
            "x.toml:3: unknown key `listen_`; did you mean `listen`?"
        );
    }

    #[test]
    fn a_key_with_too_many_dots_has_its_line() {
        let key = vec!["a"; 81].join(".");
        let line = |before: &str, after: &str| {
            let text = format!("{before}{key} = 1{after}");
            let document = Document::new(Path::new("x.toml"), &text);
            document.read::<Shape>().unwrap_err().to_string()
        };
        let third = "x.toml:3: a key with too many dots";
        assert_eq!(line("# é\n[x]\n", ""), third);
        assert_eq!(line("# é\n[x]\n", "\n\nz = 'half\n"), third);
        assert_eq!(line("# é\r\n[x]\r\n", "\r\nz = 1\r\nz = 2\r\n"), third);
        assert_eq!(line("\n\n", "\nz = [\n 1,\n 2,\n]\n"), third);
        assert_eq!(line("z = [\n 1,\n { ", " },\n 2,\n]\n"), third);
        assert_eq!(line("z = \"\"\"\n\"\"\"\n", "\ny = {\n a = 1,\n}\n"), third);
    }

    #[test]
    fn a_path_is_found_in_tables_and_lists() {
        let text = "[a]\nb = 1\n[[c]]\nd = 1\n[[c]]\nd = { e = 2 }\n";
        let document = Document::new(Path::new("x.toml"), text);
        let line = |path: &[Step]| document.complain(path, "m").line;
        assert_eq!(line(&["a".into(), "b".into()]), Some(2));
        assert_eq!(
            line(&["c".into(), 1.into(), "d".into(), "e".into()]),
            Some(6)
        );
        assert_eq!(line(&["c".into(), 0.into(), "missing".into()]), Some(3));
    }

    #[test]
    fn a_place_within_a_text_has_line_and_column() {
        let text = "a = '.x |'\nb = '''\n.é\n| y'''\nc = \"\\\".\\\"\"\n";
        let document = Document::new(Path::new("x.toml"), text);
        let within = |key: &str, text: &str, at: usize| {
            let complaint = document.complain_within(&[key.into()], (text, at), "m");
            complaint.to_string()
        };
        assert_eq!(within("a", ".x |", 4), "x.toml:1:10: a: m");
        assert_eq!(within("b", ".é\n| y", 6), "x.toml:4:3: b: m");
        assert_eq!(within("b", ".é\n| y", 3), "x.toml:3:3: b: m");
        assert_eq!(within("c", "\".\"", 1), "x.toml:5: c: m");
    }
}
