//! `cargo xtask bench`: starts a benchmark that lives beside the workspace, in `bench/`.

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::command::{run as run_command, words};

/// What to measure.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    name: Option<Name>,

    /// Of the delivery: as much as shows the order of things in five minutes.
    #[arg(long)]
    quick: bool,
}

#[derive(Subcommand)]
enum Name {
    /// Delivery to subscribers, beside the floor and other servers; what runs without a name.
    Delivery(Rest),
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
    let Some(name) = &options.name else {
        let quick = options.quick.then(|| "--quick".to_owned());
        return deliver(quick.as_slice());
    };
    match name {
        Name::Delivery(Rest { rest }) => return deliver(rest),
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

fn deliver(rest: &[String]) -> Result<bool> {
    build_hub()?;
    start("bench/delivery/Cargo.toml", rest)?;
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
