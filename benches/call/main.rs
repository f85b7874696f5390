//! `cargo bench --bench call`: the CPU that one `tools/call` costs in Locum, against a handler
//! that somebody wrote by hand for this one call.
//!
//! ```text
//! load (this process) ──┬─→ bare   (this program again)  ──┐
//!   keep-alive, checks  └─→ locum  (the real binary)     ──┴─→ upstream (this program again)
//! ```
//!
//! Rounds alternate between the targets, so that whatever else the machine does meets all of them.
//! The figure is the scheduler's own count of the nanoseconds that a target's threads ran.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program of its own: it reads the clock, makes a client and prints a table"
)]

mod bare;
mod gateway;
mod load;
mod process;
mod report;
mod rounds;
mod upstream;
mod wire;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Whatever ends a measurement early.
type Failure = Box<dyn std::error::Error>;

/// CPU per call: Locum against a bare handler.
#[derive(Parser)]
struct Cli {
    /// Numbers of keep-alive connections, one measurement each
    #[arg(long, value_delimiter = ',', default_value = "32")]
    connections: Vec<usize>,
    /// Calls to each target in a round
    #[arg(long, default_value_t = 20_000)]
    calls: usize,
    /// Rounds; medians are reported
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Organizations, each with its own credential and key; connections go through all of them
    #[arg(long, default_value_t = 1)]
    tenants: usize,
    /// Another build of the gateway, measured in the same rounds; repeat it for several
    #[arg(long)]
    also: Vec<PathBuf>,
    /// Put the table into docs/performance.md
    #[arg(long)]
    write: bool,
    /// What `cargo bench` adds
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

/// What this program is when it starts itself.
#[derive(Subcommand)]
enum Role {
    /// Answers what an upstream would, as cheaply as possible; prints its address
    Upstream,
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
    let cli = Cli::parse();
    match cli.role {
        // The runtime that `locum serve` has.
        Some(Role::Bare {
            listen,
            upstream,
            raw,
        }) => tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()?
            .block_on(bare::serve(listen, upstream, raw)),
        Some(Role::Upstream) => one_thread()?.block_on(upstream::serve()),
        None => one_thread()?.block_on(rounds::run(&cli)),
    }
}

fn one_thread() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}
