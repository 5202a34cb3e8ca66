//! Measures how many POSTs a second a hub acknowledges, and after what time, beside Nchan.

mod answer;
mod compare;
mod cores;
mod load;
mod report;
mod servers;
mod stats;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

use crate::compare::Plan;
use crate::load::Load;
use crate::servers::Place;
use crate::stats::thousands;

/// Measures how fast events are acknowledged to publishers.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the servers, measure them in turns, write the report.
    Compare(Compare),
    /// Put load on a server that runs already.
    Load(Drive),
}

#[derive(Args)]
struct Compare {
    /// Seconds in all: shows that it works, and measures nothing.
    #[arg(long)]
    quick: bool,
    /// Runs of each measurement, of which the median counts.
    #[arg(long)]
    rounds: Option<usize>,
    /// Seconds of a run that count.
    #[arg(long)]
    seconds: Option<f64>,
    /// The program.
    #[arg(long, default_value = "target/release/fanfare")]
    fanfare: PathBuf,
    #[arg(long, default_value = "/usr/sbin/nginx")]
    nginx: PathBuf,
    #[arg(long, default_value = "/usr/lib/nginx/modules/ngx_nchan_module.so")]
    nchan_module: PathBuf,
    /// Where the servers keep their files: the disk that is measured.
    #[arg(long, default_value = "bench/publish/target/servers")]
    dir: PathBuf,
    /// Where the report is written.
    #[arg(long, default_value = "docs/results/publish.md")]
    report: PathBuf,
}

#[derive(Args)]
struct Drive {
    /// Address of the server.
    address: SocketAddr,
    /// The path in front of the topic's number.
    #[arg(long, default_value = "/bench-")]
    prefix: String,
    #[arg(long, default_value_t = 64)]
    connections: usize,
    #[arg(long, default_value_t = compare::TOPICS)]
    topics: usize,
    #[arg(long, default_value_t = compare::BODY_BYTES)]
    bytes: usize,
    #[arg(long, default_value_t = 3.0)]
    seconds: f64,
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Compare(options) => {
            let mut plan = if options.quick {
                Plan::QUICK
            } else {
                Plan::FULL
            };
            plan.rounds = options.rounds.unwrap_or(plan.rounds);
            plan.counted = options
                .seconds
                .map_or(plan.counted, Duration::from_secs_f64);
            let place = Place {
                fanfare: options.fanfare,
                nginx: options.nginx,
                nchan_module: options.nchan_module,
                dir: options.dir,
            };
            let tables = compare::run(&plan, &place)?;
            report::write(&options.report, &plan, &tables)
        }
        Command::Load(options) => drive(&options),
    }
}

fn drive(options: &Drive) -> Result<()> {
    let load = Load {
        address: options.address,
        prefix: options.prefix.clone(),
        connections: options.connections,
        topics: options.topics,
        body_bytes: options.bytes,
        warm_up: Duration::from_millis(500),
        counted: Duration::from_secs_f64(options.seconds),
    };
    let outcome = load::run(&load, || Ok(()))?;
    let [p50, p99, p999, max] = [0.5, 0.99, 0.999, 1.0].map(|share| outcome.latencies.us(share));
    let rate = thousands(outcome.acks_per_s());
    println!("{rate} acks/s; us: p50 {p50:.0}, p99 {p99:.0}, p99.9 {p999:.0}, max {max:.0}");
    Ok(())
}
