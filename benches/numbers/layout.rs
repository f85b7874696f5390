//! `layout`: which functions a call runs through, found by counting what is executed (valgrind's
//! callgrind), and written down for the linker. `packaging/build.rs` says what for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use tokio::process::Command;

use crate::cores::{Cores, pid};
use crate::gateway::Kind;
use crate::stage::{LOCUM, Stage};
use crate::{Failure, progress};

const CALLS: usize = 3_200;
const CONNECTIONS: usize = 32;
/// An instruction that is executed for every other call is on a call's way.
const ENOUGH: u64 = CALLS as u64 / 2;
/// A pattern that takes more than so many times the bytes of the functions that are meant, and more
/// than a page, would put others between them.
const MOST_OTHERS: u64 = 3;
const PAGE: u64 = 4096;
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Counts the instructions of some thousand calls and writes `packaging/calls.ld`.
pub async fn write() -> Result<(), Failure> {
    let mut stage = Stage::set().await?;
    let folder = tempfile::tempdir()?;
    let counts = folder.path().join("counts");
    progress("counting what calls execute; that takes a minute or two");
    count(&mut stage, &counts).await?;
    // Under the name that it has without symbolic links.
    let program = std::fs::canonicalize(LOCUM)?;
    let counts = std::fs::read_to_string(&counts)?;
    let functions = patterns(
        &executed(&counts, &program.to_string_lossy()),
        &sizes().await?,
    );
    if functions.is_empty() {
        return Err("no function was counted; does the binary have its symbols?".into());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/calls.ld");
    std::fs::write(&path, script(&functions))?;
    println!("{} functions are in {}", functions.len(), path.display());
    Ok(())
}

async fn count(stage: &mut Stage, counts: &Path) -> Result<(), Failure> {
    let under = [
        "valgrind",
        "--tool=callgrind",
        "--instr-atstart=no",
        "--dump-instr=yes",
        "--demangle=no",
        "--compress-strings=no",
        "--compress-pos=no",
        &format!("--callgrind-out-file={}", counts.display()),
    ];
    let installation = stage.installation(Path::new(LOCUM), 1, Kind::Plain).await?;
    let target = installation.start_under(&under, &Cores::default()).await;
    let target = target.map_err(|error| {
        format!("the gateway did not start under valgrind, is it installed? {error}")
    })?;
    let length = target.load.body(0).await?.len();
    target.load.run(CONNECTIONS, CALLS / 10, length).await?;
    let id = target.process.id().ok_or("the gateway ended")?;
    control("on", id).await?;
    target.load.run(CONNECTIONS, CALLS, length).await?;
    control("off", id).await?;
    kill_process(pid(Some(id)).ok_or("no process")?, Signal::TERM)?;
    tokio::time::timeout(STOP_LIMIT, target.process.ended()).await?
}

/// Begins or ends the counting.
async fn control(instrumentation: &str, id: u32) -> Result<(), Failure> {
    let mut command = Command::new("callgrind_control");
    command.args(["-i", instrumentation, &id.to_string()]);
    let output = command.output().await?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(format!("callgrind_control failed: {words}").into())
        }
    }
}

/// The symbols that were executed often enough, of the gateway's own program.
fn executed<'a>(counts: &'a str, program: &str) -> BTreeSet<&'a str> {
    let mut often = BTreeSet::new();
    let (mut own, mut function, mut is_call) = (false, "", false);
    for line in counts.lines() {
        if let Some(object) = line.strip_prefix("ob=") {
            own = object == program;
        } else if let Some(name) = line.strip_prefix("fn=") {
            // A function that calls itself is counted once more, under a name of its own.
            function = name.split('\'').next().unwrap_or(name);
        } else if line.starts_with("calls=") {
            is_call = true;
        } else if line.starts_with("0x") {
            // Address, line, count; what follows `calls=` is the cost of what was called.
            let of_callee = std::mem::take(&mut is_call);
            let count = line.split(' ').nth(2).and_then(|count| count.parse().ok());
            if own && !of_callee && count.is_some_and(|count: u64| count >= ENOUGH) {
                often.insert(function);
            }
        }
    }
    often
}

