//! `cargo xtask bench`: starts a benchmark that lives beside the workspace, in `bench/`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::command::{run as run_command, words};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    name: Name,
}

#[derive(Subcommand)]
enum Name {
    /// The decoder of `text/event-stream` against four published crates.
    Decoder(Rest),
    /// The durable log: appends beside embedded stores, start, resume, replay, retention.
    Log(Rest),
    /// Publishing with POST, beside Nchan.
    Publish(Rest),
}

/// What is handed on.
#[derive(Args)]
struct Rest {
    /// Arguments for the benchmark itself.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Runs the benchmark with optimisation; it prints its own tables.
pub(crate) fn run(options: &Options) -> Result<bool> {
    match &options.name {
        Name::Decoder(Rest { rest }) => start("bench/decoder/Cargo.toml", rest)?,
        Name::Log(Rest { rest }) => {
            build_hub()?;
            start("bench/log/Cargo.toml", rest)?;
        }
        Name::Publish(Rest { rest }) => {
            build_hub()?;
            let rest = [&["compare".to_owned()], &rest[..]].concat();
            start("bench/publish/Cargo.toml", &rest)?;
        }
    }
    Ok(true)
}

/// Builds the program as it is released, for benchmarks that drive it from outside.
fn build_hub() -> Result<()> {
    run_command(&mut words("cargo build --release -p fanfare-cli"))
}

fn start(manifest: &str, rest: &[String]) -> Result<()> {
    let mut command = words("cargo run --release --manifest-path");
    command.arg(manifest).arg("--").args(rest);
    run_command(&mut command)
}
