//! `start`: from the start of the process until it is ready, with one organization and with many;
//! no upstream hears of it.

use std::fmt::Write;

use crate::cores::Cores;
use crate::gateway::Kind;
use crate::report::{Goal, Section, median};
use crate::stage::Stage;
use crate::{Cli, Failure, progress};

const MANY: usize = 1_000;
const MORE_MS: f64 = 300.0;

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let sizes = [1, MANY];
    for tenants in sizes {
        progress(&format!("an installation with {tenants} organizations"));
        stage
            .installation(&cli.program, tenants, Kind::Plain)
            .await?;
    }
    let before = stage.logins().await?;
    let mut times: [Vec<f64>; 2] = Default::default();
    for _ in 0..cli.rounds {
        for (tenants, times) in sizes.iter().zip(&mut times) {
            let installation = stage
                .installation(&cli.program, *tenants, Kind::Plain)
                .await?;
            let (process, took) = installation.serve(&Cores::default()).await?;
            process.stop().await?;
            times.push(took.as_secs_f64() * 1000.0);
        }
    }
    let logins = stage.logins().await? - before;
    let mut text = String::from("| organizations | start to ready, ms |\n|---|---|\n");
    for (tenants, times) in sizes.iter().zip(&times) {
        let time = median(times.iter().copied());
        let _ = writeln!(text, "| {tenants} | {time:.0} |");
    }
    let more = times[1].iter().zip(&times[0]).map(|(many, one)| many - one);
    let goals = vec![
        Goal {
            what: format!("Start to ready with {MANY} organizations, more than with one"),
            bound: MORE_MS,
            measured: median(more),
            unit: " ms",
        },
        Goal {
            what: format!("Upstream logins in {} starts", 2 * cli.rounds),
            bound: 0.0,
            measured: logins as f64,
            unit: "",
        },
    ];
    Ok(Section::new("start", text, goals))
}
