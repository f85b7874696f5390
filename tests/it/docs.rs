//! The pages of `docs/`, and the README: their tables are shown as they were meant, and the tests that
//! they name exist.

use std::fs;
use std::path::Path;

/// Names and texts of all pages.
fn pages() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = fs::read_dir(root.join("docs")).unwrap();
    let files = files.map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let pages = pages.chain([root.join("README.md")]);
    pages
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.display().to_string(), text)
        })
        .collect()
}

/// The cells of a table's row. Within one, in code too, a `|` is written `\|`.
fn cells(row: &str) -> usize {
    row.replace(r"\|", "").matches('|').count() - 1
}

#[test]
fn every_row_of_a_table_has_as_many_cells_as_its_head() {
    let (mut rows, mut broken) = (0, Vec::new());
    for (page, text) in pages() {
        let (mut in_code, mut head) = (false, None);
        for (line, number) in text.lines().map(str::trim).zip(1..) {
            in_code ^= line.starts_with("```");
            if in_code || !line.starts_with('|') {
                head = None;
                continue;
            }
            let wanted = *head.get_or_insert(cells(line));
            if cells(line) != wanted || !line.ends_with('|') {
                broken.push(format!("{page}:{number}: {line}"));
            }
            rows += 1;
        }
    }
    assert!(rows > 300, "{rows} rows");
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// What stands below a heading of the second level.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("\n## {heading}\n")).unwrap();
    rest.split("\n## ").next().unwrap()
}

/// A `file::function` of the page on security. Files without a folder that the repository begins
/// with are below `tests/it`.
fn exists(file: &str, function: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut places = [root.join(file), root.join("tests/it").join(file)].into_iter();
    let text = places.find_map(|path| fs::read_to_string(path).ok());
    text.is_some_and(|text| text.contains(&format!("fn {function}(")))
}

#[test]
fn every_test_that_is_said_to_prove_something_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("docs/security.md")).unwrap();
    // What is between backticks is code: every other part.
    let code = section(&page, "Which tests prove what")
        .split('`')
        .skip(1)
        .step_by(2);
    let names = code.filter_map(|code| code.split_once("::"));
    let names: Vec<_> = names.filter(|name| *name != ("file", "function")).collect();
    assert!(names.len() > 100, "{} names", names.len());
    let missing: Vec<String> = names
        .into_iter()
        .filter(|(file, function)| !exists(file, function))
        .map(|(file, function)| format!("{file}::{function}"))
        .collect();
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}
