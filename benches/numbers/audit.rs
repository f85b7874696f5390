//! `audit`: what the records of calls cost, against calls that leave none. That is less than where a
//! process's memory comes to lie, so it takes many pairs of processes to see it.

use std::fmt::Write;

use crate::gateway::Kind;
use crate::report::{Goal, Section, interval};
use crate::rounds::{Plan, Sample, middle, ratio, ratios};
use crate::stage::Stage;
use crate::{Cli, Failure, progress};

const AUDITED_TO_UNAUDITED: f64 = 1.05;
/// For each round of the other dimensions so many, each of fewer calls.
const PAIRS: usize = 6;
const CALLS_OF_A_ROUND: usize = 2;

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let rounds = cli.rounds * PAIRS;
    let mut samples: Vec<[Vec<Sample>; 2]> =
        cli.connections.iter().map(|_| Default::default()).collect();
    for round in 0..rounds {
        progress(&format!("pair {} of {rounds}", round + 1));
        // Each is started first every other time.
        let mut kinds = [Kind::Plain, Kind::Unaudited];
        kinds.rotate_left(round % 2);
        let mut pair = [
            stage.locum(&cli.program, 1, kinds[0]).await?,
            stage.locum(&cli.program, 1, kinds[1]).await?,
        ];
        pair.rotate_left(round % 2);
        let [audited, unaudited] = pair;
        let length = audited.load.body(0).await?.len();
        for (connections, samples) in cli.connections.iter().zip(&mut samples) {
            let plan = Plan {
                connections: *connections,
                calls: cli.calls / CALLS_OF_A_ROUND,
                lengths: vec![length],
            };
            let targets = [&audited, &unaudited];
            plan.warm_up(&targets).await?;
            plan.round(round, &targets, samples).await?;
        }
    }
    Ok(section(&cli.connections, &samples))
}

fn section(connections: &[usize], samples: &[[Vec<Sample>; 2]]) -> Section {
    let mut text = String::from(
        "| connections | pairs | on record, µs | not audited, µs | × | with 95 % between |\n\
         |---|---|---|---|---|---|\n",
    );
    let mut goals = Vec::new();
    let cpu = |sample: &Sample| sample.cpu_us;
    for (connections, [audited, unaudited]) in connections.iter().zip(samples) {
        let between = interval(ratios(audited, unaudited, cpu), 3);
        let measured = ratio(audited, unaudited, cpu);
        let _ = writeln!(
            text,
            "| {connections} | {} | {:.1} | {:.1} | {measured:.3} | {between} |",
            audited.len(),
            middle(audited, cpu),
            middle(unaudited, cpu),
        );
        goals.push(Goal {
            what: format!("CPU per call on record, {connections} connections"),
            bound: AUDITED_TO_UNAUDITED,
            measured,
            unit: " × calls not audited",
        });
    }
    Section::new("audit", text, goals)
}
