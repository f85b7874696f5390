//! `.env` files: `NAME=value` a line, with `export`, quotes and comments as shells and the usual
//! libraries know them. Nothing is expanded: `$` stands for itself.

use std::collections::BTreeMap;

use secrecy::SecretString;

/// A line that is no assignment; its text is not repeated, for it may be a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct DotenvError {
    pub line: usize,
    pub reason: &'static str,
}

/// The variables of a file. No `Debug`: they are secrets.
pub type Variables = BTreeMap<String, SecretString>;

/// Reads a file's text. A variable that occurs twice is an error: which one was meant?
pub fn parse(text: &str) -> Result<Variables, DotenvError> {
    let mut variables = Variables::new();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (index, line) in text.lines().enumerate() {
        let fail = |reason| DotenvError {
            line: index + 1,
            reason,
        };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, rest) = line
            .split_once('=')
            .ok_or_else(|| fail("expected NAME=value"))?;
        let name = name.trim();
        if !is_name(name) {
            return Err(fail(
                "a name has A-Z, a-z, 0-9 and _, and starts with no digit",
            ));
        }
        let value = value(rest).ok_or_else(|| fail("a quote is not closed"))?;
        if variables
            .insert(name.to_owned(), SecretString::from(value))
            .is_some()
        {
            return Err(fail("the name occurs twice"));
        }
    }
    Ok(variables)
}

fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed) && !name.as_bytes()[0].is_ascii_digit()
}

fn value(text: &str) -> Option<String> {
    let begun = text.trim_start();
    match begun.chars().next() {
        Some('\'') => quoted(&begun[1..], '\'', false),
        Some('"') => quoted(&begun[1..], '"', true),
        _ => {
            // A comment begins with a blank before it: a secret may have a # inside.
            let mut pairs = text.as_bytes().windows(2);
            let comment = pairs.position(|pair| matches!(pair, b" #" | b"\t#"));
            Some(text[..comment.unwrap_or(text.len())].trim().to_owned())
        }
    }
}

fn quoted(text: &str, quote: char, escapes: bool) -> Option<String> {
    let mut value = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' if escapes => value.push(match characters.next()? {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            end if end == quote => {
                let rest = characters.as_str().trim_start();
                return (rest.is_empty() || rest.starts_with('#')).then_some(value);
            }
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn reads_what_people_write() {
        let text = "\u{feff}# comment\r\nA=1\r\nexport B = two # note\nC='x # y'\nD=\"a\\\"b\\n\"\nE=\nF=p#q\nG=v\t# x #y\nH= # x\n";
        let variables = parse(text).unwrap();
        let pairs: Vec<_> = variables
            .iter()
            .map(|(name, value)| (name.as_str(), value.expose_secret()))
            .collect();
        let expected = [
            ("A", "1"),
            ("B", "two"),
            ("C", "x # y"),
            ("D", "a\"b\n"),
            ("E", ""),
            ("F", "p#q"),
            ("G", "v"),
            ("H", ""),
        ];
        assert_eq!(pairs, expected);
    }

    #[test]
    fn errors_name_the_line_and_not_the_secret() {
        let error = |text: &str| parse(text).err().unwrap().to_string();
        assert_eq!(error("A=1\nhunter2"), "line 2: expected NAME=value");
        assert_eq!(error("A='x"), "line 1: a quote is not closed");
        assert_eq!(error("A=1\nA=2"), "line 2: the name occurs twice");
        assert!(error("1A=x").starts_with("line 1: a name"));
    }

    proptest! {
        #[test]
        fn foreign_text_never_panics(text in "(?s).{0,200}") {
            let _ = parse(&text);
        }
    }
}