/// The bytes of each function of the program.
async fn sizes() -> Result<BTreeMap<String, u64>, Failure> {
    let output = Command::new("nm").args(["-S", LOCUM]).output().await?;
    let mut sizes = BTreeMap::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        // Address, size, type, name.
        if let [_, size, "t" | "T" | "w" | "W", name] = line.split(' ').collect::<Vec<_>>()[..] {
            sizes.insert(name.to_owned(), u64::from_str_radix(size, 16)?);
        }
    }
    Ok(sizes)
}

/// Patterns for the executed functions that take few others with them.
fn patterns(executed: &BTreeSet<&str>, sizes: &BTreeMap<String, u64>) -> BTreeSet<String> {
    let mut meant: BTreeMap<String, u64> = BTreeMap::new();
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    for (name, size) in sizes {
        let Some(pattern) = pattern(name) else {
            continue;
        };
        if executed.contains(name.as_str()) {
            *meant.entry(pattern.clone()).or_default() += size;
        }
        *taken.entry(pattern).or_default() += size;
    }
    let few_others = |(pattern, meant): &(String, u64)| {
        taken
            .get(pattern)
            .is_none_or(|all| *all <= PAGE.max(MOST_OTHERS * meant))
    };
    let kept = meant.into_iter().filter(few_others);
    kept.map(|(pattern, _)| pattern).collect()
}

/// A symbol without what another compiler or another version of a crate would call it: the same
/// function under other hashes, and in other instances.
fn pattern(symbol: &str) -> Option<String> {
    let known = |c: char| c.is_ascii_alphanumeric() || "_$.".contains(c);
    if symbol.is_empty() || !symbol.chars().all(known) {
        return None;
    }
    let symbol = symbol.split(".llvm.").next()?;
    if let Some((name, hash)) = symbol.rsplit_once("17h")
        && symbol.starts_with("_ZN")
        && hash.len() == 17
    {
        return Some(format!("{name}17h*"));
    }
    if symbol.starts_with("_R") {
        return Some(format!("{}*", without_crate_hashes(symbol)));
    }
    Some(without_version(symbol))
}

/// The cryptographic library's functions carry its version: `aws_lc_0_47_0_SHA256_Final`.
fn without_version(symbol: &str) -> String {
    const LIBRARY: &str = "aws_lc_";
    match symbol.split_once(LIBRARY) {
        Some((before, after)) => {
            let name = after.trim_start_matches(|c: char| c.is_ascii_digit() || c == '_');
            format!("{before}{LIBRARY}*_{name}")
        }
        None => symbol.to_owned(),
    }
}

/// `Cs…_` before a crate's name, in the mangling of RFC 2603.
fn without_crate_hashes(symbol: &str) -> String {
    let mut out = String::new();
    let mut rest = symbol;
    while let Some(at) = rest.find("Cs") {
        let (before, hash) = rest.split_at(at + 2);
        out.push_str(before);
        let end = hash.find(|c: char| !c.is_ascii_alphanumeric());
        rest = match end.map(|end| hash.split_at(end)) {
            Some((_, after)) if after.starts_with('_') => {
                out.push('*');
                after
            }
            _ => hash,
        };
    }
    out + rest
}

fn script(functions: &BTreeSet<String>) -> String {
    let mut text = String::from(
        "/* The functions that a call runs through, for the linker to put first:\n   \
         packaging/build.rs says what for. Made by\n\n     \
         cargo bench --bench numbers -- layout\n\n   \
         A function that is not there (any more) is passed over. */\n\
         SECTIONS\n{\n  .text :\n  {\n",
    );
    for function in functions {
        let _ = writeln!(text, "    *(.text.{function})");
    }
    text + "  }\n}\nINSERT AFTER .init;\n"
}
