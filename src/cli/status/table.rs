//! A table that is as wide as a screen at most: names lose their middle, words their end.

use super::row::{COLUMNS, Row};

/// Columns that may be narrower than what is in them, and how narrow: tenant, provider, state.
const YIELDING: [(usize, usize); 3] = [(0, 10), (1, 6), (4, 7)];
const GAP: &str = "  ";

/// The lines of a table; without a width as wide as they are.
pub(super) fn table(heads: [&str; COLUMNS], rows: &[Row], width: Option<usize>) -> Vec<String> {
    let heads = heads.map(str::to_owned);
    let all = || std::iter::once(&heads).chain(rows);
    let mut widths: [usize; COLUMNS] = std::array::from_fn(|column| {
        let cells = all().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    });
    if let Some(width) = width {
        fit(&mut widths, width);
    }
    let line = |row: &Row| {
        let cells = row.iter().zip(widths).enumerate();
        let cells = cells.map(|(column, (cell, width))| {
            let cell = match column {
                0 | 1 => without_middle(cell, width),
                _ => cut(cell, width),
            };
            format!("{cell:<width$}")
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        let line = line.trim_end();
        width.map_or_else(|| line.to_owned(), |width| cut(line, width))
    };
    all().map(line).collect()
}

pub(super) fn width(lines: &[String]) -> usize {
    let widths = lines.iter().map(|line| line.chars().count());
    widths.max().unwrap_or(0)
}

/// A text that ends where the room does.
pub(super) fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text
            .chars()
            .take(width.saturating_sub(1))
            .chain(['…'])
            .collect(),
        false => text.to_owned(),
    }
}

/// A text in lines of a width, the later ones set in.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last().map_or(0, |line| line.chars().count());
        if line > 2 && line + 1 + word.chars().count() > width {
            lines.push("  ".to_owned());
        }
        if let Some(line) = lines.last_mut() {
            let separator = if line.trim().is_empty() { "" } else { " " };
            line.push_str(separator);
            line.push_str(word);
        }
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

/// Takes from the widest of the columns that may yield.
fn fit(widths: &mut [usize; COLUMNS], width: usize) {
    let gaps = GAP.len() * (COLUMNS - 1);
    while widths.iter().sum::<usize>() + gaps > width {
        let yielding = YIELDING
            .iter()
            .filter(|(column, least)| widths[*column] > *least);
        let Some((widest, _)) = yielding.max_by_key(|(column, _)| widths[*column]) else {
            return;
        };
        widths[*widest] -= 1;
    }
}

/// What tells names apart is at their beginning and at their end.
fn without_middle(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    let kept = width.saturating_sub(1);
    let (head, tail) = (kept - kept / 2, kept / 2);
    let head = text.chars().take(head);
    let tail = text.chars().skip(length - tail);
    head.chain(['…']).chain(tail).collect()
}
