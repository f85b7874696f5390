//! `memory`: what is resident at rest, and what a further organization with a cached token takes.

use std::fmt::Write;
use std::time::Duration;

use crate::gateway::Kind;
use crate::report::{Goal, Section, median, percentile};
use crate::stage::Stage;
use crate::{Cli, Failure, progress};

const AT_REST_MIB: f64 = 40.0;
const ORGANIZATION_KIB: f64 = 4.0;

/// Far fewer than many, and enough that what there is only once does not count.
const FEW: usize = 1_000;
const CONNECTIONS: usize = 32;
/// Until what was freed is given back to the system.
const REST: Duration = Duration::from_secs(2);

/// MiB of one number of organizations, by round.
#[derive(Default)]
struct Resident {
    at_rest: Vec<f64>,
    /// Every organization has made a call, and each gateway has made as many of them.
    after_calls: Vec<f64>,
}

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let sizes = [1, FEW, cli.tenants];
    let mut all: [Resident; 3] = Default::default();
    // What a gateway wrote down is there when the next one starts, but for the first: that one is not counted.
    for round in 0..=cli.rounds {
        for (tenants, resident) in sizes.iter().zip(&mut all) {
            progress(&format!(
                "memory with {tenants} organizations, round {round} of {}",
                cli.rounds
            ));
            let target = stage.locum(&cli.program, *tenants, Kind::Plain).await?;
            tokio::time::sleep(REST).await;
            let at_rest = target.process.resident_kib()?;
            let length = target.load.body(0).await?.len();
            let calls = target.load.run(CONNECTIONS, 2 * cli.tenants, length);
            calls.await?;
            tokio::time::sleep(REST).await;
            let after_calls = target.process.resident_kib()?;
            if round > 0 {
                resident.at_rest.push(at_rest / 1024.0);
                resident.after_calls.push(after_calls / 1024.0);
            }
        }
    }
    let mut text = String::from(
        "| organizations | at rest, MiB | after a call by each, MiB |\n|---|---|---|\n",
    );
    let middle = |values: &[f64]| median(values.iter().copied());
    for (tenants, resident) in sizes.iter().zip(&all) {
        let (rest, after) = (middle(&resident.at_rest), middle(&resident.after_calls));
        let _ = writeln!(text, "| {tenants} | {rest:.1} | {after:.1} |");
    }
    let [one, few, many] = &all;
    let more = many.after_calls.iter().zip(&few.after_calls);
    let further = (cli.tenants - FEW) as f64;
    let further: Vec<f64> = more
        .map(|(many, few)| (many - few) * 1024.0 / further)
        .collect();
    let lowest = percentile(further.iter().copied(), 0.0);
    let highest = percentile(further.iter().copied(), 1.0);
    let _ = writeln!(
        text,
        "\nA further organization: {lowest:.2} to {highest:.2} KiB in {} rounds.",
        cli.rounds
    );
    let goals = vec![
        Goal {
            what: "Memory at rest, one organization".to_owned(),
            bound: AT_REST_MIB,
            measured: middle(&one.at_rest),
            unit: " MiB",
        },
        Goal {
            what: format!("A further organization with a cached token, from {FEW} on"),
            bound: ORGANIZATION_KIB,
            measured: middle(&further),
            unit: " KiB",
        },
    ];
    Ok(Section::new("memory", text, goals))
}
