//! The house keeps its shape: who may import whom, where outside libraries live, and that every
//! file says what it is for. The tables are the documentation.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each part of the crate may import from the others. All may import `domain`.
const IMPORTS: &[(&str, &[&str])] = &[
    ("main", &["app", "cli"]),
    // Process.
    (
        "cli",
        &[
            "admin", "app", "catalog", "config", "net", "sandbox", "domain",
        ],
    ),
    (
        "app",
        &[
            "admin",
            "audit",
            "catalog",
            "config",
            "credentials",
            "domain",
            "file_stamp",
            "gateway",
            "http",
            "net",
            "notify",
            "store",
            "token",
            "traces",
            "upstream",
            "vault",
        ],
    ),
    ("config", &["catalog", "domain", "store"]),
    ("sandbox", &["domain"]),
    // Edge.
    (
        "http",
        &["admin", "catalog", "domain", "file_stamp", "gateway"],
    ),
    // Use cases.
    (
        "gateway",
        &[
            "audit",
            "catalog",
            "credentials",
            "domain",
            "store",
            "token",
            "upstream",
        ],
    ),
    (
        "admin",
        &[
            "audit",
            "catalog",
            "credentials",
            "domain",
            "notify",
            "store",
            "token",
            "vault",
        ],
    ),
    ("credentials", &["domain", "store", "vault"]),
    ("audit", &["domain", "store", "vault"]),
    // Leaves.
    ("catalog", &["domain"]),
    ("token", &["domain", "net"]),
    ("notify", &["domain", "net", "secret_file"]),
    ("traces", &["domain", "net"]),
    ("upstream", &["domain", "net"]),
    ("store", &["domain"]),
    ("vault", &["domain", "secret_file"]),
    ("secret_file", &["domain"]),
    ("file_stamp", &[]),
    ("net", &["domain"]),
    ("domain", &[]),
];

/// Where a word may occur: outside libraries and the one way to read a secret.
const HOMES: &[(&str, &[&str])] = &[
    ("sqlx", &["store"]),
    ("axum", &["http", "sandbox"]),
    ("rmcp", &["http/mcp", "cli/telemetry.rs"]),
    (
        "reqwest",
        &[
            "net",
            "notify/webhook.rs",
            "token/login",
            "traces/collector.rs",
            "upstream/rest.rs",
            "app/mod.rs",
            "cli/telemetry.rs",
        ],
    ),
    ("lettre", &["notify/smtp"]),
    ("maud", &["notify/mail.rs"]),
    ("prefetch_index", &["domain/ahead.rs"]),
    ("jaq_core", &["domain/jq"]),
    ("jaq_json", &["domain/jq"]),
    ("jaq_std", &["domain/jq"]),
    ("saphyr_parser", &["catalog/openapi/yaml.rs"]),
    ("opentelemetry", &["traces"]),
    ("opentelemetry_sdk", &["traces"]),
    ("opentelemetry_proto", &["traces"]),
    ("prost", &["traces"]),
    (
        "expose_secret",
        &[
            "vault",
            "token/kept.rs",
            "token/login",
            "net/proxy.rs",
            "notify/smtp",
            "notify/webhook.rs",
            "domain/bearer_secret.rs",
            "admin/entry.rs",
            "admin/import.rs",
            "admin/dotenv.rs",
            "app/mod.rs",
        ],
    ),
    // Nothing in the domain needs a runtime or talks.
    (
        "tokio",
        &[
            "app",
            "cli",
            "gateway",
            "http",
            "main.rs",
            "net",
            "notify/smtp",
            "sandbox",
            "token",
            "traces",
        ],
    ),
];

fn source_files() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(&root).unwrap().to_owned(), text));
            }
        }
    }
    assert!(files.len() > 50, "the sources were found");
    files
}

/// The part of the house that a file belongs to.
fn part(path: &Path) -> String {
    let first = path
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The code of a file without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim_start)
        .filter(|line| !line.starts_with("//"))
}

/// The parts that a line reaches for: `crate::x`, `locum::x`.
fn reached(line: &str) -> impl Iterator<Item = &str> {
    ["crate::", "locum::"].into_iter().flat_map(move |root| {
        line.match_indices(root).map(move |(at, _)| {
            let rest = &line[at + root.len()..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            &rest[..end.unwrap_or(rest.len())]
        })
    })
}

#[test]
fn imports_go_one_way() {
    let parts: BTreeSet<&str> = IMPORTS.iter().map(|(part, _)| *part).collect();
    let mut forbidden = Vec::new();
    for (path, text) in source_files() {
        let from = part(&path);
        if from == "lib" {
            continue;
        }
        let allowed = IMPORTS.iter().find(|(part, _)| *part == from);
        let (_, allowed) = allowed.unwrap_or_else(|| panic!("{from} has no row in the table"));
        for line in code(&text) {
            for to in reached(line).filter(|to| parts.contains(to) && *to != from) {
                if !allowed.contains(&to) && to != "domain" {
                    forbidden.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
    }
    assert!(
        forbidden.is_empty(),
        "forbidden imports:\n{}",
        forbidden.join("\n")
    );
}

#[test]
fn the_table_has_no_circle() {
    let mut settled: BTreeSet<&str> = BTreeSet::new();
    while settled.len() < IMPORTS.len() {
        let before = settled.len();
        for (part, imports) in IMPORTS {
            if imports.iter().all(|import| settled.contains(import)) {
                settled.insert(part);
            }
        }
        assert!(
            settled.len() > before,
            "a circle among the parts that are not in {settled:?}"
        );
    }
}

#[test]
fn libraries_stay_in_their_homes() {
    let mut strays = Vec::new();
    for (path, text) in source_files() {
        let shown = path.to_string_lossy().replace('\\', "/");
        let is_test = shown.ends_with("tests.rs") || shown.contains("/tests/");
        for (word, homes) in HOMES {
            if is_test || homes.iter().any(|home| shown.starts_with(home)) {
                continue;
            }
            let production = text.split("#[cfg(test)]").next().unwrap_or_default();
            let used = |line: &str| {
                line.contains(&format!("{word}::")) || line.contains(&format!(".{word}("))
            };
            if let Some(line) = code(production).find(|line| used(line)) {
                strays.push(format!("{shown}: `{word}` in: {}", line.trim()));
            }
        }
    }
    assert!(
        strays.is_empty(),
        "outside of their homes:\n{}",
        strays.join("\n")
    );
}

/// `fuzz/` reaches private parsers through doors: a file `fuzzing.rs` in the part that it opens, with
/// that part's imports. No other build has them, and nothing behind them is made public.
#[test]
fn doors_for_fuzzing_are_in_no_other_build() {
    let (mut doors, mut declared) = (0, 0);
    for (path, text) in source_files() {
        doors += usize::from(path.ends_with("fuzzing.rs"));
        let lines: Vec<&str> = code(&text).collect();
        for (index, line) in lines.iter().enumerate() {
            let is_door = *line == "#[cfg(fuzzing)]" && lines[index + 1] == "pub mod fuzzing;";
            declared += usize::from(is_door);
            let follows = index > 0 && lines[index - 1] == "#[cfg(fuzzing)]";
            let allowed = is_door || follows || !line.contains("fuzzing");
            assert!(allowed, "{}: {line}", path.display());
        }
    }
    assert!(doors > 0);
    assert_eq!(declared, doors, "every door is closed by `#[cfg(fuzzing)]`");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<String> = source_files()
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//! "))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "files without //!: {silent:?}");
}
