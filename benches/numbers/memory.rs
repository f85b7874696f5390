//! `memory`: what is resident at rest, and what a further organization with a cached token takes.

use std::fmt::Write;
use std::time::Duration;

use crate::gateway::Kind;
use crate::report::{Goal, Section};
use crate::stage::Stage;
use crate::{Cli, Failure, progress};

const AT_REST_MIB: f64 = 40.0;
const ORGANIZATION_KIB: f64 = 4.0;

/// Far fewer than many, and enough that what there is only once does not count.
const FEW: usize = 1_000;
const CONNECTIONS: usize = 32;
/// Until what was freed is given back to the system.
const REST: Duration = Duration::from_secs(2);

struct Row {
    tenants: usize,
    at_rest: f64,
    /// Every organization has made a call, and each gateway has made as many of them.
    after_calls: f64,
}

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let mut rows = Vec::new();
    for tenants in [1, FEW, cli.tenants] {
        progress(&format!("memory with {tenants} organizations"));
        let target = stage.locum(&cli.program, tenants, Kind::Plain).await?;
        tokio::time::sleep(REST).await;
        let at_rest = target.process.resident_kib()?;
        let length = target.load.body(0).await?.len();
        target
            .load
            .run(CONNECTIONS, 2 * cli.tenants, length)
            .await?;
        tokio::time::sleep(REST).await;
        rows.push(Row {
            tenants,
            at_rest,
            after_calls: target.process.resident_kib()?,
        });
    }
    let mut text = String::from(
        "| organizations | at rest, MiB | after a call by each, MiB |\n|---|---|---|\n",
    );
    for row in &rows {
        let (rest, after) = (row.at_rest / 1024.0, row.after_calls / 1024.0);
        let _ = writeln!(text, "| {} | {rest:.1} | {after:.1} |", row.tenants);
    }
    let [one, few, many] = &rows[..] else {
        return Err("a row is missing".into());
    };
    let further = (many.tenants - few.tenants) as f64;
    let goals = vec![
        Goal {
            what: "Memory at rest, one organization".to_owned(),
            bound: AT_REST_MIB,
            measured: one.at_rest / 1024.0,
            unit: " MiB",
        },
        Goal {
            what: format!("A further organization with a cached token, from {FEW} on"),
            bound: ORGANIZATION_KIB,
            measured: (many.after_calls - few.after_calls) / further,
            unit: " KiB",
        },
    ];
    Ok(Section::new("memory", text, goals))
}
