//! Measures the durable log of Fanfare: alone beside embedded stores, and behind the program as it
//! is released. `cargo xtask bench log` builds that program first.

mod appends;
mod corpus;
mod effort;
mod fanfare;
mod folder;
mod http;
mod hub;
mod in_flight;
mod paced;
mod payload;
mod peers;
mod replay;
mod report;
mod resume;
mod retention;
mod start;
mod stats;

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Parser, ValueEnum};

use corpus::Corpus;
use effort::Effort;

/// The program's own allocator, for all who are measured; SQLite brings its own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
struct Cli {
    /// Measure only these parts
    #[arg(long, value_delimiter = ',', value_enum)]
    only: Vec<Part>,

    /// Only show that it works: seconds instead of minutes, and no report
    #[arg(long)]
    quick: bool,

    /// Where the measured files lie; the large log stays there for the next run
    #[arg(long, default_value = "target/log-bench")]
    dir: PathBuf,

    /// The program that is measured
    #[arg(long, default_value = "target/release/fanfare")]
    program: PathBuf,

    /// The report that takes the figures in
    #[arg(long, default_value = "docs/results/log.md")]
    report: PathBuf,

    /// Of part 1, only targets whose name begins so, in any case; for profiling
    #[arg(long, default_value = "")]
    target: String,

    /// Of part 1, only with so many in flight
    #[arg(long)]
    depth: Option<usize>,

    /// Runs of each measurement
    #[arg(long)]
    rounds: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Durable appends beside redb, fjall and SQLite
    Appends,
    /// Start on 10 million events
    Start,
    /// Resumes from random ids while others publish
    Resume,
    /// A million events to one subscriber, beside cat
    Replay,
    /// Publishing while retention drops as much
    Retention,
}

impl Cli {
    fn choice(&self) -> appends::Choice {
        appends::Choice {
            prefix: self.target.to_lowercase(),
            depth: self.depth,
        }
    }
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    let mut effort = if cli.quick {
        Effort::QUICK
    } else {
        Effort::FULL
    };
    effort.rounds = cli.rounds.unwrap_or(effort.rounds);
    ensure!(effort.rounds > 0, "--rounds is zero");
    fs::create_dir_all(&cli.dir)?;
    for part in Part::value_variants() {
        if !cli.only.is_empty() && !cli.only.contains(part) {
            continue;
        }
        let corpus = || Corpus::ensure(&cli.dir, effort.corpus_events);
        let section = match part {
            Part::Appends => appends::measure(&cli.dir, effort, &cli.choice())?,
            Part::Start => start::measure(&cli.program, &corpus()?, effort)?,
            Part::Resume => resume::measure(&cli.program, &corpus()?, effort)?,
            Part::Replay => replay::measure(&cli.program, &cli.dir, effort)?,
            Part::Retention => retention::measure(&cli.dir, effort)?,
        };
        println!("\n## {}\n\n{}\n", section.title, section.body);
        let is_whole = cli.target.is_empty() && cli.depth.is_none();
        if !cli.quick && is_whole {
            report::update(&cli.report, &[section])?;
        }
    }
    Ok(())
}
