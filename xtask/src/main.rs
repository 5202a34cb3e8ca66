//! `cargo xtask`: the chores of this repository, so that a laptop and CI run the same code.

mod bench;
mod campaign;
mod command;
mod fuzz;
mod test;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// The chores of this repository.
///
/// `cargo xtask test` is the one command that says whether a change is good.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check everything: brings what is missing, runs every step, ends with `N passed, N failed`.
    Test(test::Options),
    /// The same as `test`; this is what CI calls.
    Ci(test::Options),
    /// Check what a compiler does not: arrows between crates, budgets, words, prose.
    Tidy(tidy::Options),
    /// Measure one part against its peers.
    Bench(bench::Options),
    /// Have certificates made and renewed by an authority on this machine.
    Acme(campaign::acme::Options),
    /// Kill the hub under load again and again, and count what was lost.
    Crash(campaign::crash::Options),
    /// Damage the log in every kind of place, and look at what is told.
    Corrupt(campaign::corrupt::Options),
    /// Fill the disk of a hub under load, and make room again.
    DiskFull(campaign::disk_full::Options),
    /// Restart the hub under thousands of subscribers, and see how soon all are back.
    Restart(campaign::restart::Options),
    /// Flood the hub with frames, bytes and connections, and look at what that costs.
    Floods(campaign::floods::Options),
    /// Cut the power of a guest under load, and count what was lost.
    PowerCut(campaign::power_cut::Options),
    /// Hold a million subscribers in a guest, reach them all, and tell what each costs.
    Million(campaign::million::Options),
    /// Feed a fuzz target with random input.
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether what was asked for is in order; an error means that it could not be found out.
fn run(cli: Cli) -> Result<bool> {
    std::env::set_current_dir(command::root()?)?;
    match cli.verb {
        Verb::Test(options) | Verb::Ci(options) => test::run(&options),
        Verb::Tidy(options) => tidy::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::Acme(options) => campaign::acme::run(&options),
        Verb::Crash(options) => campaign::crash::run(&options),
        Verb::Corrupt(options) => campaign::corrupt::run(&options),
        Verb::DiskFull(options) => campaign::disk_full::run(&options),
        Verb::Restart(options) => campaign::restart::run(&options),
        Verb::Floods(options) => campaign::floods::run(&options),
        Verb::PowerCut(options) => campaign::power_cut::run(&options),
        Verb::Million(options) => campaign::million::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
    }
}
