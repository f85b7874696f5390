//! `call`: the CPU that one `tools/call` costs, with one tenant and with many, against the bare
//! handlers in the same rounds.

use std::fmt::Write;
use std::time::Duration;

use crate::gateway::Kind;
use crate::report::{Goal, Section, interval};
use crate::rounds::{Plan, Sample, Target, middle, ratio, ratios};
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

/// By then a gateway has written down what the first calls of thousands of tenants left: a part of it every five
/// seconds, all of it within half a minute. Logins are no part of the calls that are measured.
const WRITTEN: Duration = Duration::from_secs(35);

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let mut names = Vec::new();
    let mut samples: Vec<Vec<Vec<Sample>>> = cli.connections.iter().map(|_| Vec::new()).collect();
    for round in 0..cli.rounds {
        progress(&format!("round {} of {}", round + 1, cli.rounds));
        // Each round has processes of its own: where the memory of one comes to lie can be worth a
        // tenth of its CPU, for as long as it lives.
        let (targets, length) = targets(stage, cli, round).await?;
        names = targets.iter().map(|target| target.name.clone()).collect();
        let targets: Vec<&Target> = targets.iter().collect();
        for at in turned(cli.connections.len(), round) {
            let plan = Plan {
                connections: cli.connections[at],
                calls: cli.calls,
                lengths: vec![length],
            };
            samples[at].resize_with(targets.len(), Vec::new);
            plan.warm_up(&targets).await?;
            plan.round(round, &targets, &mut samples[at]).await?;
        }
    }
    let mut text = String::from(
        "| connections | target | CPU per call, µs | × bare | × bare, raw JSON | × one tenant | with 95 % between | calls/s |\n\
         |---|---|---|---|---|---|---|---|\n",
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

/// Each in turn, beginning with another one each time.
fn turned(count: usize, turn: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |further| (turn + further) % count)
}

/// In the order of the constants above; then those of further builds. All tenants have a token, and all
/// answers are the same. Who is started first, and so has run longer, turns with the rounds.
async fn targets(
    stage: &mut Stage,
    cli: &Cli,
    round: usize,
) -> Result<(Vec<Target>, usize), Failure> {
    let mut targets = vec![stage.bare(false).await?, stage.bare(true).await?];
    let wanted = targets[BARE].load.body(0).await?;
    check(&targets[RAW], &wanted).await?;
    let mut gateways = Vec::new();
    for (build, tenants) in cli.builds() {
        // Before any is started: it takes long, and once.
        stage.installation(build, tenants, Kind::Plain).await?;
        gateways.push((build, tenants, None));
    }
    // Counts of connections turn with each round, so these turn when all counts had their turn.
    for at in turned(gateways.len(), round / cli.connections.len()) {
        let (build, tenants, started) = &mut gateways[at];
        let gateway = stage.locum(build, *tenants, Kind::Plain).await?;
        check(&gateway, &wanted).await?;
        *started = Some(gateway);
    }
    tokio::time::sleep(WRITTEN).await;
    targets.extend(gateways.into_iter().filter_map(|(_, _, started)| started));
    Ok((targets, wanted.len()))
}

/// A target answers every tenant the same bytes as all others do; their number is what the load checks.
async fn check(target: &Target, wanted: &[u8]) -> Result<(), Failure> {
    for tenant in 0..target.load.tenants() {
        if target.load.body(tenant).await? != wanted {
            return Err(format!("{} answers something else", target.name).into());
        }
    }
    Ok(())
}

fn row(text: &mut String, connections: usize, name: &str, samples: &[Vec<Sample>], at: usize) {
    let own = &samples[at];
    let cpu = |sample: &Sample| sample.cpu_us;
    let to = |other: usize| ratio(own, &samples[other], cpu);
    let one = match at {
        BARE | RAW | ONE => None,
        MANY => Some(ONE),
        // The two gateways of a further build stand side by side.
        at => Some(at - (at - FURTHER) % 2).filter(|one| *one != at),
    };
    let to_one = one.map_or("– | –".to_owned(), |one| {
        let between = interval(ratios(own, &samples[one], cpu), 2);
        format!("{:.2} | {between}", to(one))
    });
    let _ = writeln!(
        text,
        "| {connections} | {name} | {:.1} | {:.2} | {:.2} | {to_one} | {:.0} |",
        middle(own, cpu),
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
