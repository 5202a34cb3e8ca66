//! `cargo xtask corrupt`: damages the log in every kind of place and looks at what is told.
//!
//! The work is done by a program of the testkit, which opens the log in its own process: thousands
//! of starts take minutes that way.

use anyhow::Result;
use clap::Args;

use crate::command::{run as run_command, words};

/// How often the log is damaged, and where.
#[derive(Args)]
pub(crate) struct Options {
    /// How often it is damaged.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) cases: u32,
    /// Decides the places.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// Damages as often as asked for, and returns whether everything was told.
pub(crate) fn run(options: &Options) -> Result<bool> {
    run_command(&mut words(&format!(
        "target/release/fanfare-damage {} {}",
        options.cases, options.seed
    )))?;
    Ok(true)
}
