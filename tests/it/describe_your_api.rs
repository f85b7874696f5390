//! What the guide and the reference of profiles say is so: the pieces of the guide are the example,
//! its commands print what it shows, and every key of the format has its row.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;

use crate::support::commands::free_address;
use crate::support::lab::PROFILE;

const GUIDE: &str = include_str!("../../docs/describe-your-api.md");
const REFERENCE: &str = include_str!("../../docs/profiles.md");
const RAW: &str = include_str!("../../src/catalog/raw.rs");

/// A fenced block of a page: its language and what is in it.
struct Block<'a> {
    language: &'a str,
    text: String,
}

fn blocks(page: &str) -> Vec<Block<'_>> {
    let mut found: Vec<Block<'_>> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match (line.strip_prefix("```"), inside) {
            (Some(language), false) => {
                let text = String::new();
                found.push(Block { language, text });
                inside = true;
            }
            (Some(_), true) => inside = false,
            (None, true) => {
                let block = found.last_mut().unwrap();
                writeln!(block.text, "{line}").unwrap();
            }
            (None, false) => {}
        }
    }
    found
}

#[test]
fn the_pieces_of_the_guide_are_the_example() {
    let pieces = blocks(GUIDE).into_iter();
    let pieces = pieces.filter(|block| block.language == "toml");
    let pieces: Vec<_> = pieces.map(|block| block.text).collect();
    assert_eq!(pieces.join("\n"), PROFILE);
}

/// What the shell says between the output of one block and that of the next.
const MARK: &str = "=== end of a block ===";

