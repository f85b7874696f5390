//! `lives`: what an installation of some age costs its administrators: a long audit log, many
//! organizations, another master key.

use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use locum::admin::{Admin, AuditFilter, AuditOrder};

use crate::gateway::{Kind, admin};
use crate::report::{Goal, Section, median};
use crate::stage::Stage;
use crate::{Cli, Failure, progress};

const VERIFY_S: f64 = 10.0;
const REWRAP_S: f64 = 10.0;
const LONG_TO_SHORT: f64 = 1.5;

const CONNECTIONS: usize = 32;
/// Calls that go on while the keys are sealed anew.
const MEANWHILE: usize = 20_000;
/// Organizations of the installation with a long log, and of the one with a short log: each is known
/// by their number.
const LONG: usize = 1;
const SHORT: usize = 2;
/// Calls of a short log. A page has a few of them.
const FEW: usize = 10;
const PAGE: u32 = 3;
const PAGES: usize = 101;
/// Until the last batch of records is written.
const REST: Duration = Duration::from_secs(2);

pub async fn measure(stage: &mut Stage, cli: &Cli) -> Result<Section, Failure> {
    let own = cli.program.as_path();
    progress(&format!("{} records of calls", cli.records));
    call(stage, own, LONG, CONNECTIONS, cli.records).await?;
    call(stage, own, SHORT, 1, FEW).await?;
    let installation = stage.installation(own, LONG, Kind::Plain).await?;
    let verified = installation.run(&["audit", "verify"]).await?;
    let long = installation.open().await?;
    let installation = stage.installation(own, SHORT, Kind::Plain).await?;
    let short = installation.open().await?;
    let records = [
        records_page(&admin(&short)).await?,
        records_page(&admin(&long)).await?,
    ];

    let rewrapped = rewrap(stage, own, cli.tenants).await?;
    let installation = stage.installation(own, cli.tenants, Kind::Plain).await?;
    let many = installation.open().await?;
    let organizations = [
        organizations_page(&admin(&long)).await?,
        organizations_page(&admin(&many)).await?,
    ];

    let mut text = String::from("| | |\n|---|---|\n");
    let mut line = |what: &str, figure: String| {
        let _ = writeln!(text, "| {what} | {figure} |");
    };
    let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
    line(
        &format!("`locum audit verify`, {} records", cli.records),
        seconds(verified),
    );
    line(
        &format!(
            "`locum master-key rotate`, {} organizations, beside calls",
            cli.tenants
        ),
        seconds(rewrapped),
    );
    line("a page of a short audit log, of a long one", pair(records));
    line("a page of one organization, of many", pair(organizations));
    let goals = vec![
        Goal {
            what: format!("Verifying {} records", cli.records),
            bound: VERIFY_S,
            measured: verified.as_secs_f64(),
            unit: " s",
        },
        Goal {
            what: format!("Sealing the keys of {} organizations anew", cli.tenants),
            bound: REWRAP_S,
            measured: rewrapped.as_secs_f64(),
            unit: " s",
        },
        ratio("A page of records", "a short log", records),
        ratio("A page of organizations", "few", organizations),
    ];
    Ok(Section::new("lives", text, goals))
}

fn pair([short, long]: [f64; 2]) -> String {
    format!("{short:.0} µs, {long:.0} µs")
}

fn ratio(what: &str, of: &'static str, [short, long]: [f64; 2]) -> Goal {
    Goal {
        what: format!("{what}, to one of {of}"),
        bound: LONG_TO_SHORT,
        measured: long / short,
        unit: " ×",
    }
}

/// Calls that leave their records in the log of an installation.
async fn call(
    stage: &mut Stage,
    own: &Path,
    tenants: usize,
    connections: usize,
    calls: usize,
) -> Result<(), Failure> {
    let target = stage.locum(own, tenants, Kind::Plain).await?;
    let length = target.load.body(0).await?.len();
    target.load.run(connections, calls, length).await?;
    tokio::time::sleep(REST).await;
    target.process.stop().await?;
    Ok(())
}

/// Another master key for an installation that is called meanwhile; no call may fail.
async fn rewrap(stage: &mut Stage, own: &Path, tenants: usize) -> Result<Duration, Failure> {
    let target = stage.locum(own, tenants, Kind::Plain).await?;
    let length = target.load.body(0).await?.len();
    progress(&format!("another master key for {tenants} organizations"));
    let installation = stage.installation(own, tenants, Kind::Plain).await?;
    let calls = target.load.run(CONNECTIONS, MEANWHILE, length);
    let (calls, took) = tokio::join!(calls, installation.run(&["master-key", "rotate"]));
    calls?;
    target.process.stop().await?;
    took
}

/// Microseconds that a page of the audit log takes, newest first.
async fn records_page(admin: &Admin) -> Result<f64, Failure> {
    let filter = AuditFilter::default();
    let mut times = Vec::new();
    for _ in 0..PAGES {
        let started = Instant::now();
        let page = admin.audit_page(&filter, AuditOrder::NewestFirst(None), PAGE);
        assert_eq!(page.await?.items.len(), PAGE as usize);
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times.into_iter()))
}

/// Microseconds that a page of organizations takes.
async fn organizations_page(admin: &Admin) -> Result<f64, Failure> {
    let mut times = Vec::new();
    for _ in 0..PAGES {
        let started = Instant::now();
        assert!(!admin.organizations_after(None, 1).await?.is_empty());
        times.push(started.elapsed().as_secs_f64() * 1e6);
    }
    Ok(median(times.into_iter()))
}
