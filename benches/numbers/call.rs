//! `call`: the CPU that one `tools/call` costs, with one tenant and with many, against the bare
//! handlers in the same rounds.

use std::fmt::Write;
use std::path::Path;

use crate::gateway::Kind;
use crate::report::{Goal, Section};
use crate::rounds::{Plan, Sample, Target, middle, ratio};
use crate::stage::Stage;
use crate::{Cli, Failure, progress};

const TO_BARE: f64 = 1.15;
const MANY_TO_ONE: f64 = 1.05;

/// Where they stand among the targets.
const BARE: usize = 0;
const RAW: usize = 1;
const ONE: usize = 2;
const MANY: usize = 3;
const FURTHER: usize = 4;

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let mut names = Vec::new();
    let mut samples: Vec<Vec<Vec<Sample>>> = cli.connections.iter().map(|_| Vec::new()).collect();
    for round in 0..cli.rounds {
        progress(&format!("round {} of {}", round + 1, cli.rounds));
        // Each round has processes of its own: where the memory of one comes to lie can be worth a
        // tenth of its CPU, for as long as it lives.
        let targets = targets(stage, cli).await?;
        let length = same_answer(&targets).await?;
        names = targets.iter().map(|target| target.name.clone()).collect();
        let targets: Vec<&Target> = targets.iter().collect();
        for (connections, samples) in cli.connections.iter().zip(&mut samples) {
            let plan = Plan {
                connections: *connections,
                calls: cli.calls,
                lengths: vec![length],
            };
            samples.resize_with(targets.len(), Vec::new);
            plan.warm_up(&targets).await?;
            plan.round(round, &targets, samples).await?;
        }
    }
    let mut text = String::from(
        "| connections | target | CPU per call, µs | × bare | × bare, raw JSON | × one tenant | calls/s |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let mut goals = Vec::new();
    for (connections, samples) in cli.connections.iter().zip(&samples) {
        for (at, name) in names.iter().enumerate() {
            row(&mut text, *connections, name, samples, at);
        }
        goals.extend(goals_of(*connections, cli.tenants, samples));
    }
    goals.sort_by(|one, other| other.bound.total_cmp(&one.bound));
    Ok(Section::new("call", text, goals))
}

/// In the order of the constants above; then those of further builds.
async fn targets(stage: &mut Stage, cli: &Cli) -> Result<Vec<Target>, Failure> {
    let mut targets = vec![stage.bare(false).await?, stage.bare(true).await?];
    targets.extend(gateways(stage, &cli.program, cli.tenants).await?);
    for build in &cli.also {
        targets.extend(gateways(stage, build, cli.tenants).await?);
    }
    Ok(targets)
}

/// The gateway with one tenant and with many.
async fn gateways(stage: &mut Stage, build: &Path, tenants: usize) -> Result<[Target; 2], Failure> {
    let one = stage.locum(build, 1, Kind::Plain).await?;
    let many = stage.locum(build, tenants, Kind::Plain).await?;
    Ok([one, many])
}

/// All targets answer every tenant the same bytes; their number is what the load checks. From then
/// on all tenants have a token.
async fn same_answer(targets: &[Target]) -> Result<usize, Failure> {
    let wanted = targets[BARE].load.body(0).await?;
    for target in targets {
        for tenant in 0..target.load.tenants() {
            if target.load.body(tenant).await? != wanted {
                return Err(format!("{} answers something else", target.name).into());
            }
        }
    }
    Ok(wanted.len())
}

fn row(text: &mut String, connections: usize, name: &str, samples: &[Vec<Sample>], at: usize) {
    let own = &samples[at];
    let to = |other: usize| ratio(own, &samples[other], |sample| sample.cpu_us);
    let to_one = match at {
        BARE | RAW => "–".to_owned(),
        ONE | MANY => format!("{:.2}", to(ONE)),
        // The two gateways of a further build stand side by side.
        at => format!("{:.2}", to(at - (at - FURTHER) % 2)),
    };
    let _ = writeln!(
        text,
        "| {connections} | {name} | {:.1} | {:.2} | {:.2} | {to_one} | {:.0} |",
        middle(own, |sample| sample.cpu_us),
        to(BARE),
        to(RAW),
        middle(own, |sample| sample.calls_per_second),
    );
}

fn goals_of(connections: usize, tenants: usize, samples: &[Vec<Sample>]) -> [Goal; 2] {
    let of = |own: usize, to: usize| ratio(&samples[own], &samples[to], |sample| sample.cpu_us);
    [
        Goal {
            what: format!("CPU per call, one tenant, {connections} connections"),
            bound: TO_BARE,
            measured: of(ONE, BARE),
            unit: " × bare handler",
        },
        Goal {
            what: format!("CPU per call, {tenants} tenants, {connections} connections"),
            bound: MANY_TO_ONE,
            measured: of(MANY, ONE),
            unit: " × one tenant",
        },
    ]
}
