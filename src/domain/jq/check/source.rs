//! Reading a program's text: bounded before it is parsed, because the parser is recursive.

use jaq_core::load::lex::{Lexer, StrPart, Tok, Token};
use jaq_core::load::parse::{Expect, Parser, Term};
use jaq_core::load::span;

use super::super::ProgramError;

/// A longer program is refused.
const MAX_BYTES: usize = 16 * 1024;
/// Brackets within brackets.
const MAX_BRACKETS: usize = 40;
/// Words and signs after which the parser goes a level deeper.
const MAX_OPENING: usize = 800;

pub(super) fn tokens(source: &str) -> Result<Vec<Token<&str>>, ProgramError> {
    let refuse = |at: usize, message: &str| {
        let message = message.to_owned();
        Err(ProgramError { at, message })
    };
    if source.len() > MAX_BYTES {
        return refuse(0, "a program has at most 16 KiB, with the definitions");
    }
    if let Some(at) = too_deep(source) {
        return refuse(at, "a program has at most 40 brackets within brackets");
    }
    let tokens = Lexer::new(source).lex().map_err(|errors| {
        let first = errors.into_iter().next();
        let (at, what) = first.map_or((0, "a program"), |(expected, rest)| {
            (span(source, rest).start, expected.as_str())
        });
        let message = format!("expected {what}");
        ProgramError { at, message }
    })?;
    if opening(&tokens) > MAX_OPENING {
        return refuse(0, "the program is too long; make steps of it");
    }
    if let Some(all) = recursion(&tokens) {
        let at = span(source, all).start;
        return refuse(at, "`..` is recursion, which is not allowed");
    }
    Ok(tokens)
}

pub(super) fn term<'s>(
    source: &'s str,
    tokens: &[Token<&'s str>],
) -> Result<Term<&'s str>, ProgramError> {
    let parsed = Parser::new(tokens).parse(|parser| parser.term());
    parsed.map_err(|errors| {
        let first = errors.into_iter().next();
        let Some((expected, found)) = first else {
            let message = "this is no jq program".to_owned();
            return ProgramError { at: 0, message };
        };
        let (at, found) = match found {
            // Of a bracket with what is in it, only the beginning is shown.
            Some(Token(text, _)) => (span(source, text).start, format!("`{}`", shown(text))),
            None => (source.len(), "the end".to_owned()),
        };
        let expected = match expected {
            Expect::Nothing => "the end",
            other => other.as_str(),
        };
        let message = format!("expected {expected}, found {found}");
        ProgramError { at, message }
    })
}

fn shown(text: &str) -> &str {
    let end = text.char_indices().nth(20).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

/// Where there are too many brackets within brackets, those in texts included.
fn too_deep(source: &str) -> Option<usize> {
    let mut depth = 0_usize;
    source.bytes().position(|byte| {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > MAX_BRACKETS
    })
}

/// The first `..`, those in texts included.
fn recursion<'s>(tokens: &[Token<&'s str>]) -> Option<&'s str> {
    tokens.iter().find_map(|Token(text, kind)| match kind {
        Tok::Sym => (*text == "..").then_some(*text),
        Tok::Block(tokens) => recursion(tokens),
        Tok::Str(parts) => parts.iter().find_map(|part| match part {
            StrPart::Term(token) => recursion(std::slice::from_ref(token)),
            StrPart::Str(_) | StrPart::Char(_) => None,
        }),
        _ => None,
    })
}

fn opening(tokens: &[Token<&str>]) -> usize {
    let of = |Token(text, kind): &Token<&str>| match kind {
        Tok::Block(tokens) => 1 + opening(tokens),
        Tok::Str(parts) => parts.iter().map(within).sum(),
        Tok::Word => {
            let words = [
                "as", "catch", "def", "elif", "else", "foreach", "if", "label",
            ];
            let more = ["reduce", "then", "try", "and", "or"];
            usize::from(words.contains(text) || more.contains(text))
        }
        Tok::Sym => usize::from(!text.starts_with(['.', ';', ':'])),
        Tok::Var | Tok::Fmt | Tok::Num => 0,
    };
    tokens.iter().map(of).sum()
}

fn within(part: &StrPart<&str, Token<&str>>) -> usize {
    match part {
        StrPart::Term(Token(_, Tok::Block(tokens))) => 1 + opening(tokens),
        StrPart::Term(_) => 1,
        StrPart::Str(_) | StrPart::Char(_) => 0,
    }
}
