//! `tools`: what a program costs that makes something else of a 10 KB answer, against the same tool
//! without it; and how long a thousand tools take to load.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use locum::catalog::Catalog;
use locum::domain::destination::Destinations;

use crate::gateway::Kind;
use crate::load::Load;
use crate::report::{Goal, Section, median};
use crate::rounds::{Plan, Sample, Target, middle, ratio};
use crate::stage::Stage;
use crate::{Cli, Failure, progress};

const RESHAPED_TO_PLAIN: f64 = 1.3;
const LOADED_MS: f64 = 500.0;
const TOOLS: usize = 1_000;
const CONNECTIONS: usize = 32;

const BUILT_IN: &str = include_str!("../../profiles/eka-care.toml");

/// Two tools that ask the same: one passes the answer on, one makes a shorter one of it.
const LARGE: &str = r#"
[[tools]]
name = "large"
description = "A long list as it is."
annotations = { read_only = true }
request = { method = "GET", path = "/large" }

[[tools]]
name = "reshaped"
description = "What matters of a long list."
annotations = { read_only = true }
request = { method = "GET", path = "/large" }
output = '{count: length, patients: map({id: .oid, name: .fln, mobile, female: (.gen == "F")})}'
"#;

/// The built-in profile with the two of them.
pub fn profile() -> String {
    format!("{BUILT_IN}\n{LARGE}")
}

/// The body of a call of a tool without arguments.
pub fn body(tool: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{tool}","arguments":{{}}}}}}"#
    )
}

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let mut samples: Vec<Vec<Sample>> = vec![Vec::new(), Vec::new()];
    let mut lengths = [0; 2];
    for round in 0..cli.rounds {
        progress(&format!("round {} of {}", round + 1, cli.rounds));
        let plain = stage.locum(&cli.program, 1, Kind::Large).await?;
        let reshaped = stage.locum(&cli.program, 1, Kind::Reshaped).await?;
        let targets = [&plain, &reshaped];
        for (length, target) in lengths.iter_mut().zip(targets) {
            *length = target.load.body(0).await?.len();
        }
        one_round(round, cli, targets, lengths, &mut samples).await?;
    }
    let mut text =
        String::from("| tool | answer to the client, bytes | CPU per call, µs |\n|---|---|---|\n");
    for ((name, length), samples) in ["as it is", "reshaped"].iter().zip(lengths).zip(&samples) {
        let cpu = middle(samples, |sample| sample.cpu_us);
        let _ = writeln!(text, "| {name} | {length} | {cpu:.1} |");
    }
    let (loaded_ms, size) = loading(cli.rounds)?;
    let _ = writeln!(
        text,
        "\nA profile of {TOOLS} tools, {size} KiB: those built in, again and again."
    );
    let goals = vec![
        Goal {
            what: format!("CPU per call that reshapes 10 KB, {CONNECTIONS} connections"),
            bound: RESHAPED_TO_PLAIN,
            measured: ratio(&samples[1], &samples[0], |sample| sample.cpu_us),
            unit: " × the same without",
        },
        Goal {
            what: format!("Loading {TOOLS} tools"),
            bound: LOADED_MS,
            measured: loaded_ms,
            unit: " ms",
        },
    ];
    Ok(Section::new("tools", text, goals))
}

/// The two answer with bodies of different lengths, so each has its own plan.
async fn one_round(
    round: usize,
    cli: &Cli,
    targets: [&Target; 2],
    lengths: [usize; 2],
    samples: &mut [Vec<Sample>],
) -> Result<(), Failure> {
    let plan = Plan {
        connections: CONNECTIONS,
        calls: cli.calls,
        lengths: lengths.to_vec(),
    };
    plan.warm_up(&targets).await?;
    plan.round(round, &targets, samples).await
}

/// The median of several loads of a thousand tools, in milliseconds; and the profile's KiB.
fn loading(rounds: usize) -> Result<(f64, usize), Failure> {
    let text = thousand()?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let begun = Instant::now();
        let mut catalog = Catalog::default();
        catalog.add(Path::new("thousand.toml"), &text, &Destinations::default())?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
        if catalog.tools().count() != TOOLS {
            return Err("not all tools are there".into());
        }
    }
    Ok((median(times.into_iter()), text.len() / 1024))
}

/// The built-in tools under further names, up to a thousand.
fn thousand() -> Result<String, Failure> {
    let mut profile: toml::Table = toml::from_str(BUILT_IN)?;
    let built_in = profile.remove("tools").ok_or("no tools")?;
    let built_in = built_in.as_array().ok_or("no list of tools")?.clone();
    let tools = (0..TOOLS).map(|number| {
        let (round, mut tool) = (
            number / built_in.len(),
            built_in[number % built_in.len()].clone(),
        );
        renamed(&mut tool, round);
        tool
    });
    let mut tools: Vec<toml::Value> = tools.collect();
    // A tool of the last round may forget one that is not in it any more.
    let last = TOOLS / built_in.len() * built_in.len();
    for tool in &mut tools[last..] {
        tool.as_table_mut().map(|tool| tool.remove("forgets"));
    }
    profile.insert("tools".to_owned(), toml::Value::Array(tools));
    Ok(toml::to_string(&profile)?)
}

fn renamed(tool: &mut toml::Value, round: usize) {
    let rename = |name: &mut toml::Value| {
        if let Some(text) = name.as_str() {
            *name = format!("{text}_{round}").into();
        }
    };
    let Some(tool) = tool.as_table_mut() else {
        return;
    };
    tool.get_mut("name").map(rename);
    let forgets = tool.get_mut("forgets").and_then(toml::Value::as_array_mut);
    forgets.into_iter().flatten().for_each(rename);
}

impl Kind {
    /// What its load asks for, where that is not the usual call.
    pub fn load(self, load: Load) -> Load {
        match self {
            Self::Plain | Self::Unaudited => load,
            Self::Large => load.asking(&body("large")),
            Self::Reshaped => load.asking(&body("reshaped")),
        }
    }
}
