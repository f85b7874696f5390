//! The measurement: starts the targets, warms them up, and measures them in turn.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::gateway::Installation;
use crate::load::Load;
use crate::process::{Process, free_address};
use crate::report::{self, Row, median};
use crate::{Cli, Failure, bare};

/// Starts of each target; the last one is measured.
const STARTS: usize = 5;
/// Until a started process has come to rest.
const REST: Duration = Duration::from_millis(300);
const ROUND_LIMIT: Duration = Duration::from_secs(120);

/// One server under measurement.
struct Target {
    name: String,
    process: Process,
    load: Load,
    start_ms: f64,
    idle_mb: f64,
}

/// One round of one target.
struct Sample {
    cpu_us: f64,
    calls_per_second: f64,
}

pub async fn run(cli: &Cli) -> Result<(), Failure> {
    let (_upstream, upstream) = start_upstream().await?;
    let mut targets = Vec::new();
    for raw in [false, true] {
        targets.push(start_bare(upstream, raw, cli.tenants).await?);
    }
    // The folders live as long as what is served from them.
    let mut installations = Vec::new();
    let built = PathBuf::from(env!("CARGO_BIN_EXE_locum"));
    for binary in std::iter::once(&built).chain(&cli.also) {
        let (target, installation) = start_locum(binary, upstream, cli.tenants).await?;
        targets.push(target);
        installations.push(installation);
    }
    let length = same_answer(&targets, cli.tenants).await?;
    let mut rows = Vec::new();
    for connections in &cli.connections {
        rows.extend(measure(&targets, *connections, cli, length).await?);
    }
    let table = report::table(&rows, cli.tenants);
    println!("{table}");
    if cli.write {
        report::write(&table)?;
    }
    Ok(())
}

/// All targets answer every tenant the same bytes; their number is what the load checks.
async fn same_answer(targets: &[Target], tenants: usize) -> Result<usize, Failure> {
    let wanted = targets[0].load.body(0).await?;
    for target in targets {
        for tenant in 0..tenants {
            if target.load.body(tenant).await? != wanted {
                return Err(format!("{} answers something else", target.name).into());
            }
        }
    }
    Ok(wanted.len())
}

async fn measure(
    targets: &[Target],
    connections: usize,
    cli: &Cli,
    length: usize,
) -> Result<Vec<Row>, Failure> {
    for target in targets {
        target.load.run(connections, cli.calls / 4, length).await?;
    }
    let mut samples: Vec<Vec<Sample>> = targets.iter().map(|_| Vec::new()).collect();
    for round in 0..cli.rounds {
        for position in 0..targets.len() {
            // Each takes each place in the order.
            let at = (round + position) % targets.len();
            let sample = sample(&targets[at], connections, cli.calls, length);
            samples[at].push(tokio::time::timeout(ROUND_LIMIT, sample).await??);
        }
    }
    let row = |(target, own): (&Target, &Vec<Sample>)| {
        let ratio = |to: &[Sample]| {
            let pairs = own.iter().zip(to);
            median(pairs.map(|(own, to)| own.cpu_us / to.cpu_us))
        };
        Ok(Row {
            connections,
            target: target.name.clone(),
            cpu_us: median(own.iter().map(|sample| sample.cpu_us)),
            to_bare: ratio(&samples[0]),
            to_raw: ratio(&samples[1]),
            calls_per_second: median(own.iter().map(|sample| sample.calls_per_second)),
            idle_mb: target.idle_mb,
            loaded_mb: target.process.resident()?,
            start_ms: target.start_ms,
        })
    };
    targets.iter().zip(&samples).map(row).collect()
}

async fn sample(
    target: &Target,
    connections: usize,
    calls: usize,
    length: usize,
) -> Result<Sample, Failure> {
    let before = target.process.cpu()?;
    let (made, took) = target.load.run(connections, calls, length).await?;
    let nanoseconds = target.process.cpu()?.since(&before);
    Ok(Sample {
        cpu_us: nanoseconds as f64 / 1000.0 / made as f64,
        calls_per_second: made as f64 / took.as_secs_f64(),
    })
}

async fn start_upstream() -> Result<(Child, SocketAddr), Failure> {
    let mut command = myself()?;
    command.arg("upstream").stdout(Stdio::piped());
    let mut child = command.kill_on_drop(true).spawn()?;
    let output = child.stdout.take().ok_or("no standard output")?;
    let line = BufReader::new(output).lines().next_line().await?;
    let address = line.ok_or("the upstream ended")?.parse()?;
    Ok((child, address))
}

async fn start_bare(upstream: SocketAddr, raw: bool, tenants: usize) -> Result<Target, Failure> {
    let address = free_address()?;
    let name = match raw {
        true => "bare handler, raw JSON",
        false => "bare handler",
    };
    let command = || {
        let mut command = myself()?;
        command.args(["bare", "--listen", &address.to_string()]);
        command.args(["--upstream", &upstream.to_string()]);
        command.args(raw.then_some("--raw"));
        Ok(command)
    };
    let keys = std::iter::repeat_n(bare::KEY.to_owned(), tenants);
    start(name, command, address, Load::new(address, keys)).await
}

async fn start_locum(
    binary: &Path,
    upstream: SocketAddr,
    tenants: usize,
) -> Result<(Target, Installation), Failure> {
    let installation = Installation::make(binary, upstream, tenants).await?;
    let keys = installation.keys.iter().map(|key| format!("Bearer {key}"));
    let load = Load::new(installation.address, keys);
    let name = binary.file_name().unwrap_or_default().to_string_lossy();
    let target = start(&name, || installation.serve(), installation.address, load).await?;
    Ok((target, installation))
}

async fn start(
    name: &str,
    command: impl Fn() -> Result<Command, Failure>,
    address: SocketAddr,
    load: Load,
) -> Result<Target, Failure> {
    let mut took = Vec::new();
    for _ in 1..STARTS {
        let (process, time) = Process::start(command()?, address).await?;
        took.push(time);
        process.stop().await?;
    }
    let (process, time) = Process::start(command()?, address).await?;
    took.push(time);
    tokio::time::sleep(REST).await;
    Ok(Target {
        name: name.to_owned(),
        idle_mb: process.resident()?,
        process,
        load,
        start_ms: median(took.iter().map(|time| time.as_secs_f64() * 1000.0)),
    })
}

fn myself() -> Result<Command, Failure> {
    Ok(Command::new(std::env::current_exe()?))
}
