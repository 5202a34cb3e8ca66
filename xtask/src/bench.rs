//! `cargo xtask bench`: starts a benchmark that lives beside the workspace, in `bench/`.

use anyhow::Result;
use clap::{Args, ValueEnum};

use crate::command::{run as run_command, words};

/// What to measure, and what to hand on.
#[derive(Args)]
pub(crate) struct Options {
    /// The benchmark.
    #[arg(value_enum)]
    name: Name,
    /// Arguments for the benchmark itself, after `--`.
    #[arg(last = true)]
    rest: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Name {
    /// The decoder of `text/event-stream` against four published crates.
    Decoder,
}

/// Runs the benchmark with optimisation; it prints its own table.
pub(crate) fn run(options: &Options) -> Result<bool> {
    let manifest = match options.name {
        Name::Decoder => "bench/decoder/Cargo.toml",
    };
    let mut command = words("cargo run --release --manifest-path");
    command.arg(manifest).arg("--").args(&options.rest);
    run_command(&mut command)?;
    Ok(true)
}
