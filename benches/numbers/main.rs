//! `cargo bench --bench numbers`: the figures that Locum promises, measured, and whether they hold.
//!
//! ```text
//! load (this process) ──┬─→ bare   (this program again)  ──┐
//!   keep-alive, checks  └─→ locum  (the real binary)     ──┴─→ upstream (this program again)
//! ```
//!
//! - `call`: CPU per call against a handler that somebody wrote by hand for this one call, with one
//!   tenant and with many
//! - `audit`: the CPU that a call's record costs
//! - `memory`: at rest, and what a further organization takes
//! - `start`: until ready, with one organization and with a thousand
//! - `idle`: connections that ask for nothing, and calls beside them
//! - `lives`: verifying a million records, pages of long lists, another master key while serving
//! - `tools`: a program that makes something else of an answer; a thousand tools loaded
//! - `isolation`: a million calls of many tenants, none answered for another one
//!
//! `cargo bench --bench numbers -- layout` measures nothing: it finds the functions that a call runs
//! through and writes them down for the linker.
//!
//! Whatever is compared is measured in turn, so that what else the machine does meets all of it.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a program of its own: it reads the clock, makes a client and prints tables"
)]

mod audit;
mod bare;
mod call;
mod cores;
mod gateway;
mod idle;
mod isolation;
mod layout;
mod lives;
mod load;
mod memory;
mod process;
mod report;
mod rounds;
mod stage;
mod start;
#[path = "../../tests/it/support/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "the tests' own, of which the isolation of tenants takes a part"
)]
mod support;
mod tools;
mod upstream;
mod wire;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};

use stage::Stage;

/// Whatever ends a measurement early.
type Failure = Box<dyn std::error::Error>;

/// The figures that Locum promises, measured.
#[derive(Parser)]
struct Cli {
    /// What to measure, instead of everything
    #[arg(long, value_delimiter = ',', default_values_t = Dimension::value_variants().to_vec())]
    #[arg(value_enum, hide_default_value = true)]
    only: Vec<Dimension>,
    /// call, audit: numbers of keep-alive connections, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "1,32,128")]
    connections: Vec<usize>,
    /// call, idle, tools: calls to each target in a round; audit: half as many
    #[arg(long, default_value_t = 20_000)]
    calls: usize,
    /// call, idle, memory, start, tools: rounds; medians are reported; audit: six times as many. For `call`, as often
    /// as there are numbers of connections, or a multiple: each is the first one then in as many of them
    #[arg(long, default_value_t = 6)]
    rounds: usize,
    /// call, memory, lives: how many organizations are many; each has its own credential and key
    #[arg(long, default_value_t = 10_000)]
    tenants: usize,
    /// idle: connections that ask for nothing
    #[arg(long, default_value_t = 10_000)]
    idle: usize,
    /// lives: records of calls in the audit log
    #[arg(long, default_value_t = 1_000_000)]
    records: usize,
    /// isolation: interleaved calls
    #[arg(long, default_value_t = 1_000_000)]
    interleaved: usize,
    /// The build of the gateway that is measured, such as that of packaging/optimize; Cargo's when left out
    #[arg(long, default_value = stage::LOCUM, hide_default_value = true)]
    program: PathBuf,
    /// call: another build of the gateway, measured in the same rounds; repeat it for several
    #[arg(long)]
    also: Vec<PathBuf>,
    /// call, audit, tools: let the scheduler move everything between all cores
    #[arg(long)]
    unpinned: bool,
    /// Put the tables into docs/performance.md
    #[arg(long)]
    write: bool,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

impl Cli {
    /// Each build with one tenant and with many.
    fn builds(&self) -> impl Iterator<Item = (&Path, usize)> {
        let builds = std::iter::once(&self.program).chain(&self.also);
        builds.flat_map(|build| [1, self.tenants].map(|tenants| (build.as_path(), tenants)))
    }
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dimension {
    Call,
    Audit,
    Memory,
    Start,
    Idle,
    Lives,
    Tools,
    Isolation,
}

/// What this program is when it starts itself.
#[derive(Subcommand)]
enum Role {
    /// Answers what an upstream would, as cheaply as possible; prints its address
    Upstream,
    /// Writes packaging/calls.ld: the functions that a call runs through (takes valgrind)
    Layout,
    /// The bare handler
    Bare {
        #[arg(long)]
        listen: SocketAddr,
        #[arg(long)]
        upstream: SocketAddr,
        #[arg(long)]
        raw: bool,
    },
}

fn main() -> Result<(), Failure> {
    locum::app::install_crypto_provider();
    let mut cli = Cli::parse();
    match cli.role {
        Some(Role::Bare {
            listen,
            upstream,
            raw,
        }) => as_served()?.block_on(bare::serve(listen, upstream, raw)),
        Some(Role::Layout) => one_thread()?.block_on(layout::write()),
        Some(Role::Upstream) => one_thread()?.block_on(upstream::serve()),
        None => {
            // Each gateway is started in a folder of its own.
            for build in std::iter::once(&mut cli.program).chain(&mut cli.also) {
                let whole = std::fs::canonicalize(&*build);
                *build = whole.map_err(|error| format!("{}: {error}", build.display()))?;
            }
            measure(&cli)
        }
    }
}

fn measure(cli: &Cli) -> Result<(), Failure> {
    process::allow_many_files();
    let runtime = one_thread()?;
    let mut stage = runtime.block_on(Stage::set())?;
    let mut sections = Vec::new();
    for dimension in &cli.only {
        let per_call = matches!(
            dimension,
            Dimension::Call | Dimension::Audit | Dimension::Tools
        );
        if per_call && !cli.unpinned {
            stage.set_apart()?;
        }
        let section = match dimension {
            Dimension::Call => runtime.block_on(call::measure(&mut stage, cli)),
            Dimension::Audit => runtime.block_on(audit::measure(&mut stage, cli)),
            Dimension::Memory => runtime.block_on(memory::measure(&mut stage, cli)),
            Dimension::Start => runtime.block_on(start::measure(&mut stage, cli)),
            Dimension::Idle => runtime.block_on(idle::measure(&mut stage, cli)),
            Dimension::Tools => runtime.block_on(tools::measure(&mut stage, cli)),
            Dimension::Lives => runtime.block_on(lives::measure(&mut stage, cli)),
            // Clients, gateway and upstream live in one process: it takes all cores.
            Dimension::Isolation => as_served()?.block_on(isolation::measure(cli)),
        }?;
        stage.set_free()?;
        println!("\n{}", section.text);
        if cli.write {
            report::write(&section)?;
        }
        sections.push(section);
    }
    sections
        .iter()
        .for_each(|section| println!("{}", section.verdicts()));
    Ok(())
}

/// The runtime that `locum serve` has.
fn as_served() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
}

fn one_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

/// Says on standard error what is being done.
fn progress(what: &str) {
    eprintln!("… {what}");
}
