//! `idle`: what a connection takes that has served and asks for nothing more, and how long calls
//! beside thousands of them wait.

use std::fmt::Write;
use std::time::Duration;

use crate::gateway::{Installation, Kind};
use crate::report::{Goal, Section};
use crate::rounds::{Plan, Sample, middle, ratio};
use crate::stage::Stage;
use crate::{Cli, Failure, progress};

const CONNECTION_KIB: f64 = 20.0;
const P99_RATIO: f64 = 2.0;

/// Connections with calls on them.
const BUSY: usize = 32;
const REST: Duration = Duration::from_secs(2);

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let alone = Installation::make(&cli.program, stage.upstream, 1, Kind::Plain).await?;
    let beside = Installation::make(&cli.program, stage.upstream, 1, Kind::Plain).await?;
    let (alone, beside) = (
        alone.start(&stage.cores).await?,
        beside.start(&stage.cores).await?,
    );
    let length = beside.load.body(0).await?.len();
    let plan = Plan {
        connections: BUSY,
        calls: cli.calls,
        lengths: vec![length],
    };
    beside.load.run(BUSY, cli.calls, length).await?;
    tokio::time::sleep(REST).await;
    let before = beside.process.resident_kib()?;
    progress(&format!("{} connections", cli.idle));
    let mut idle = beside.load.connections(cli.idle, length).await?;
    tokio::time::sleep(REST).await;
    let each = (beside.process.resident_kib()? - before) / cli.idle as f64;
    let samples = plan.run(cli.rounds, &[&alone, &beside]).await?;
    progress("all of them are still there");
    idle.call_each(length).await?;
    let p99 = |sample: &Sample| sample.p99_us;
    let mut text =
        String::from("| idle connections | p99 of a call, µs | calls/s |\n|---|---|---|\n");
    for (count, samples) in [0, cli.idle].iter().zip(&samples) {
        let (p99, rate) = (
            middle(samples, p99),
            middle(samples, |s| s.calls_per_second),
        );
        let _ = writeln!(text, "| {count} | {p99:.0} | {rate:.0} |");
    }
    let goals = vec![
        Goal {
            what: format!("Memory of an idle connection, {} of them", cli.idle),
            bound: CONNECTION_KIB,
            measured: each,
            unit: " KiB",
        },
        Goal {
            what: format!("p99 of calls on {BUSY} connections beside them"),
            bound: P99_RATIO,
            measured: ratio(&samples[1], &samples[0], p99),
            unit: " × without",
        },
    ];
    Ok(Section::new("idle", text, goals))
}
