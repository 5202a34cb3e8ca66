//! `cargo xtask fuzz`: runs a fuzz target of `fuzz/`, which needs a nightly toolchain.

use anyhow::{Result, bail};
use clap::Args;

use crate::command::{ask, run as run_command, words};

/// Which target, for how long.
#[derive(Args)]
pub(crate) struct Options {
    /// The target, as `cargo fuzz list` names it.
    target: String,
    /// Seconds to run.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Fuzzes until the time is over or an input breaks the target.
pub(crate) fn run(options: &Options) -> Result<bool> {
    if let Some(reason) = missing() {
        bail!("{reason}");
    }
    fuzz(&options.target, options.seconds)?;
    Ok(true)
}

/// Says in one line what fuzzing lacks on this machine, or nothing.
pub(crate) fn missing() -> Option<String> {
    let has_nightly = ask(&mut words("rustup toolchain list"))
        .is_ok_and(|list| list.lines().any(|line| line.starts_with("nightly")));
    if !has_nightly {
        return Some("fuzzing needs `rustup toolchain install nightly`".into());
    }
    if ask(&mut words("cargo fuzz --version")).is_err() {
        return Some("fuzzing needs `cargo install cargo-fuzz --locked`".into());
    }
    None
}

/// The names of the targets, from the folder they live in.
pub(crate) fn targets() -> Result<Vec<String>> {
    let list = ask(words("cargo fuzz list").current_dir("fuzz"))?;
    Ok(list.lines().map(str::to_owned).collect())
}

/// Runs one target for some seconds. Fails when an input breaks it.
pub(crate) fn fuzz(target: &str, seconds: u32) -> Result<()> {
    let mut command = words("cargo +nightly fuzz run");
    command
        .arg(target)
        .arg("--")
        .arg(format!("-max_total_time={seconds}"));
    // Words of the format make the first seconds count; the lines of progress are nobody's, and a
    // failure prints its input all the same.
    command.args([
        "-dict=fuzz/words.dict",
        "-verbosity=0",
        "-print_final_stats=1",
    ]);
    run_command(&mut command)
}