/// All of the guide as one script: pieces are added to the profile, servers go into the background.
fn script(guide: &[Block<'_>]) -> String {
    let mut script = "set -euo pipefail\nPATH=$BIN:$PATH\n".to_owned();
    for block in guide {
        let text = &block.text;
        match block.language {
            "toml" => writeln!(script, "cat >> profiles/lab.toml <<'PIECE'\n{text}\nPIECE"),
            "sh" if text.starts_with("locum sandbox") => {
                writeln!(
                    script,
                    "{} >&2 & until curl -sf $SANDBOX/_sandbox >&2; do sleep 0.1; done",
                    text.trim_end()
                )
            }
            "sh" if text.starts_with("locum serve") => {
                writeln!(
                    script,
                    "{} >&2 & until curl -s $GATEWAY/mcp >&2; do sleep 0.1; done",
                    text.trim_end()
                )
            }
            "sh" => writeln!(script, "{text}"),
            _ => continue,
        }
        .unwrap();
        writeln!(script, "echo '{MARK}'").unwrap();
    }
    script + "kill $(jobs -p)\n"
}

/// A folder in which the program is called `locum`.
fn with_program(folder: &Path) {
    let starter = folder.join("locum");
    let program = env!("CARGO_BIN_EXE_locum");
    std::fs::write(&starter, format!("#!/bin/sh\nexec {program} \"$@\"\n")).unwrap();
    std::fs::set_permissions(&starter, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Whether a text is as the guide shows it: `…` stands for anything.
fn is_as_shown(shown: &str, text: &str) -> bool {
    let mut parts = shown.trim_end().split('…');
    let Some(mut rest) = text.trim_end().strip_prefix(parts.next().unwrap()) else {
        return false;
    };
    let mut last = None;
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        last = Some(part);
    }
    rest.is_empty() || last == Some("")
}

/// Word for word, but for the ports, which are free ones here.
#[tokio::test(flavor = "multi_thread")]
async fn the_commands_of_the_guide_print_what_it_shows() {
    let (bin, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (sandbox, gateway, admin) = (free_address(), free_address(), free_address());
    let guide = GUIDE
        .replace("127.0.0.1:9300", &sandbox)
        .replace("127.0.0.1:8080", &gateway);
    let guide = blocks(&guide);
    with_program(bin.path());
    let mut command = Command::new("bash");
    command
        .args(["-c", &script(&guide)])
        .current_dir(work.path())
        .env("BIN", bin.path())
        .env("SANDBOX", format!("http://{sandbox}"))
        .env("GATEWAY", format!("http://{gateway}"))
        .env("LOCUM__SERVER__LISTEN", &gateway)
        .env("LOCUM__ADMIN__LISTEN", &admin)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(120), command.output());
    let output = output.await.expect("the guide within two minutes").unwrap();
    let (stdout, stderr) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    let mark = format!("{MARK}\n");
    let mut printed = stdout.split(&mark).map(str::to_owned);
    let mut before = String::new();
    for block in &guide {
        match block.language {
            "sh" | "toml" => before = printed.next().unwrap_or_default(),
            _ => assert!(
                is_as_shown(&block.text, &before),
                "shown:\n{}\nprinted:\n{before}\n{stderr}",
                block.text
            ),
        }
    }
    assert!(output.status.success(), "{stderr}");
}

/// Where the keys of each raw struct have their rows: the heading of a section.
const SECTIONS: &[(&str, &str)] = &[
    ("Profile", "### Head"),
    ("Environment", "### `[environments.NAME]`"),
    ("Credential", "### Head"),
    ("Field", "### `[credential.fields.NAME]`"),
    ("Import", "### `[credential.import]`"),
    ("Login", "### `[login]`"),
    ("Flow", "#### `[login.flows.NAME]`"),
    ("Probe", "#### `probe`"),
    ("Refresh", "#### `[login.flows.NAME]`"),
    ("LoginRequest", "#### `request`, also of `refresh`"),
    ("Basic", "#### `basic`"),
    ("LoginResponse", "#### `response`, also of `refresh`"),
    ("Header", "### `[[headers]]`"),
    ("ResultShape", "### `[result]`"),
    ("Errors", "### `[errors]`"),
    ("Tool", "### `[[tools]]`"),
    ("Idempotency", "#### `idempotency`"),
    ("Check", "#### `checks`"),
    ("Step", "## Steps"),
    ("Annotations", "#### `annotations`"),
    ("Request", "#### `request`\n"),
    ("Query", "#### `query`"),
    ("Response", "#### `response`\n"),
];

/// The keys of each struct of the profile format, as they are written in a profile.
fn raw_keys() -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
    let mut within = None;
    for line in RAW.lines() {
        if let Some(rest) = line.strip_prefix("pub(super) struct ") {
            within = rest.split_whitespace().next();
        } else if line == "}" {
            within = None;
        }
        let Some(name) = within else { continue };
        let key = line
            .strip_prefix("    pub ")
            .and_then(|rest| rest.split(':').next());
        let key = key.map(|key| if key == "returns" { "return" } else { key });
        keys.entry(name).or_default().extend(key);
    }
    keys
}

#[test]
fn every_key_of_the_format_is_in_the_reference() {
    let keys = raw_keys();
    assert!(
        keys.len() > 20 && keys.values().all(|keys| !keys.is_empty()),
        "{keys:?}"
    );
    let mut missing = Vec::new();
    for (name, keys) in &keys {
        let section = SECTIONS.iter().find(|(of, _)| of == name);
        let (_, heading) = section.unwrap_or_else(|| panic!("{name} has no section"));
        let (_, section) = REFERENCE
            .split_once(&format!("\n{heading}"))
            .expect(heading);
        let section = section.split("\n#").next().unwrap();
        // The first column of tables.
        let rows = section
            .lines()
            .filter_map(|line| line.strip_prefix("| ")?.split('|').next());
        let rows: Vec<_> = rows.collect();
        for key in keys {
            let row = rows.iter().any(|row| row.contains(&format!("`{key}`")));
            let own = [
                format!("`[{key}]`"),
                format!("`[{key}."),
                format!("`[[{key}]]`"),
            ];
            let own = *name == "Profile"
                && own
                    .iter()
                    .any(|own| REFERENCE.contains(&format!("### {own}")));
            let own = own
                || (*name == "Credential"
                    && REFERENCE.contains(&format!("### `[credential.{key}")));
            if !row && !own {
                missing.push(format!("{name}.{key} in {heading}"));
            }
        }
    }
    assert!(missing.is_empty(), "not in docs/profiles.md: {missing:#?}");
}
